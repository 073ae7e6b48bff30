package openai

import (
	"bytes"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// PeekModel is the member model of a body, read no further than to there; "" when it is absent, or the body is
// not what it should be. It is for a server that hands the body on as it is.
func PeekModel(body []byte) string {
	s := jsonscan.New(body)
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		if key != "model" {
			s.Skip()
			continue
		}
		if name := s.String(); s.Err() == nil {
			return strings.Clone(name)
		}
		return ""
	}
	return ""
}

// CheckOneModel refuses a body that names its model twice, an *llm.Error: another server may take the one that was not
// looked at. What is no JSON is that server's to refuse.
func CheckOneModel(body []byte) error {
	s, named := jsonscan.New(body), false
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		if key == "model" {
			if named {
				return llm.Invalid("model", "model: given twice.")
			}
			named = true
		}
		s.Skip()
	}
	return nil
}

// Need is about what a request needs, for a server that reserves it.
type Need struct {
	Prompt int // tokens, by the length of the body without files: rather too many
	Output int // the longest answer in tokens, of all choices; 0 when the request does not say
}

const (
	// bytesPerToken is of a body: of English text it has more, of others fewer, and JSON has its signs.
	bytesPerToken = 3
	// longestText is how long a string may be that has no space near its beginning, in bytes, and is no file.
	longestText = 4096
	// fileTokens is what a file in a request counts, which is about a large image.
	fileTokens = 1600
)

// PeekNeed is about what a body of any dialect needs. A body that is not what it should be needs what its bytes say.
func PeekNeed(body []byte) Need {
	n := Need{Prompt: PromptTokens(body)}
	choices := int64(1)
	s := jsonscan.New(body)
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "max_tokens", "max_completion_tokens", "max_output_tokens":
			if s.Kind() == '0' {
				n.Output = max(n.Output, tokensWithin(s.Int()))
				continue
			}
		case "n":
			if s.Kind() == '0' {
				choices = min(max(1, s.Int()), 128)
				continue
			}
		}
		s.Skip()
	}
	n.Output *= int(choices)
	return n
}

func tokensWithin(tokens int64) int { return int(min(max(tokens, 0), 1<<31)) }

// PromptTokens is about what a body of any dialect has of tokens: it counts its bytes, but for the strings that are files. Few
// stretches have no quote: only what is around those is looked at.
func PromptTokens(body []byte) int {
	const stretch = longestText / 2 // one lies within any string that is long enough
	text, files := len(body), 0
	for at := 0; at+stretch <= len(body); {
		if bytes.IndexByte(body[at:at+stretch], '"') >= 0 {
			at += stretch
			continue
		}
		from := bytes.LastIndexByte(body[:at], '"') + 1
		end := quoteAfter(body, at+stretch)
		if end < 0 {
			break
		}
		if isFile(body, from, end) {
			text, files = text-(end-from), files+1
		}
		at = end + 1
	}
	return text/bytesPerToken + files*fileTokens
}

// quoteAfter is where the next quote is that no backslash precedes, or -1. An escaped backslash before the end of a string only makes it
// longer.
func quoteAfter(body []byte, at int) int {
	for {
		next := bytes.IndexByte(body[at:], '"')
		if next < 0 {
			return -1
		}
		if at += next; body[at-1] != '\\' {
			return at
		}
		at++
	}
}

// isFile says whether what stands between two quotes is a string, whole, that no text is: long, and at its beginning without spaces
// and escapes.
func isFile(body []byte, from, end int) bool {
	if end-from <= longestText || from < 1 || from > 1 && body[from-2] == '\\' {
		return false
	}
	head := body[from : from+longestText]
	if between := bytes.TrimLeft(head, " \t\r\n"); len(between) == 0 || bytes.IndexByte([]byte(":,]}"), between[0]) >= 0 {
		return false // numbers, say
	}
	return bytes.IndexByte(head, ' ') < 0 && bytes.IndexByte(head, '\\') < 0
}
