//go:build aws || e2e

package aws_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"slices"
	"strings"

	"outcrop/internal/models"
)

// The routes of the gateway that the cases use.
const (
	routeChat     = "/openai/v1/chat/completions"
	routeEmbed    = "/openai/v1/embeddings"
	routeImages   = "/openai/v1/images/generations"
	routeRerank   = "/v2/rerank"
	routeMessages = "/anthropic/v1/messages"
	routeCount    = "/anthropic/v1/messages/count_tokens"
)

// feature is one row of the table: what is asked, and of which models it can be asked.
type feature struct {
	name  string
	route string
	// of says whether a model has the feature. A feature is tried once for each provider that has a model of it.
	of func(m *models.Model) bool
	// body is the request, without the model.
	body func(m *models.Model) fields
	// surface is the upstream's, "" for the usual one.
	surface string
	// output is the most tokens that may come back, images and queries the other units that are paid for.
	output, images, queries int
	// refused says that AWS refuses the request by its kind, and so does the gateway.
	refused bool
	// once says that one provider is enough; that with the cheapest model.
	once bool
	// id is asked for instead of a model's own; forged calls are signed with a key that AWS does not know.
	id     string
	forged bool
}

// fields are a JSON object.
type fields map[string]any

// smallReply is the most tokens of a plain reply.
const smallReply = 48

// features is the table.
func features() []feature {
	return slices.Concat(chatFeatures(), otherFeatures(), errorFeatures())
}

func chatFeatures() []feature {
	small := func(f feature) feature {
		f.route, f.output = routeChat, max(f.output, smallReply)
		return f
	}
	return []feature{
		small(feature{name: "plain", of: converses, body: plain}),
		small(feature{name: "stream", of: streams, body: with(plain, streaming())}),
		small(feature{name: "stop sequence", of: converses, body: with(ask("Count from one to five, words only."), fields{"stop": []string{"three"}})}),
		small(feature{name: "tools", of: callsTools, body: with(plain, weather()), output: 200}),
		small(feature{name: "tools, streamed", of: streamsTools, body: with(with(plain, weather()), streaming()), output: 200}),
		small(feature{name: "thinking", of: thinks("budget", "nova", "effort", "level", "config"), body: with(ask("What is 17 times 23?"), fields{"reasoning_effort": "low"}), output: 1500}),
		small(feature{name: "thinking, adaptive", of: thinks("adaptive", "adaptive or budget"), body: with(ask("What is 17 times 23?"), fields{"reasoning_effort": "low"}), output: 1500}),
		small(feature{name: "image in", of: reads("image"), body: pictured}),
		small(feature{name: "document", of: documents, body: documented}),
		small(feature{name: "structured output", of: structured, body: with(ask("Name the capital of France."), capitalSchema()), output: 100}),
		small(feature{name: "cache", of: caches, body: cached}),
		small(feature{name: "mantle, responses", of: served("mantle:responses"), body: plain, surface: "mantle", once: true}),
		small(feature{name: "mantle, chat", of: served("mantle"), body: plain, surface: "mantle"}),
		small(feature{name: "runtime, OpenAI's chat", of: weights, body: plain, surface: "openai"}),
	}
}

func otherFeatures() []feature {
	messages := func(m *models.Model) fields {
		return fields{"max_tokens": smallReply, "messages": plain(m)["messages"]}
	}
	claude := func(m *models.Model) bool { return m.Provider == "anthropic" && converses(m) }
	return []feature{
		{name: "Messages", route: routeMessages, of: claude, body: messages, output: smallReply},
		{name: "Messages, streamed", route: routeMessages, of: claude, body: with(messages, fields{"stream": true}), output: smallReply},
		{name: "Messages, thinking", route: routeMessages, of: thinks("budget"), output: 1200, body: with(messages, fields{
			"max_tokens": 1200, "thinking": fields{"type": "enabled", "budget_tokens": 1024},
		})},
		{name: "Messages, bad parameter", route: routeMessages, of: claude, refused: true, output: smallReply,
			body: with(messages, fields{"temperature": 7})},
		{name: "count tokens", route: routeCount, of: claude, body: func(m *models.Model) fields { return fields{"messages": plain(m)["messages"]} }},
		{name: "embeddings", route: routeEmbed, of: is(models.Embedding), body: func(*models.Model) fields { return fields{"input": "Bedrock comes to the surface."} }},
		{name: "rerank", route: routeRerank, of: is(models.Rerank), queries: 1, body: func(*models.Model) fields {
			return fields{"query": "capital of France", "documents": []string{"Berlin", "Paris"}}
		}},
		{name: "image out", route: routeImages, of: paints, images: 1, body: func(*models.Model) fields {
			return fields{"prompt": "A grey stone on white ground"}
		}},
	}
}

func errorFeatures() []feature {
	broken := func(m *models.Model) fields {
		b := pictured(m)
		b["messages"].([]fields)[0]["content"].([]fields)[1]["image_url"] = fields{"url": dataURL("image/png", picture()[:60])}
		return b
	}
	long := func(m *models.Model) fields {
		return with(ask(strings.Repeat("stone ", m.ContextWindow+m.ContextWindow/8)), nil)(m)
	}
	return []feature{
		{name: "error: unknown model", route: routeChat, of: converses, body: plain, once: true, refused: true, id: "amazon.nova-unknown-v9:0"},
		{name: "error: unknown model, streamed", route: routeChat, of: converses, body: with(plain, streaming()), once: true, refused: true, id: "amazon.nova-unknown-v9:0"},
		{name: "error: unknown key", route: routeChat, of: converses, body: plain, once: true, refused: true, forged: true},
		{name: "error: broken image", route: routeChat, of: func(m *models.Model) bool { return m.Provider == "anthropic" && reads("image")(m) }, body: broken, once: true, refused: true, output: smallReply},
		{name: "error: too many tokens", route: routeChat, of: fits(200_000), body: long, once: true, refused: true, output: smallReply},
	}
}

// What a model is asked for.

func plain(m *models.Model) fields { return ask("Say hello in one word.")(m) }

func ask(text string) func(*models.Model) fields {
	return func(*models.Model) fields {
		return fields{"max_tokens": smallReply, "messages": []fields{{"role": "user", "content": text}}}
	}
}

// with adds members.
func with(body func(*models.Model) fields, more fields) func(*models.Model) fields {
	return func(m *models.Model) fields {
		b := body(m)
		for name, value := range more {
			b[name] = value
		}
		return b
	}
}

func streaming() fields {
	return fields{"stream": true, "stream_options": fields{"include_usage": true}}
}

func weather() fields {
	city := fields{"type": "object", "properties": fields{"city": fields{"type": "string"}}, "required": []string{"city"}}
	return fields{
		"max_tokens": 200,
		"messages":   []fields{{"role": "user", "content": "What is the weather in Paris? Use the tool."}},
		"tools":      []fields{{"type": "function", "function": fields{"name": "weather", "description": "The weather in a city.", "parameters": city}}},
	}
}

func capitalSchema() fields {
	schema := fields{"type": "object", "properties": fields{"capital": fields{"type": "string"}}, "required": []string{"capital"}, "additionalProperties": false}
	return fields{"max_tokens": 100, "response_format": fields{"type": "json_schema", "json_schema": fields{"name": "answer", "strict": true, "schema": schema}}}
}

func pictured(*models.Model) fields {
	return fields{"max_tokens": smallReply, "messages": []fields{{"role": "user", "content": []fields{
		{"type": "text", "text": "Which colour is this? One word."},
		{"type": "image_url", "image_url": fields{"url": dataURL("image/png", picture())}},
	}}}}
}

func documented(*models.Model) fields {
	return fields{"max_tokens": smallReply, "messages": []fields{{"role": "user", "content": []fields{
		{"type": "text", "text": "Which stone does the note name? One word."},
		{"type": "file", "file": fields{"filename": "note.pdf", "file_data": dataURL("application/pdf", note())}},
	}}}}
}

// cached has a system prompt a little longer than the least that is cached.
func cached(m *models.Model) fields {
	text := strings.Repeat("Bedrock lies below the soil and comes to the surface in an outcrop. ", m.PromptCache.MinTokens/12+1)
	return fields{"max_tokens": smallReply, "messages": []fields{
		{"role": "system", "content": text, "custom_fields": fields{"cache_breakpoint": fields{}}},
		{"role": "user", "content": "Say hello in one word."},
	}}
}

func dataURL(mime string, data []byte) string {
	return "data:" + mime + ";base64," + base64.StdEncoding.EncodeToString(data)
}

// picture is a blue square, large enough for every model.
func picture() []byte {
	const side = 256
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		img.Set(i%side, i/side, color.RGBA{B: 200, A: 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return nil // a buffer takes everything
	}
	return b.Bytes()
}

// note is a page with a sentence on it.
func note() []byte {
	text := "BT /F1 24 Tf 72 700 Td (The stone is basalt.) Tj ET"
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	var starts []int
	for i, object := range []string{
		"<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(text), text), "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	} {
		starts = append(starts, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	table := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(starts)+1)
	for _, at := range starts {
		fmt.Fprintf(&b, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(starts)+1, table)
	return b.Bytes()
}

// Which models can be asked for it.

func is(kind models.Kind) func(*models.Model) bool {
	return func(m *models.Model) bool { return m.Kind == kind }
}

func converses(m *models.Model) bool {
	return m.Kind == models.Chat && slices.Contains(m.Surfaces, "converse") && slices.Contains(m.Input, "text")
}

func streams(m *models.Model) bool { return converses(m) && m.Streaming != models.No }

func callsTools(m *models.Model) bool {
	return converses(m) && m.Converse != nil && m.Converse.Tools
}

func streamsTools(m *models.Model) bool { return callsTools(m) && m.Converse.StreamingTools }

func thinks(ways ...string) func(*models.Model) bool {
	return func(m *models.Model) bool {
		return converses(m) && m.Converse != nil && slices.Contains(ways, m.Converse.Thinking)
	}
}

func reads(modality string) func(*models.Model) bool {
	return func(m *models.Model) bool { return converses(m) && slices.Contains(m.Input, modality) }
}

func documents(m *models.Model) bool { return converses(m) && slices.Contains(m.DocumentTypes, "pdf") }

func structured(m *models.Model) bool { return converses(m) && m.StructuredOutputs == models.Yes }

func caches(m *models.Model) bool {
	return converses(m) && m.PromptCache != nil && m.PromptCache.Explicit && m.PromptCache.MinTokens > 0
}

// fits are models whose context, paid by mistake, is still cheap.
func fits(tokens int) func(*models.Model) bool {
	return func(m *models.Model) bool {
		return converses(m) && m.Provider == "amazon" && m.ContextWindow > 0 && m.ContextWindow <= tokens
	}
}

func served(surface string) func(*models.Model) bool {
	return func(m *models.Model) bool {
		return m.Kind == models.Chat && m.Geo == "" && slices.Contains(m.Surfaces, surface)
	}
}

// weights are OpenAI's open models, which the runtime serves through their own API too.
func weights(m *models.Model) bool {
	return converses(m) && strings.HasPrefix(m.Base, "openai.gpt-oss-") && strings.HasSuffix(m.Base, ":0")
}

// paints leaves out the services that want a picture to begin with.
func paints(m *models.Model) bool {
	return m.Kind == models.Image && (strings.HasPrefix(m.Base, "stability.stable-image-core") || strings.HasPrefix(m.Base, "stability.sd3"))
}

// text is the JSON of a request; what stands in a table of requests can be encoded.
func (f fields) text(model string) []byte {
	f["model"] = model
	b, err := json.Marshal(f)
	if err != nil {
		return nil
	}
	return b
}
