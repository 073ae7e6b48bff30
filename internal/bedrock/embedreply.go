package bedrock

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// embedReply is an answer of any of the embedding models.
type embedReply struct {
	vectors [][]float32
	tokens  int    // -1: the body does not tell
	message string // what went wrong, in a model's own words
	blocked bool   // by a guardrail
}

var (
	errVectorCount = errors.New("the answer has another number of vectors than the call had inputs")
	errVectorSize  = errors.New("a vector of the answer has another length than it must have")
)

// read decodes the answer to a call and holds it against what was asked.
func (p *embedPlan) read(ctx context.Context, data []byte, b embedBatch) (embedReply, error) {
	r := embedReader{kind: p.config.kind, size: p.numbers(), inputs: b.n}
	reply, err := r.read(data)
	switch {
	case err != nil:
		return reply, broken(ctx, contentMessage(err), fmt.Errorf("embeddings: %w", err))
	case reply.blocked:
		return reply, &llm.Error{Kind: llm.KindContentFilter, Message: "The deployment's guardrail refused the input."}
	case len(reply.vectors) == 0 && reply.message != "":
		return reply, llm.Invalid("", "The model made no embedding: "+scrub(reply.message))
	case len(reply.vectors) == 0:
		return reply, broken(ctx, textIncomplete, errNoAnswer)
	case len(reply.vectors) != b.n:
		return reply, broken(ctx, textUnreadable, errVectorCount)
	}
	for _, vector := range reply.vectors {
		if len(vector) == 0 || len(vector) != len(reply.vectors[0]) || p.req.Dimensions > 0 && len(vector) != p.numbers() {
			return reply, broken(ctx, textUnreadable, errVectorSize)
		}
	}
	return reply, nil
}

// embedReader reads the answers of all families, whose members do not contradict each other.
type embedReader struct {
	kind   string // the type of number that was asked for, or ""
	size   int    // how long a vector will be, about
	inputs int    // how many vectors there will be, about
}

// read takes
//
//	{"embedding": […], "embeddingsByType": {"float": […]}, "inputTextTokenCount": 3}    Titan
//	{"embeddings": [[…]]}, {"embeddings": {"float": [[…]]}}                             Cohere
//	{"embeddings": [{"embeddingType": "TEXT", "embedding": […]}]}                       Nova
//	{"data": [{"embedding": […]}]}                                                      Marengo
func (r *embedReader) read(data []byte) (reply embedReply, err error) {
	s := jsonscan.New(data)
	reply.tokens = -1
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "embedding":
			if r.kind != "" && r.kind != "float" {
				s.Skip() // the floats that come beside the type that was asked for
				continue
			}
			reply.vectors = r.vector(&s, reply.vectors[:0])
		case "embeddings", "embeddingsByType", "data":
			if key == "embeddingsByType" && len(reply.vectors) > 0 {
				s.Skip() // again the same
				continue
			}
			reply.vectors = r.vectors(&s, reply.vectors[:0])
		case "inputTextTokenCount":
			reply.tokens = count(&s)
		case "message":
			reply.message = strings.Clone(optionalString(&s))
		case "amazon-bedrock-guardrailAction":
			reply.blocked = optionalString(&s) == "INTERVENED"
		default:
			s.Skip()
		}
	}
	s.End()
	return reply, s.Err()
}

// vectors reads what a member with one or several vectors holds.
func (r *embedReader) vectors(s *jsonscan.Scanner, list [][]float32) [][]float32 {
	switch s.Kind() {
	case 'n':
		s.Null()
	case '{':
		list = r.members(s, list)
	default:
		s.Array()
		for s.Element() {
			switch s.Kind() {
			case '{':
				list = r.members(s, list)
			case '[':
				list = r.vector(s, list)
			default: // Titan's types hold the one vector's numbers themselves
				return append(list, r.numbers(s))
			}
		}
	}
	return list
}

// members reads an object with a vector, or with vectors by their type.
func (r *embedReader) members(s *jsonscan.Scanner, list [][]float32) [][]float32 {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch {
		case key == "embedding":
			list = r.vector(s, list)
		case key == r.kind || key == "float" && r.kind == "":
			list = r.vectors(s, list)
		default:
			s.Skip()
		}
	}
	return list
}

// vector reads one; null is none.
func (r *embedReader) vector(s *jsonscan.Scanner, list [][]float32) [][]float32 {
	if s.Null() {
		return list
	}
	s.Array()
	if !s.Element() {
		return append(list, nil)
	}
	if list == nil {
		list = make([][]float32, 0, r.inputs)
	}
	return append(list, r.numbers(s))
}

// numbers reads the elements of an open array from the one that is next.
func (r *embedReader) numbers(s *jsonscan.Scanner) []float32 {
	vector := make([]float32, 0, max(r.size, 1))
	for more := true; more; more = s.Element() {
		at := s.Offset()
		f := s.Float()
		if math.Abs(f) > math.MaxFloat32 {
			s.Mismatch(at, "a number within the range of a float32")
		}
		vector = append(vector, float32(f))
	}
	return vector
}
