package llm

import "context"

// EmbedModel turns texts and files into vectors.
type EmbedModel interface {
	// Embed answers whole or fails whole: where a model takes one input a call, the first call that fails
	// cancels the others. An error that blames an input has its At as Param.
	Embed(ctx context.Context, req *EmbedRequest) (*Embeddings, error)
}

// EmbedRequest asks for one vector an input.
type EmbedRequest struct {
	Inputs []EmbedInput
	// Dimensions is how long the vectors are to be; 0 leaves it to the model.
	Dimensions int
	// Type is what the vectors are for, in the client's word (custom_fields.type): "search_document",
	// "GENERIC_INDEX"; "" leaves it to the model.
	Type string
	// Instruction is a prompt for models that take one (custom_fields.instruction), or "".
	Instruction string
	// Config is custom_fields.configuration as the client wrote it, one JSON object, or nil. Only an
	// adapter reads it.
	Config []byte
	// Metadata is for the upstream's own bill, as in ChatRequest.
	Metadata map[string]string
	Wish     Wish // as in ChatRequest
}

// EmbedInput is what one vector is of: a text, a file, or both together.
type EmbedInput struct {
	// Parts are Text, Blob and, of s3: alone by the time a model sees it, Link. Their At are whole paths,
	// "custom_input[0].url".
	Parts []Part
	At    string // where it stands in the client's request: "input", "input[3]", "custom_input[0]"
}

// Embeddings are the vectors, in the order of the inputs.
type Embeddings struct {
	ID      string // the upstream's request id, of one of its calls, or ""
	Model   string // the id that the upstream was called with
	Vectors [][]float32
	// Usage has the tokens in Input, and the images in Images.
	Usage            Usage
	Ignored, Changed []string // as in Start
	Via              Via
}

// RerankModel puts documents into the order of how well they answer a query.
type RerankModel interface {
	Rerank(ctx context.Context, req *RerankRequest) (*Reranking, error)
}

// RerankRequest asks for the best of some documents.
type RerankRequest struct {
	Query     string
	Documents []string
	TopN      int // how many results; 0 is all
	// MaxTokensPerDoc is where a document is cut; 0 leaves it to the model.
	MaxTokensPerDoc int
	Metadata        map[string]string
	Wish            Wish // as in ChatRequest
}

// Reranking is the documents that were asked for, the best first.
type Reranking struct {
	ID      string // the upstream's request id, or ""
	Model   string // the id that the upstream was called with
	Results []Ranked
	// Units is what AWS bills: queries of at most 100 documents.
	Units            int
	Usage            Usage
	Ignored, Changed []string // as in Start
	Via              Via
}

// Ranked is a document and how relevant it is.
type Ranked struct {
	Index int // in RerankRequest.Documents
	Score float64
}
