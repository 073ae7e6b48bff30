package bedrock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// The client's fields that an error names.
const (
	typeField       = "custom_fields.type"
	dimensionsField = "dimensions"
)

// Embed implements llm.EmbedModel, through InvokeModel. Cohere's models take many inputs a call, the
// others one.
func (m *Model) Embed(ctx context.Context, req *llm.EmbedRequest) (*llm.Embeddings, error) {
	v := m.known(ctx)
	p, err := planEmbed(&v.traits, req)
	if err != nil {
		return nil, err
	}
	out := &llm.Embeddings{
		Model: m.id, Vectors: make([][]float32, len(req.Inputs)), Usage: llm.Usage{Images: p.images},
		Ignored: p.ignored, Changed: p.changed,
	}
	if len(p.batches) == 0 {
		return out, nil
	}
	var tokens atomic.Int64
	err = fan(ctx, len(p.batches), func(ctx context.Context, i int, buf *bytes.Buffer) error {
		b := p.batches[i]
		call := invocation{body: p.family.write(p, b, make([]byte, 0, b.size+bodyMargin)), header: p.header}
		header, err := m.invoke(ctx, v.whole, call, buf)
		if err != nil {
			return p.blame(err, b)
		}
		reply, err := p.read(ctx, buf.Bytes(), b)
		if err != nil {
			return p.blame(err, b)
		}
		copy(out.Vectors[b.first:], reply.vectors)
		if reply.tokens < 0 {
			reply.tokens = headerCount(header, headerInputTokens)
		}
		tokens.Add(int64(reply.tokens))
		if i == 0 {
			out.ID = requestID(header)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out.Usage.Input = int(tokens.Load())
	return out, nil
}

// bodyMargin is more than any body has around its inputs, in bytes.
const bodyMargin = 512

// embedPlan is what has been decided about a request before the first call.
type embedPlan struct {
	family  *embedFamily
	model   *models.Model
	req     *llm.EmbedRequest
	config  embedConfig
	kind    string // the word for what the vectors are for, or ""
	chosen  bool   // by us
	header  http.Header
	batches []embedBatch
	images  int

	ignored, changed []string
}

// embedShape is what an input consists of.
type embedShape uint8

const (
	shapeText  embedShape = iota // one text
	shapeFile                    // one file
	shapeMixed                   // several parts
)

// embedBatch are inputs that go out in one call.
type embedBatch struct {
	first, n int
	shape    embedShape // of all of them
	size     int        // bytes that the inputs take in the body, about
}

// planEmbed checks a request and divides it into calls.
func planEmbed(t *traits, req *llm.EmbedRequest) (*embedPlan, error) {
	p := &embedPlan{family: t.vectors, model: &t.model, req: req}
	switch {
	case t.notChat() != models.Embedding:
		return nil, t.wrongRoute()
	case p.family == nil:
		return nil, llm.Invalid("model", "This version does not know how this embedding model is asked.")
	case req.Instruction != "":
		return nil, llm.Invalid("custom_fields.instruction", "This model takes no instruction: leave the field out, or put it into the text.")
	}
	if err := p.configure(); err != nil {
		return nil, err
	}
	if err := p.checkDimensions(); err != nil {
		return nil, err
	}
	var err error
	if p.kind, p.chosen, err = p.family.chooseType(req.Type); err != nil {
		return nil, err
	}
	for i := range req.Inputs {
		if err := p.add(i); err != nil {
			return nil, err
		}
	}
	p.header, err = t.invokeHeader(req.Metadata)
	return p, err
}

// configure reads custom_fields.configuration.
func (p *embedPlan) configure() error {
	if len(p.req.Config) == 0 {
		return nil
	}
	if list := members(p.req.Config); len(p.family.settings) == 0 && len(list) > 0 {
		return llm.Invalid(configPath+"."+list[0].key, "This model has no configuration: leave the field out.")
	}
	c := configuration{embed: &p.config}
	return decodeConfig(&c, p.family.settings, p.req.Config, configPath)
}

// checkDimensions refuses a length that the model does not make.
func (p *embedPlan) checkDimensions() error {
	n, one, several := p.req.Dimensions, p.model.VectorSize, p.model.VectorSizes
	switch {
	case n == 0 || slices.Contains(several, n) || n > 0 && several == nil && (n == one || one == 0 && p.family.sized):
		return nil
	case len(several) > 0:
		sizes := fmt.Sprint(several) // [256 512 1024]
		return llm.Invalid(dimensionsField, "This model makes vectors of these lengths: "+strings.ReplaceAll(strings.Trim(sizes, "[]"), " ", ", ")+".")
	case one > 0:
		return llm.Invalid(dimensionsField, fmt.Sprintf("This model makes vectors of the length %d only.", one))
	default:
		return llm.Invalid(dimensionsField, "The length of this model's vectors cannot be chosen.")
	}
}

// add checks an input and gives it a place in a call.
func (p *embedPlan) add(i int) error {
	item, err := p.check(&p.req.Inputs[i])
	if err != nil {
		return err
	}
	if err := p.tellType(i, item.shape); err != nil {
		return err
	}
	most := p.family.batch
	switch {
	case item.shape == shapeFile:
		most = p.family.imageBatch
	case p.model.MaxTexts > 0:
		most = min(most, p.model.MaxTexts)
	}
	if last := len(p.batches) - 1; last >= 0 {
		b := &p.batches[last]
		if b.shape == item.shape && b.n < most && b.size+item.size+bodyMargin <= maxInvoke {
			b.n++
			b.size += item.size
			return nil
		}
	}
	p.batches = append(p.batches, embedBatch{first: i, n: 1, shape: item.shape, size: item.size})
	return nil
}

// tellType notes where an input goes out with another type than the client's: a query that is embedded as a
// document finds less.
func (p *embedPlan) tellType(i int, shape embedShape) error {
	image := shape == shapeFile && p.imagesOfTheirOwn()
	switch {
	case p.kind == typeImage && !image:
		return llm.Invalid(typeField, "The type image is for images alone, and "+p.req.Inputs[i].At+" is none.")
	case p.chosen && !image, !p.chosen && image && p.kind != typeImage:
		if !slices.Contains(p.changed, typeField) {
			p.changed = append(p.changed, typeField)
		}
	}
	return nil
}

// imagesOfTheirOwn is true where images are a type of their own, beside that of texts.
func (p *embedPlan) imagesOfTheirOwn() bool { return slices.Contains(p.family.types, typeImage) }

// numbers is how long a vector of the answer must be; 0 when that is not known. Bits come packed in bytes
// from Cohere.
func (p *embedPlan) numbers() int {
	n := p.req.Dimensions
	if n == 0 {
		n = p.model.VectorSize
	}
	if p.config.kind == "binary" && p.config.kindAs == "embedding_types" || p.config.kind == "ubinary" {
		n /= 8
	}
	return n
}

// elementPath finds an input in a text of AWS's JSON schema validator: "#/texts/3: expected maxLength".
var elementPath = regexp.MustCompile(`#/(?:texts|images|inputs)/(\d+)`)

// blame names the client's field in an error about the content of a call.
func (p *embedPlan) blame(err error, b embedBatch) error {
	e, ok := errors.AsType[*llm.Error](err)
	if !ok || e.Param != "" || e.Kind != llm.KindInvalid && e.Kind != llm.KindContextLength && e.Kind != llm.KindContentFilter {
		return err
	}
	for _, field := range [...]struct{ theirs, ours string }{
		{"#/dimensions", dimensionsField}, {"output_dimension", dimensionsField}, {"outputEmbeddingLength", dimensionsField},
		{"embeddingDimension", dimensionsField}, {"input_type", typeField}, {"embeddingPurpose", typeField},
		{"#/truncate", configPath + ".truncate"}, {"truncationMode", configPath + ".truncate"}, {"textTruncate", configPath + ".truncate"},
	} {
		if strings.Contains(e.Message, field.theirs) {
			e.Param = field.ours
			return err
		}
	}
	if found := elementPath.FindStringSubmatch(e.Message); found != nil {
		if i, err := strconv.Atoi(found[1]); err == nil && i < b.n {
			e.Param = p.req.Inputs[b.first+i].At
		}
	} else if b.n == 1 {
		e.Param = p.req.Inputs[b.first].At
	}
	return err
}
