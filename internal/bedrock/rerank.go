package bedrock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// rerankFamily is a line of models that rank documents. They take the same body but for a few members.
// https://docs.aws.amazon.com/bedrock/latest/userguide/rerank-supported.html
type rerankFamily struct {
	prefix string // of the base ids
	rest   string // members that the body has besides
	cuts   bool   // takes max_tokens_per_doc
}

func rerankFamilies() []rerankFamily {
	return []rerankFamily{
		{prefix: "cohere.rerank", rest: `,"api_version":2`, cuts: true},
		{prefix: "amazon.rerank"}, // its schema has no api_version
	}
}

// rerankFamilyOf is that of a model, or nil.
func rerankFamilyOf(base string) *rerankFamily {
	for _, f := range rerankFamilies() {
		if strings.HasPrefix(base, f.prefix) {
			return &f
		}
	}
	return nil
}

const (
	// maxRanked is how many documents one call ranks.
	// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html
	maxRanked = 1000
	// rankedUnit is how many documents are billed as one query. https://aws.amazon.com/bedrock/pricing/
	rankedUnit = 100
)

// Rerank implements llm.RerankModel, through InvokeModel.
func (m *Model) Rerank(ctx context.Context, req *llm.RerankRequest) (*llm.Reranking, error) {
	v := m.known(ctx)
	family := v.traits.ranking
	switch {
	case v.traits.notChat() != models.Rerank:
		return nil, v.traits.wrongRoute()
	case family == nil:
		return nil, llm.Invalid("model", "This version does not know how this ranking model is asked.")
	}
	if err := checkRerank(req); err != nil {
		return nil, err
	}
	body := family.body(req)
	if len(body) > maxInvoke {
		return nil, llm.Invalid("documents", fmt.Sprintf("The documents take %s MB of the request; Bedrock takes up to 25 MB.", megabytes(len(body))))
	}
	header, err := v.traits.invokeHeader(req.Metadata)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	answered, err := m.invoke(ctx, v.whole, invocation{body, header}, &buf)
	if err != nil {
		return nil, blameDocument(err, len(req.Documents))
	}
	out := &llm.Reranking{
		ID: requestID(answered), Model: m.id, Units: (len(req.Documents) + rankedUnit - 1) / rankedUnit,
		Usage: llm.Usage{Input: headerCount(answered, headerInputTokens)},
	}
	if out.Results, err = readRanking(buf.Bytes(), len(req.Documents)); err != nil {
		return nil, broken(ctx, contentMessage(err), fmt.Errorf("ranking: %w", err))
	}
	if req.TopN > 0 {
		out.Results = out.Results[:min(req.TopN, len(out.Results))]
	}
	if req.MaxTokensPerDoc > 0 && !family.cuts {
		out.Ignored = []string{"max_tokens_per_doc"}
	}
	return out, nil
}

func checkRerank(req *llm.RerankRequest) error {
	switch n := len(req.Documents); {
	case req.Query == "":
		return llm.Invalid("query", "The query is empty.")
	case n == 0:
		return llm.Invalid("documents", "There are no documents to rank.")
	case n > maxRanked:
		return llm.Invalid("documents", fmt.Sprintf("There are %d documents; Bedrock ranks up to %d at once.", n, maxRanked))
	}
	if i := slices.Index(req.Documents, ""); i >= 0 {
		return llm.Invalid("documents["+strconv.Itoa(i)+"]", "The document is empty.")
	}
	return nil
}

// body writes top_n always: what a model leaves out without it differs.
func (f *rerankFamily) body(req *llm.RerankRequest) []byte {
	size := bodyMargin + len(req.Query)
	for _, document := range req.Documents {
		size += len(document) + len(document)/16 + 3
	}
	body := append(make([]byte, 0, size), `{"query":`...)
	body = append(jsonscan.AppendString(body, req.Query), `,"documents":[`...)
	for i, document := range req.Documents {
		if i > 0 {
			body = append(body, ',')
		}
		body = jsonscan.AppendString(body, document)
	}
	top := len(req.Documents)
	if req.TopN > 0 {
		top = min(top, req.TopN)
	}
	body = strconv.AppendInt(append(body, `],"top_n":`...), int64(top), 10)
	body = append(body, f.rest...)
	if req.MaxTokensPerDoc > 0 && f.cuts {
		body = strconv.AppendInt(append(body, `,"max_tokens_per_doc":`...), int64(req.MaxTokensPerDoc), 10)
	}
	return append(body, '}')
}

// blameDocument names the client's field in an error about the content.
func blameDocument(err error, documents int) error {
	e, ok := errors.AsType[*llm.Error](err)
	if !ok || e.Kind != llm.KindInvalid || e.Param != "" {
		return err
	}
	for _, field := range []string{"documents", "query", "top_n", "max_tokens_per_doc"} {
		_, rest, found := strings.Cut(e.Message, "#/"+field)
		if !found {
			continue
		}
		e.Param = field
		digits, _, _ := strings.Cut(strings.TrimPrefix(rest, "/"), ":")
		if i, err := strconv.Atoi(digits); err == nil && strings.HasPrefix(rest, "/") && i < documents {
			e.Param += "[" + digits + "]"
		}
		break
	}
	return err
}

var errRanked = errors.New("a result is of no document, or of one that has another, or has no score")

// readRanking reads {"results":[{"index":1,"relevance_score":0.9}]}, and puts the best first.
func readRanking(data []byte, documents int) ([]llm.Ranked, error) {
	s := jsonscan.New(data)
	var results []llm.Ranked
	found := false
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		if key != "results" {
			s.Skip()
			continue
		}
		found = true
		results = make([]llm.Ranked, 0, documents)
		s.Array()
		for s.Element() {
			results = append(results, readRanked(&s))
		}
	}
	s.End()
	switch {
	case s.Err() != nil:
		return nil, s.Err()
	case !found || len(results) == 0:
		return nil, errNoAnswer
	}
	seen := make([]bool, documents)
	for _, r := range results {
		if r.Index < 0 || r.Index >= documents || seen[r.Index] || math.IsNaN(r.Score) {
			return nil, errRanked
		}
		seen[r.Index] = true
	}
	slices.SortStableFunc(results, func(a, b llm.Ranked) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		default:
			return 0
		}
	})
	return results, nil
}

func readRanked(s *jsonscan.Scanner) llm.Ranked {
	r := llm.Ranked{Index: -1, Score: math.NaN()}
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "index":
			r.Index = int(s.Int())
		case "relevance_score":
			r.Score = s.Float()
		default:
			s.Skip()
		}
	}
	return r
}
