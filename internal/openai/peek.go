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

// PromptTokens is about what a body of any dialect has of tokens: it counts its bytes, but for the strings that are files.
func PromptTokens(body []byte) int {
	if !mayHoldFiles(body) {
		return len(body) / bytesPerToken
	}
	text, files := len(body), 0
	for rest := body; ; {
		open := bytes.IndexByte(rest, '"')
		if open < 0 {
			break
		}
		rest = rest[open+1:]
		end := bytes.IndexByte(rest, '"')
		for end > 0 && rest[end-1] == '\\' { // or so: an escaped backslash before the end only makes the string longer
			next := bytes.IndexByte(rest[end+1:], '"')
			if next < 0 {
				end = -1
				break
			}
			end += next + 1
		}
		if end < 0 {
			break
		}
		if end > longestText && bytes.IndexByte(rest[:longestText], ' ') < 0 && bytes.IndexByte(rest[:longestText], '\\') < 0 {
			text, files = text-end, files+1
		}
		rest = rest[end+1:]
	}
	return text/bytesPerToken + files*fileTokens
}

// mayHoldFiles says whether there may be a string so long: it would fill one of the stretches, half as long as it, without a
// quote.
func mayHoldFiles(body []byte) bool {
	const stretch = longestText / 2
	for ; len(body) >= stretch; body = body[stretch:] {
		if bytes.IndexByte(body[:stretch], '"') < 0 {
			return true
		}
	}
	return false
}
