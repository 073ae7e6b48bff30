package bedrock

import (
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// span is a part of the visible text, in characters from its beginning.
type span struct{ from, to int }

// citer places citations in the visible text. In a stream they come before, between or after the text
// that rests on them: within its block (Claude), or in a block of their own after it (Nova). They are
// held until their block ends, so that they follow their text.
type citer struct {
	at      int            // characters of visible text so far
	block   int            // content block index + 1 of the text that last is
	last    span           // that block's text
	waiting []llm.Citation // of block of
	of      int            // content block index + 1
}

// text counts a piece of a block's visible text.
func (c *citer) text(block int, text string) {
	if c.block != block+1 {
		c.block, c.last = block+1, span{c.at, c.at}
	}
	for i := range len(text) {
		if text[i]&0xc0 != 0x80 { // the first byte of a character
			c.at++
		}
	}
	c.last.to = c.at
}

// add holds a citation of a block; those of an earlier block that did not end are returned.
func (c *citer) add(block int, citation llm.Citation) (due []llm.Event) {
	if c.of != block+1 {
		due = c.end()
		c.of = block + 1
	}
	c.waiting = append(c.waiting, citation)
	return due
}

// end returns the citations that were held, each with the text that it is for: its block's, or that of
// the block before when its own has none.
func (c *citer) end() (due []llm.Event) {
	for _, citation := range c.waiting {
		citation.TextFrom, citation.TextTo = c.last.from, c.last.to
		due = append(due, citation)
	}
	c.waiting, c.of = nil, 0
	return due
}

// readCitation reads a Citation or a CitationsDelta.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Citation.html
func readCitation(s *jsonscan.Scanner) (c llm.Citation) {
	var source string
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch {
		case s.Null():
		case key == "title":
			c.Title = s.String()
		case key == "source":
			source = s.String()
		case key == "sourceContent":
			c.Quote = joinTexts(s)
		case key == "location":
			readLocation(s, &c)
		default:
			s.Skip()
		}
	}
	if c.Title == "" {
		c.Title = source
	}
	if c.URL == "" && (strings.HasPrefix(source, "https://") || strings.HasPrefix(source, "http://")) {
		c.URL = source
	}
	return c
}

// titled gives a cited document the client's own name.
func (d *decoder) titled(c llm.Citation) llm.Citation {
	if title, ok := d.titles[c.Title]; ok {
		c.Title = title
	}
	return c
}

// joinTexts reads a list of {"text":…}.
func joinTexts(s *jsonscan.Scanner) string {
	var texts []string
	for s.Array(); s.Element(); {
		s.Object()
		for key, ok := s.Member(); ok; key, ok = s.Member() {
			if key == "text" {
				texts = append(texts, s.String())
			} else {
				s.Skip()
			}
		}
	}
	return strings.Join(texts, "")
}

// readLocation reads a CitationLocation.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CitationLocation.html
func readLocation(s *jsonscan.Scanner, c *llm.Citation) {
	s.Object()
	for kind, ok := s.Member(); ok; kind, ok = s.Member() {
		switch kind {
		case "documentChar":
			c.Unit = "char"
		case "documentPage":
			c.Unit = "page"
		case "documentChunk":
			c.Unit = "chunk"
		case "searchResultLocation":
			c.Unit = "result"
		case "web":
		default:
			s.Skip()
			continue
		}
		var domain string
		s.Object()
		for key, ok := s.Member(); ok; key, ok = s.Member() {
			switch key {
			case "url":
				c.URL = s.String()
			case "domain":
				domain = s.String()
			case "documentIndex", "searchResultIndex":
				c.Document = int(s.Int())
			case "start":
				c.From = int(s.Int())
			case "end":
				c.To = int(s.Int())
			default:
				s.Skip()
			}
		}
		if domain != "" && c.Title == "" {
			c.Title = domain
		}
	}
}

// citationsBlock reads a CitationsContentBlock: the text, then what it rests on.
func (d *decoder) citationsBlock(s *jsonscan.Scanner, block int) (events []llm.Event) {
	var citations []llm.Citation
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch {
		case s.Null():
		case key == "content":
			if text := joinTexts(s); text != "" {
				d.cite.text(block, text)
				events = append(events, &llm.TextDelta{Text: text})
			}
		case key == "citations":
			for s.Array(); s.Element(); {
				citations = append(citations, d.titled(readCitation(s)))
			}
		default:
			s.Skip()
		}
	}
	for _, citation := range citations {
		events = append(events, d.cite.add(block, citation)...)
	}
	return append(events, d.cite.end()...)
}
