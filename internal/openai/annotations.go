package openai

import (
	"strconv"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// appendAnnotations appends the member annotations, or nothing when there are none.
func appendAnnotations(dst []byte, citations []llm.Citation) []byte {
	if len(citations) == 0 {
		return dst
	}
	dst = append(comma(dst), `"annotations":[`...)
	for i := range citations {
		dst = appendAnnotation(dst, &citations[i])
	}
	return append(dst, ']')
}

// appendAnnotation appends a citation: OpenAI's url_citation for what has an address, and for a file of
// the request file_citation, whose members say where in the file. Both have the range of the answer's
// text that rests on it.
func appendAnnotation(dst []byte, c *llm.Citation) []byte {
	dst = append(comma(dst), '{')
	if c.URL != "" {
		dst = append(dst, `"type":"url_citation","url_citation":{"url":`...)
		dst = jsonscan.AppendString(dst, c.URL)
		dst = append(dst, `,"title":`...)
		dst = jsonscan.AppendString(dst, c.Title)
	} else {
		dst = append(dst, `"type":"file_citation","file_citation":{"filename":`...)
		dst = jsonscan.AppendString(dst, c.Title)
	}
	if c.Unit != "" {
		dst = append(dst, `,"index":`...)
		dst = strconv.AppendInt(dst, int64(c.Document), 10)
		dst = append(dst, `,"unit":`...)
		dst = jsonscan.AppendString(dst, c.Unit)
		dst = append(dst, `,"from":`...)
		dst = strconv.AppendInt(dst, int64(c.From), 10)
		dst = append(dst, `,"to":`...)
		dst = strconv.AppendInt(dst, int64(c.To), 10)
	}
	if c.Quote != "" {
		dst = append(dst, `,"quote":`...)
		dst = jsonscan.AppendString(dst, c.Quote)
	}
	dst = append(dst, `,"start_index":`...)
	dst = strconv.AppendInt(dst, int64(c.TextFrom), 10)
	dst = append(dst, `,"end_index":`...)
	dst = strconv.AppendInt(dst, int64(c.TextTo), 10)
	return append(dst, "}}"...)
}
