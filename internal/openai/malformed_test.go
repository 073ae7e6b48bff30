package openai

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"outcrop/internal/llm"
)

// TestMalformed decodes the table of testdata/malformed.txt: each request has one clear error, which
// names what is wrong.
func TestMalformed(t *testing.T) {
	rows := malformedRows(t)
	if len(rows) < 150 {
		t.Errorf("%d rows", len(rows))
	}
	seen := map[string]bool{}
	for _, row := range rows {
		if seen[row.body] {
			t.Errorf("line %d: twice: %.100s", row.line, row.body)
		}
		seen[row.body] = true
		start := time.Now()
		req, shape, err := DecodeChat([]byte(row.body))
		took := time.Since(start)
		e, ok := errors.AsType[*llm.Error](err)
		switch {
		case !ok:
			t.Errorf("line %d: accepted: %.200s", row.line, row.body)
			continue
		case req != nil || shape.Model != "" || shape.Ignored != nil:
			t.Errorf("line %d: a request and an error", row.line)
		case e.Kind != llm.KindInvalid || e.Param != row.param:
			t.Errorf("line %d: got %q, want %q: %v", row.line, e.Param, row.param, err)
		case len(e.Message) > longestMessage || !utf8.ValidString(e.Message) || !strings.HasSuffix(e.Message, "."):
			t.Errorf("line %d: the message is no sentence: %q", row.line, e.Message)
		case !strings.HasPrefix(e.Message, "The body is ") && !strings.HasPrefix(e.Message, cut(e.Param, maxToldPath)+": "):
			t.Errorf("line %d: the message does not name what is wrong: %q", row.line, e.Message)
		case took > 5*time.Second:
			t.Errorf("line %d: %s", row.line, took)
		}
	}
}

type malformed struct {
	line        int
	param, body string
}

// malformedRows reads the table. A row is a param, or - for none, and a body. What stands for a part of
// a body: $HI a message, $CHAT{…} a request with one message and those members, $USER{…}, $TURN{…},
// $TOOLMSG{…} a request of a message with those members, $PARTS[…] one with those parts, <<n * x>> what
// expand says, and \xNN that byte.
func malformedRows(t *testing.T) (rows []malformed) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "malformed.txt"))
	if err != nil {
		t.Fatal(err)
	}
	line := 0
	for row := range strings.Lines(string(text)) {
		line++
		row = strings.TrimSuffix(row, "\n")
		if row == "" || row[0] == '#' {
			continue
		}
		param, body, _ := strings.Cut(row, " ")
		if param == "-" {
			param = ""
		}
		rows = append(rows, malformed{line, param, expand(t, rawBytes(t, spelled(body)))})
	}
	return rows
}

// spelled writes a body out.
func spelled(body string) string {
	for short, long := range map[string][2]string{
		"$CHAT{":    {`{"messages":[` + hi + `],`, `}`},
		"$USER{":    {`{"messages":[{"role":"user","content":"a",`, `}]}`},
		"$TURN{":    {`{"messages":[` + hi + `,{"role":"assistant","content":"a",`, `}]}`},
		"$TOOLMSG{": {`{"messages":[` + hi + `,{"role":"tool","tool_call_id":"i","content":"a",`, `}]}`},
		"$PARTS[":   {`{"messages":[{"role":"user","content":[`, `]}]}`},
	} {
		if inner, ok := strings.CutPrefix(body, short); ok {
			return long[0] + inner[:len(inner)-1] + long[1]
		}
	}
	return strings.ReplaceAll(body, "$HI", hi)
}

func rawBytes(t *testing.T, text string) string {
	t.Helper()
	before, after, found := strings.Cut(text, `\x`)
	if !found {
		return text
	}
	b, err := strconv.ParseUint(after[:2], 16, 8)
	if err != nil {
		t.Fatal(err)
	}
	return before + string([]byte{byte(b)}) + rawBytes(t, after[2:])
}
