package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// marked says what the line that yaml.v3 gives with a message is worth. For one
// kind of its errors it counts from 0 and for the other from 1, it names no line
// where that number is 0, and for some errors the mark is that of the collection
// around the mistake.
type marked uint8

const (
	// notAtAll: the line is the one up to which the parser had read.
	notAtAll marked = iota
	// fromOne is the scanner's mark: the beginning of what it cannot read.
	fromOne
	// fromZero is the parser's mark: the value that it cannot place.
	fromZero
	// around: the mark is that of the block around the mistake, or there is
	// none. The end of a text never causes such an error, so the mistake is on
	// the last line of the shortest beginning of the file that has it too.
	around
	// opening: the mark is the bracket that was still open.
	opening
)

// A yamlMistake is one that the parser words as says.
type yamlMistake struct {
	says            string
	mark            marked
	message, remedy string
}

func yamlMistakes() []yamlMistake {
	const doesNotFit, checkIndentation = "a line that does not fit what stands above it", "check the indentation"
	const checkAll = "check the indentation, and look for a bracket or quote too many"
	return []yamlMistake{
		{"unknown anchor", around, "an alias (*name) without its anchor (&name)", "a string that starts with * needs quotes"},
		{"tab character", fromOne, "a tab in the indentation", "indent with spaces"},
		{"cannot start any token", fromOne, "a character that cannot start a value", "indent with spaces; a string that starts with % @ or ` needs quotes"},
		{"mapping values are not allowed", fromOne, "a colon where none may stand", "check the indentation; a string with a colon and a space needs quotes"},
		{"sequence entries are not allowed", fromOne, "a list item (-) where none may stand", checkIndentation},
		{"did not find expected key", around, doesNotFit, checkAll},
		{"did not find expected '-'", around, doesNotFit, checkAll},
		{"did not find expected node content", fromZero, "a value is missing here", ""},
		{"did not find expected <document start>", fromZero, "something follows the end of the document", "look for a bracket or brace too many"},
		{"could not find expected ':'", fromOne, "a name without its colon", ""},
		{"did not find expected ','", opening, "a bracket or brace is not closed, or a comma is missing", ""},
		{"unexpected end of stream", fromOne, "a quoted string that never ends", "add the closing quote"},
		{"unexpected document indicator", fromOne, "a quoted string that never ends", "add the closing quote"},
		{"unknown escape", fromOne, "an escape that YAML does not have", `a backslash in a double-quoted string is written \\`},
		{"control characters", notAtAll, "a control character", ""},
		{"UTF-8", notAtAll, "this is not UTF-8 text", "save the file as UTF-8"},
		{"exceeded max depth", notAtAll, "too many levels of nesting", ""},
	}
}

// yamlSyntax says why the text is no YAML, and on which line, in words that
// quote nothing: the parser's own text may hold a piece of the file (a key that
// starts with * is an "unknown anchor").
func yamlSyntax(file string, data []byte) *syntaxError {
	found := yamlFail(data)
	mistake := yamlMistake{message: "this is not YAML"}
	if i := slices.IndexFunc(yamlMistakes(), func(m yamlMistake) bool { return strings.Contains(found.says, m.says) }); i >= 0 {
		mistake = yamlMistakes()[i]
	}
	line := found.read
	switch mistake.mark {
	case fromOne:
		line = found.mark - 1
	case fromZero:
		line = found.mark
	case around:
		line = found.first(data, "")
	case opening:
		line, mistake.remedy = found.bracket(data)
	}
	return &syntaxError{pos{file: file, line: max(line, 1)}, mistake.message, mistake.remedy}
}

// A yamlFailure is what the parser says of a text.
type yamlFailure struct {
	says string // may quote the text
	mark int    // the line of the parser's mark, see marked
	read int    // the line up to which it had read
}

// yamlFail parses the text once more, for a place: behind an empty line, because
// the parser takes a mark on the first line for none, and byte by byte, because
// what it has not asked for is not to blame.
func yamlFail(data []byte) yamlFailure {
	r := &byteReader{data: data}
	var f yamlFailure
	f.says, f.mark = yamlSays(io.MultiReader(strings.NewReader("\n"), r))
	f.read = 1 + bytes.Count(data[:max(r.off-1, 0)], []byte("\n"))
	return f
}

// first is the last line of the shortest beginning of the text of which, with
// the end put to it, the parser says the same.
func (f yamlFailure) first(data []byte, end string) int {
	return 1 + sort.Search(f.read-1, func(i int) bool { return f.same(firstLines(data, i+1), end) })
}

func (f yamlFailure) same(data []byte, end string) bool {
	says, _ := yamlSays(io.MultiReader(bytes.NewReader(data), strings.NewReader(end)))
	return says == f.says
}

// bracket chooses between the line of the bracket that is open and the line
// where the parser noticed: a line inside the bracket is indented more than the
// one that opens it, so one that is not shows that the bracket was forgotten.
func (f yamlFailure) bracket(data []byte) (line int, remedy string) {
	const comma = "\n," // can be the next token in every bracket, so the end of the text is no mistake of this kind
	if !f.same(data, comma) {
		return f.mark, ""
	}
	noticed := f.first(data, comma)
	switch {
	case noticed == f.mark:
		return noticed, ""
	case indentation(data, noticed) <= indentation(data, f.mark):
		return f.mark, fmt.Sprintf("noticed on line %d", noticed)
	}
	return noticed, fmt.Sprintf("it opens on line %d", f.mark)
}

// indentation counts the spaces that the line begins with.
func indentation(data []byte, line int) int {
	text := data[len(firstLines(data, line-1)):]
	return len(text) - len(bytes.TrimLeft(text, " "))
}

// firstLines is the text up to the end of the n-th line.
func firstLines(data []byte, n int) []byte {
	end := 0
	for range n {
		i := bytes.IndexByte(data[end:], '\n')
		if i < 0 {
			return data
		}
		end += i + 1
	}
	return data[:end]
}

// byteReader hands out one byte at a time.
type byteReader struct {
	data []byte
	off  int
}

// Read is io.Reader's.
func (r *byteReader) Read(p []byte) (int, error) {
	if r.off == len(r.data) {
		return 0, io.EOF
	}
	n := copy(p, r.data[r.off:min(r.off+1, len(r.data))])
	r.off += n
	return n, nil
}

// yamlSays is the parser's message without its line, "" if the text is YAML,
// and the line, 0 if it gives none.
func yamlSays(r io.Reader) (says string, line int) {
	dec := yaml.NewDecoder(r)
	for {
		err := dec.Decode(new(yaml.Node))
		if errors.Is(err, io.EOF) {
			return "", 0
		}
		if err == nil {
			continue
		}
		said := err.Error()
		m := yamlLine.FindStringSubmatch(said)
		if m == nil {
			return said, 0
		}
		line, err = strconv.Atoi(m[1])
		if err != nil {
			return said, 0
		}
		return said[len(m[0]):], line
	}
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)
