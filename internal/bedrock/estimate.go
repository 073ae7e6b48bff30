package bedrock

import (
	"math"
	"unicode"
	"unicode/utf8"

	"outcrop/internal/llm"
)

// measure says how a family's tokenizer cuts a text, and what else costs tokens. The words' figures are
// fitted to the public tokenizers of o200k, Llama 3 and an earlier Claude (estimate_test.go has their
// counts); a count that rests on them is declared an estimate.
type measure struct {
	word   float64 // for each word of the Latin alphabet
	latin  float64 // for each of its letters
	wide   float64 // for each Chinese, Japanese or Korean character
	other  float64 // for each letter of another script
	turn   int     // for each message
	tool   int     // for each tool, besides its words
	tools  int     // once, when there are tools
	pixels float64 // of an image for one token
	image  int     // most tokens of one image
	side   float64 // longest side of an image before it is scaled down, in pixels
}

// measureOf is the measure of a family.
func measureOf(family string) measure {
	m := measure{
		word: 0.45, latin: 0.12, wide: 0.8, other: 0.28, turn: 4, tool: 10, tools: 20,
		pixels: 750, image: 1600, side: 1568,
	}
	switch family {
	case "Claude":
		// https://docs.claude.com/en/docs/build-with-claude/vision and …/agents-and-tools/tool-use/overview
		m.word, m.latin, m.wide, m.other, m.tools = 0.45, 0.16, 1.15, 0.65, 346
	case "Nova":
		// https://docs.aws.amazon.com/nova/latest/userguide/modalities-image.html
		m.pixels, m.image, m.side, m.wide, m.other = 650, 2600, 8000, 0.9, 0.4
	case "Llama":
		m.image, m.side, m.other = 1601, 1120, 0.38
	case "Mistral":
		m.latin, m.wide, m.other, m.pixels, m.image = 0.15, 0.95, 0.4, 256, 4096
	case "Qwen", "DeepSeek":
		m.wide, m.other, m.pixels, m.image, m.side = 0.65, 0.38, 784, 16384, 8000
	}
	return m
}

// tokens of what is not words.
const (
	tokensOfReply   = 3    // what opens the model's own turn
	tokensAfar      = 1600 // a file that is still elsewhere
	bytesOfPage     = 60e3 // of a PDF without page marks, roughly
	tokensOfPage    = 1900 // the text of a page and the page's image together
	bytesOfToken    = 4    // of a text file
	bytesOfOffice   = 12   // of a zipped document for one token
	bytesOfSecond   = 250e3
	tokensOfSecond  = 300 // of video: one frame
	bytesOfSpeech   = 16e3
	tokensOfSpeech  = 25 // of sound, a second
	smallestPicture = 4
)

// estimateTokens is about how many tokens a request's prompt is. It is the same for the same request,
// and a longer request is never less.
func estimateTokens(req *llm.ChatRequest, t *traits) int {
	m := measureOf(t.family.Name)
	n := tokensOfReply
	for i := range req.Messages {
		n += m.turn + m.parts(req.Messages[i].Parts)
	}
	for i := range req.Tools {
		tool := &req.Tools[i]
		n += m.tool + m.text(tool.Name) + m.text(tool.Description) + m.text(string(tool.Schema))
	}
	if len(req.Tools) > 0 {
		n += m.tools
	}
	if req.Format.Kind == llm.FormatSchema {
		n += m.tool + m.text(string(req.Format.Schema)) + m.text(req.Format.Description)
	}
	return n
}

func (m *measure) parts(parts []llm.Part) (n int) {
	for _, part := range parts {
		switch p := part.(type) {
		case llm.Text:
			n += m.text(p.Text)
		case llm.Reasoning:
			n += m.text(p.Text) + len(p.Redacted)/4
		case llm.ToolCall:
			n += m.tool + m.text(p.Name) + m.text(p.Args)
		case llm.ToolResult:
			n += m.tool + m.parts(p.Parts)
		case llm.Blob:
			n += m.file(p)
		case llm.Link:
			n += tokensAfar
		case llm.CachePoint:
			// It is no token.
		}
	}
	return n
}

// longWord is from where on the letters of a word count twice: few such words have a token of their own.
const longWord = 9

// text counts words: a tokenizer cuts at their borders, so a short word is one token, and what stands
// between words is cut apart by itself.
func (m *measure) text(text string) int {
	var n float64
	letters, digits := 0, 0
	flush := func() {
		if letters > 0 {
			n += max(1, m.word+m.latin*float64(letters+max(0, letters-longWord)))
		}
		n += math.Ceil(float64(digits) / 3)
		letters, digits = 0, 0
	}
	previous := rune(0)
	for _, r := range text {
		switch {
		case isLatin(r):
			if digits > 0 || unicode.IsUpper(r) && unicode.IsLower(previous) {
				flush()
			}
			letters++
		case r >= '0' && r <= '9':
			if letters > 0 {
				flush()
			}
			digits++
		case r == ' ':
			flush() // a single space belongs to the word after it
			if previous == ' ' {
				n += 0.1
			}
		case r < utf8.RuneSelf:
			flush()
			n += mark(r, previous)
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul):
			flush()
			n += m.wide
		case unicode.IsLetter(r) || unicode.IsMark(r):
			flush()
			n += m.other
		default:
			flush()
			n++
		}
		previous = r
	}
	flush()
	return int(math.Ceil(n))
}

func isLatin(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= utf8.RuneSelf && unicode.Is(unicode.Latin, r)
}

// mark counts a sign: runs of them, as in code and JSON, share tokens.
func mark(r, previous rune) float64 {
	switch {
	case r == previous:
		return 0.15
	case previous < utf8.RuneSelf && !unicode.IsLetter(previous) && !unicode.IsDigit(previous) && previous != ' ' && previous != 0:
		return 0.2
	default:
		return 0.75
	}
}

// file counts a file by what its bytes are.
func (m *measure) file(b llm.Blob) int {
	size := float64(encoded{b}.size())
	switch kind := sniff(b); {
	case kind.class == classImage:
		return m.picture(kind.width, kind.height)
	case kind.format == "pdf":
		return max(1, int(math.Ceil(size/bytesOfPage))) * tokensOfPage
	case kind.text:
		return int(size/bytesOfToken) + 1
	case kind.class == classVideo:
		return int(size/bytesOfSecond*tokensOfSecond) + tokensOfSecond
	case kind.class == classAudio:
		return int(size/bytesOfSpeech*tokensOfSpeech) + tokensOfSpeech
	default:
		return int(size/bytesOfOffice) + 1
	}
}

// picture counts an image by its pixels, after the scaling that the family does.
func (m *measure) picture(width, height int) int {
	if width <= 0 || height <= 0 {
		return m.image // the header does not tell
	}
	w, h := float64(width), float64(height)
	if longest := max(w, h); longest > m.side {
		w, h = w*m.side/longest, h*m.side/longest
	}
	return min(max(int(math.Ceil(w*h/m.pixels)), smallestPicture), m.image)
}
