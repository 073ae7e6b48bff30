package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"outcrop/internal/jsonscan"
)

func check(doc []byte) error {
	s := jsonscan.New(doc)
	s.Skip()
	s.End()
	return s.Err()
}

func TestErrorsSayWhatAndWhere(t *testing.T) {
	tests := []struct {
		doc, reason string
		line, col   int
	}{
		{``, "unexpected end of input, expected a value", 1, 1},
		{`{"a":1,}`, "unexpected '}', expected a member name in quotes", 1, 8},
		{"{\n \"a\" 1}", "unexpected '1', expected ':' after a member name", 2, 6},
		{`[1 2]`, "unexpected '2', expected ',' or ']'", 1, 4},
		{`{"a":"b`, "unexpected end of input inside a string", 1, 8},
		{`"é` + "\x01" + `"`, "unescaped control character in a string", 1, 3},
		{`"\x"`, "invalid escape in a string", 1, 2},
		{`"\ud80"`, "invalid escape in a string", 1, 2},
		{"\"\xff\"", "a string is not valid UTF-8", 1, 1},
		{`01`, "unexpected '1' after the end of the document", 1, 2},
		{`-`, "unexpected end of input, expected a digit", 1, 2},
		{`1.`, "unexpected end of input, expected a digit", 1, 3},
		{`1e+`, "unexpected end of input, expected a digit", 1, 4},
		{`nul`, "unexpected word, expected null", 1, 1},
		{`trup`, "unexpected word, expected true", 1, 1},
		{`{} {}`, "unexpected '{' after the end of the document", 1, 4},
		{`'a'`, "unexpected ''', expected a value", 1, 1},
		{strings.Repeat("[", jsonscan.MaxDepth+1), "nested more than 512 levels deep", 1, jsonscan.MaxDepth + 1},
	}
	for _, tt := range tests {
		err := check([]byte(tt.doc))
		var e *jsonscan.Error
		if !errors.As(err, &e) {
			t.Errorf("%q: no error", tt.doc)
			continue
		}
		line, col := jsonscan.Position([]byte(tt.doc), e.Offset)
		if e.Reason != tt.reason || line != tt.line || col != tt.col || e.Mismatch {
			t.Errorf("%q: got %d:%d %q, want %d:%d %q", tt.doc, line, col, e.Reason, tt.line, tt.col, tt.reason)
		}
	}
}

func TestMismatchNamesWhatItGot(t *testing.T) {
	tests := map[string]struct {
		read func(*jsonscan.Scanner)
		want string
	}{
		`1`:     {func(s *jsonscan.Scanner) { _ = s.String() }, "expected a string, got a number"},
		`"x"`:   {func(s *jsonscan.Scanner) { s.Object() }, "expected an object, got a string"},
		`{}`:    {func(s *jsonscan.Scanner) { s.Array() }, "expected an array, got an object"},
		`null`:  {func(s *jsonscan.Scanner) { s.Bool() }, "expected true or false, got null"},
		`true`:  {func(s *jsonscan.Scanner) { s.Float() }, "expected a number, got a boolean"},
		`1.5`:   {func(s *jsonscan.Scanner) { s.Int() }, "expected an integer, got a number with a fraction or out of range"},
		`1e999`: {func(s *jsonscan.Scanner) { s.Float() }, "expected a number within the range of a float64"},
		`[]`:    {func(s *jsonscan.Scanner) { s.Int() }, "expected an integer, got an array"},
	}
	for doc, tt := range tests {
		s := jsonscan.New([]byte(doc))
		tt.read(&s)
		var e *jsonscan.Error
		if !errors.As(s.Err(), &e) || e.Reason != tt.want || !e.Mismatch {
			t.Errorf("%s: got %v, want %q", doc, s.Err(), tt.want)
		}
	}
}

func TestValues(t *testing.T) {
	s := jsonscan.New([]byte(` {"s":"a\n\"\u00e9\ud83d\ude00\ud800","i":-3,"w":1e2,"f":2.5,"b":true,"n":null,"a":[1,[],{}]} `))
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "s":
			if got := s.String(); got != "a\n\"é😀\uFFFD" {
				t.Errorf("string: %q", got)
			}
		case "i":
			if got := s.Int(); got != -3 {
				t.Errorf("int: %d", got)
			}
		case "w":
			if got := s.Int(); got != 100 {
				t.Errorf("whole: %d", got)
			}
		case "f":
			if got := s.Float(); got != 2.5 {
				t.Errorf("float: %g", got)
			}
		case "b":
			if !s.Bool() {
				t.Error("bool: false")
			}
		case "n":
			if !s.Null() {
				t.Error("null: not null")
			}
		case "a":
			if got := string(s.Raw()); got != "[1,[],{}]" {
				t.Errorf("raw: %s", got)
			}
		}
	}
	s.End()
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
}

func TestPathsAreFoundByOffset(t *testing.T) {
	doc := []byte(`{"messages":[{"role":"user"},{"content":[{"x y":1,"n":2}]}],"end":3}`)
	tests := []struct{ at, want string }{
		{`"user"`, "messages[0].role"},
		{`{"content"`, "messages[1]"},
		{`1,`, `messages[1].content[0]["x y"]`},
		{`2}`, `messages[1].content[0].n`},
		{`3}`, "end"},
	}
	var offsets []int
	for _, tt := range tests {
		offsets = append(offsets, bytes.Index(doc, []byte(tt.at)))
	}
	got := jsonscan.Paths(doc, offsets)
	for i, tt := range tests {
		if got[i] != tt.want {
			t.Errorf("%s: got %s, want %s", tt.at, got[i], tt.want)
		}
	}
	if got := jsonscan.Path([]byte(`{"a":[{"b":tru}]}`), 12); got != "a[0].b" {
		t.Errorf("path inside a broken document: %s", got)
	}
}

func TestReadingAllocatesNothingWithoutEscapes(t *testing.T) {
	doc := []byte(`{"role":"user","content":[{"type":"text","text":"hello there, this is plain"}],"n":12}`)
	if n := testing.AllocsPerRun(100, func() { _ = check(doc) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzAgainstEncodingJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5e-3,"x\u00e9\\"],"b":null}`, `[[],{},"",-0]`, `"\ud83d\ude00"`, `{"a":}`, `tru`, "\"\xff\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		err := check(doc)
		deep := bytes.Count(doc, []byte("["))+bytes.Count(doc, []byte("{")) > jsonscan.MaxDepth
		if want := json.Valid(doc) && utf8.Valid(doc); !deep && (err == nil) != want {
			t.Fatalf("%q: got %v, encoding/json says valid=%v", doc, err, want)
		}
		if err != nil {
			return
		}
		for _, inPlace := range []bool{false, true} {
			s := jsonscan.New(doc)
			if inPlace {
				s = jsonscan.NewInPlace(bytes.Clone(doc))
			}
			if s.Kind() != '"' {
				continue
			}
			var want string
			if err := json.Unmarshal(doc, &want); err != nil {
				t.Fatal(err)
			}
			if got := s.String(); got != want {
				t.Fatalf("%q: got %q, want %q", doc, got, want)
			}
		}
	})
}

func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\n\x00é😀\xff\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		doc := jsonscan.AppendString(nil, s)
		var got string
		if err := json.Unmarshal(doc, &got); err != nil {
			t.Fatalf("%q: %v", doc, err)
		}
		if want := strings.ToValidUTF8(s, "\uFFFD"); got != want && utf8.ValidString(s) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

// BenchmarkSkipSchema skips a tool's schema as models are sent them, 2.6 KB.
func BenchmarkSkipSchema(b *testing.B) {
	doc := []byte(`{"type":"object","properties":{` + strings.Repeat(`"origin_city":{"type":"string","description":"Where the journey begins, as the name of a city."},"stops":{"type":"array","maxItems":4,"items":{"type":["string","null"],"enum":["DUB","LHR","CDG",null]}},`, 12) + `"last":{"type":"number","minimum":-1.5e3}},"required":["origin_city"],"additionalProperties":false}`)
	b.Run("Outcrop", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		for b.Loop() {
			if err := check(doc); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		for b.Loop() {
			if !json.Valid(doc) {
				b.Fatal("not valid")
			}
		}
	})
}

func BenchmarkSkip1MBString(b *testing.B) {
	doc := []byte(`"` + strings.Repeat("QUJDREVGR0g", 1<<20/11) + `"`)
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		if err := check(doc); err != nil {
			b.Fatal(err)
		}
	}
}
