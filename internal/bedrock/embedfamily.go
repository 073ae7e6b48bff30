package bedrock

import (
	"encoding/json"
	"slices"
	"strings"

	"outcrop/internal/llm"
)

// embedFamily is a line of embedding models: what an input of theirs may be, and how they are asked. How
// they answer differs so little that there is one reader.
type embedFamily struct {
	prefix string // of the base ids
	// types are the words for what a vector is for. The first goes to a model when the client says none,
	// for AWS demands one. nil: the model knows none.
	types []string
	// images, audio and videos are the formats of files, "png, jpeg"; "" takes none.
	images, audio, videos string
	s3                    bool // takes s3: URLs
	pair                  bool // a text and an image together make one vector
	many                  bool // so does any number of texts and images
	maxImage              int  // bytes of one; 0: what the body holds
	sized                 bool // the client may choose the length of the vectors
	// batch is how many inputs of the same shape one call takes; imageBatch is that of images alone.
	batch, imageBatch int
	settings          []property // of custom_fields.configuration
	write             func(p *embedPlan, b embedBatch, body []byte) []byte
}

// embedFamilies are in order: the first whose prefix fits is a model's. The last of each maker is that of
// its newest models, because a model that is not listed is a new one.
//
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-mm.html
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html
// https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-marengo-3.html
func embedFamilies() []embedFamily {
	const allImages = "png, jpeg, webp, gif"
	searches := []string{"search_document", "search_query", "classification", "clustering"}
	cohereTypes := embeddingType("embedding_types", "float", "int8", "uint8", "binary", "ubinary")
	cut := truncate("NONE", "START", "END", "LEFT", "RIGHT")
	titan := embedFamily{prefix: "amazon.titan-embed-text-v1", write: writeTitan}
	second := titan
	second.prefix = "amazon.titan-embed-g1-text-02"
	return []embedFamily{
		titan, second,
		{prefix: "amazon.titan-embed-image", images: "png, jpeg", pair: true, sized: true, write: writeTitanImage},
		{prefix: "amazon.titan-embed", sized: true, write: writeTitan, settings: []property{
			{
				name: "normalize", description: "Whether the vectors have the length 1.", schema: `"type":"boolean"`,
				read: func(c *configuration, v json.RawMessage) string {
					if json.Unmarshal(v, &c.embed.normalize) != nil {
						return "true or false"
					}
					return ""
				},
			},
			embeddingType("embeddingTypes", "float", "binary"),
		}},
		{
			prefix: "cohere.embed-english-v3", types: append(searches[:4:4], typeImage), images: allImages, maxImage: 5 * megabyte,
			batch: 96, write: writeCohere, settings: []property{cut, cohereTypes},
		},
		{
			prefix: "cohere.embed-multilingual-v3", types: append(searches[:4:4], typeImage), images: allImages, maxImage: 5 * megabyte,
			batch: 96, write: writeCohere, settings: []property{cut, cohereTypes},
		},
		{
			prefix: "cohere.embed", types: searches, images: allImages, many: true, sized: true, batch: 96, imageBatch: 96,
			write: writeCohere, settings: []property{cut, cohereTypes, {
				name: "max_tokens", description: "Where an input is cut, in tokens.", schema: `"type":"integer","minimum":1`,
				read: func(c *configuration, v json.RawMessage) string { return whole(v, &c.embed.maxTokens, 1) },
			}},
		},
		{
			prefix: "amazon.nova-", types: novaPurposes(), images: allImages, audio: "mp3, wav, ogg",
			videos: "mp4, mov, mkv, webm, flv, mpeg, wmv, 3gp", s3: true, sized: true, write: writeNovaEmbedding,
			settings: []property{truncate("NONE", "START", "END"), word("detailLevel", "How closely an image is looked at.",
				func(c *configuration) *string { return &c.embed.detail }, "STANDARD_IMAGE", "DOCUMENT_IMAGE")},
		},
		{
			prefix: "twelvelabs.marengo-embed-2", images: "png, jpeg", maxImage: 5 * megabyte, s3: true, write: writeMarengo2,
			settings: []property{truncate("NONE", "END")},
		},
		{
			prefix: "twelvelabs.marengo-embed", images: "png, jpeg", maxImage: 5 * megabyte, s3: true, pair: true, write: writeMarengo,
		},
	}
}

// typeImage is Cohere v3's input_type of images.
const typeImage = "image"

func novaPurposes() []string {
	return []string{
		"GENERIC_INDEX", "GENERIC_RETRIEVAL", "TEXT_RETRIEVAL", "IMAGE_RETRIEVAL", "VIDEO_RETRIEVAL", "DOCUMENT_RETRIEVAL",
		"AUDIO_RETRIEVAL", "CLASSIFICATION", "CLUSTERING",
	}
}

// embedConfig is what custom_fields.configuration says of embeddings.
type embedConfig struct {
	truncate  string
	kind      string // of the numbers: float, int8, …
	kindAs    string // the member that said so
	normalize *bool
	detail    string
	maxTokens int
}

// truncate is what a model does with a text that is too long. Without it that is an error.
func truncate(words ...string) property {
	return word("truncate", "Where a text is cut that is too long for the model; NONE refuses it.",
		func(c *configuration) *string { return &c.embed.truncate }, words...)
}

// embeddingType reads what the numbers of a vector are. AWS takes several at once, but there is one vector
// an input in an answer.
func embeddingType(name string, words ...string) property {
	quoted, _ := json.Marshal(words) // strings cannot fail
	return property{
		name: name, description: "What the numbers of a vector are.",
		schema: `"type":"array","items":{"type":"string","enum":` + string(quoted) + `},"minItems":1,"maxItems":1`,
		read: func(c *configuration, v json.RawMessage) string {
			var list []string
			if json.Unmarshal(v, &list) != nil || len(list) != 1 || !slices.Contains(words, list[0]) {
				return "a list with one of " + strings.Join(words, ", ") + ": an answer has one vector an input"
			}
			c.embed.kind, c.embed.kindAs = list[0], name
			return ""
		},
	}
}

// embedFamilyOf is that of a model, or nil.
func embedFamilyOf(base string) *embedFamily {
	if !strings.Contains(base, "embed") {
		return nil
	}
	for _, f := range embedFamilies() {
		if strings.HasPrefix(base, f.prefix) {
			return &f
		}
	}
	return nil
}

// takes is a sentence about the inputs of the models.
func (f *embedFamily) takes() string {
	out := "This model takes texts"
	for _, k := range []struct{ name, formats string }{{"images", f.images}, {"audio", f.audio}, {"videos", f.videos}} {
		if k.formats != "" {
			out += ", " + k.name + " (" + k.formats + ")"
		}
	}
	switch {
	case f.images == "":
		return out + " only."
	case f.many:
		return out + ", and any of them together as one input."
	case f.pair:
		return out + ", and a text with an image as one input."
	default:
		return out + ", each as an input of its own."
	}
}

// takesFile says whether a file of that type may be an input.
func (f *embedFamily) takesFile(kind fileType) bool {
	formats := ""
	switch kind.class {
	case classImage:
		formats = f.images
	case classAudio:
		formats = f.audio
	case classVideo:
		formats = f.videos
	}
	return formats != "" && slices.Contains(strings.Split(formats, ", "), novaFormat(kind))
}

// novaFormat is the type's name where it is not Converse's.
func novaFormat(kind fileType) string {
	if kind.format == "three_gp" {
		return "3gp"
	}
	return kind.format
}

// chooseType is the word for what the vectors are for; chosen is true when it is ours.
func (f *embedFamily) chooseType(asked string) (word string, chosen bool, err error) {
	switch {
	case f.types == nil && asked == "":
		return "", false, nil
	case f.types == nil:
		return "", false, llm.Invalid(typeField, "This model knows no types of embeddings: leave the field out.")
	case asked == "":
		return f.types[0], true, nil
	case !slices.Contains(f.types, asked):
		return "", false, llm.Invalid(typeField, "This model knows no such type of embedding. It has "+strings.Join(f.types, ", ")+".")
	default:
		return asked, false, nil
	}
}
