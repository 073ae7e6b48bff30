package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"runtime"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"outcrop/internal/llm"
)

// maxSchema is how long a client's schema may be, in bytes: it is compiled for one request.
const maxSchema = 256 << 10

// format is what an answer has to look like: JSON, and more if there is a schema.
type format struct {
	schema *jsonschema.Schema // nil when any JSON object will do
	meter  *meter
	// fatal says that an answer that does not obey is a failure: strict was asked for, and nothing of
	// the answer is sent before it is checked.
	fatal bool
}

// newFormat is what the request asks for, nil when that is nothing. The schema is the client's own,
// whatever an adapter makes of it.
func newFormat(f llm.Format, stream bool) (*format, error) {
	switch f.Kind {
	case llm.FormatJSON:
		return &format{}, nil
	case llm.FormatSchema:
		m := &meter{}
		schema, err := compileSchema(f.Schema, m)
		return &format{schema: schema, meter: m, fatal: f.Strict && !stream}, err
	default:
		return nil, nil
	}
}

func compileSchema(doc []byte, m *meter) (schema *jsonschema.Schema, err error) {
	const param = "response_format.json_schema.schema"
	if len(doc) > maxSchema {
		return nil, llm.Invalid(param, param+": the schema is longer than 256 KiB.")
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		return nil, &llm.Error{Kind: llm.KindInvalid, Param: param, Message: param + ": not valid JSON.", Err: err}
	}
	if why := weigh(value).tooHeavy(); why != "" {
		return nil, llm.Invalid(param, param+": the schema "+why+".")
	}
	defer func() {
		if recover() != nil { // a stranger's schema must not end the request
			schema, err = nil, llm.Invalid(param, param+": not a valid JSON Schema.")
		}
	}()
	c := jsonschema.NewCompiler()
	c.UseLoader(nowhere{})
	c.UseRegexpEngine((&patterns{instructions: maxInstructions, matching: maxMatching}).compile)
	c.RegisterVocabulary(m.vocabulary())
	c.AssertVocabs()
	const name = "schema.json"
	if err := c.AddResource(name, value); err != nil {
		return nil, schemaError(param, err)
	}
	if schema, err = c.Compile(name); err != nil {
		return nil, schemaError(param, err)
	}
	return schema, nil
}

// schemaError says where a schema is wrong. The library's own text would quote it.
func schemaError(param string, err error) error {
	message := param + ": not a valid JSON Schema"
	if invalid, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		if v, ok := errors.AsType[*jsonschema.ValidationError](invalid.Err); ok {
			message += ": " + violationOf(v).String()
		}
	}
	if _, ok := errors.AsType[*jsonschema.LoadURLError](err); ok {
		message += ": $schema and $ref may name only the drafts of JSON Schema and what is in the schema itself"
	}
	return &llm.Error{Kind: llm.KindInvalid, Param: param, Message: message + "."}
}

// nowhere loads nothing: a schema cannot make the server read a file or call a URL.
type nowhere struct{}

func (nowhere) Load(string) (any, error) { return nil, errors.New("not loaded") }

// violation is where an answer does not obey, and the keyword of the schema that says so. It quotes
// no value.
type violation struct {
	Path    string `json:"path"`    // "$.items[2].price"
	Keyword string `json:"keyword"` // "type"; "json" when the answer is not JSON at all
}

func (v violation) String() string {
	if v.Keyword == notJSON {
		return "it is not JSON"
	}
	return "at " + v.Path + ": " + v.Keyword
}

// notJSON is the keyword of an answer that is none.
const notJSON = "json"

// check returns nil for a text that obeys.
func (f *format) check(text []byte) *violation {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return &violation{"$", notJSON}
	}
	if f.schema == nil {
		if _, ok := value.(map[string]any); !ok {
			return &violation{"$", "type"}
		}
		return nil
	}
	return f.validate(value)
}

// tooLong is the keyword of a violation that is none: nobody knows.
const tooLong = "too long to check"

// validate runs in a goroutine of its own, which the meter can end.
func (f *format) validate(value any) *violation {
	if weigh(value).number {
		return &violation{"$", tooLong}
	}
	f.meter.left = maxSteps
	result := &violation{"$", tooLong}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if recover() != nil { // a stranger's schema must not end the process
				result = &violation{"$", "schema"}
			}
		}()
		err := f.schema.Validate(value)
		result = nil
		if v, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
			result = violationOf(v)
		}
	}()
	<-done
	return result
}

// maxSteps is how many subschemas may be tried on the parts of one answer, which takes half a second at most.
// References can make a short schema take for ever.
const maxSteps = 1 << 17

// meter counts them.
type meter struct{ left int }

// vocabulary is one without keywords that makes the meter part of every subschema.
func (m *meter) vocabulary() *jsonschema.Vocabulary {
	return &jsonschema.Vocabulary{
		URL:     "outcrop:metered",
		Compile: func(*jsonschema.CompilerContext, map[string]any) (jsonschema.SchemaExt, error) { return m, nil },
	}
}

// Validate implements jsonschema.SchemaExt.
func (m *meter) Validate(*jsonschema.ValidatorContext, any) {
	if m.left--; m.left < 0 {
		runtime.Goexit()
	}
}

// violationOf is the first of the deepest causes.
func violationOf(v *jsonschema.ValidationError) *violation {
	for len(v.Causes) > 0 {
		v = v.Causes[0]
	}
	keyword := "schema"
	if path := v.ErrorKind.KeywordPath(); len(path) > 0 {
		keyword = path[len(path)-1]
	}
	return &violation{pathOf(v.InstanceLocation), keyword}
}

// maxPath bounds the path of a violation in bytes: its names are the model's.
const maxPath = 200

func pathOf(location []string) string {
	var b strings.Builder
	b.WriteString("$")
	for _, name := range location {
		if b.Len() > maxPath {
			return b.String() + "..."
		}
		switch {
		case isDigits(name):
			b.WriteString("[" + name + "]")
		case isName(name):
			b.WriteString("." + name)
		default:
			b.WriteString("[" + strconv.QuoteToASCII(name[:min(len(name), maxPath)]) + "]")
		}
	}
	return b.String()
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func isName(s string) bool {
	return s != "" && len(s) <= maxPath && strings.IndexFunc(s, func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
}

// checked passes a reply on and says in the Finish of a choice, as schema_violation, where its text
// does not obey. An answer that was cut or that calls tools is not checked. Without a format there is
// nothing to check.
func (f *format) checked(seq iter.Seq2[llm.Event, error]) iter.Seq2[llm.Event, error] {
	if f == nil {
		return seq
	}
	return func(yield func(llm.Event, error) bool) {
		texts, current := make([][]byte, 1), 0
		for event, err := range seq {
			switch e := event.(type) {
			case llm.Choice:
				for len(texts) <= e.Index {
					texts = append(texts, nil)
				}
				current = e.Index
			case *llm.TextDelta:
				texts[current] = append(texts[current], e.Text...)
			case llm.Finish:
				if e.Reason == llm.FinishStop {
					event, err = f.judge(e, texts[current])
				}
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// errDisobeyed is for the log: the names in a path may be the model's words.
var errDisobeyed = errors.New("the answer does not obey the schema")

func (f *format) judge(finish llm.Finish, text []byte) (llm.Event, error) {
	v := f.check(text)
	switch {
	case v == nil:
		return finish, nil
	case f.fatal && v.Keyword != tooLong:
		return nil, &llm.Error{Kind: llm.KindUpstream, Message: "The model's answer does not obey the schema: " + v.String() + ".", Err: errDisobeyed}
	}
	finish.Custom = withMember(finish.Custom, "schema_violation", v)
	return finish, nil
}

// withMember adds a member to a JSON object, which may be nil.
func withMember(object []byte, name string, value any) []byte {
	members := map[string]json.RawMessage{}
	if len(object) > 0 && json.Unmarshal(object, &members) != nil {
		return object
	}
	text, err := json.Marshal(value)
	if err != nil {
		return object
	}
	members[name] = text
	joined, err := json.Marshal(members)
	if err != nil {
		return object
	}
	return joined
}
