package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"strings"
	"time"
)

// work is one kind of request, and how many clients send it at once.
type work struct {
	name        string
	model       string // of the mock
	deployment  string // of outcrop
	stream      bool
	conns       int
	least       time.Duration // of a round
	turns       int           // into which a round is cut; 1 where an answer takes as long
	words       int           // of the answer
	chat, plain map[string]any
	must, sdk   float64 // the goals: CPU to the reverse proxy's, to the SDK's
	reach       float64
}

// works are those of the issue: a short chat, streams at once and paced, a long chat with tools, an image.
func works() []*work {
	short := conversation("You answer briefly. "+prose(300), prose(1500))
	tools := agents()
	picture := pictured()
	return []*work{
		{name: "plain chat, 2 KB, 8 connections", model: modelBurst, deployment: "burst", conns: 8, turns: 8, words: plainWords, chat: short.openai, plain: short.converse, must: 1.10, reach: 0.90, sdk: 0.40},
		{name: "burst stream, 100 events, 8 connections", model: modelBurst, deployment: "burst", stream: true, conns: 8, turns: 8, words: deltas, chat: short.openai, plain: short.converse, must: 1.50, reach: 1.15, sdk: 0.10},
		{name: "paced streams, 100 at once", model: modelPaced, deployment: "paced", stream: true, conns: 100, turns: 1, words: deltas, chat: short.openai, plain: short.converse, must: 1.12, reach: 1.00, sdk: 0.70},
		{name: "plain chat, 56 KB with 20 tools, 4 connections", model: modelBurst, deployment: "burst", conns: 4, turns: 8, words: plainWords, chat: tools.openai, plain: tools.converse, must: 1.8, reach: 1.3, sdk: 0.15},
		{name: "image of 1 MB, 2 connections", model: modelBurst, deployment: "burst", conns: 2, turns: 4, words: plainWords, chat: picture.openai, plain: picture.converse, must: 2.4, reach: 1.7, sdk: 0.20},
	}
}

// said is the same conversation in OpenAI's words and in Converse's.
type said struct{ openai, converse map[string]any }

type object = map[string]any

type list = []any

func prose(n int) string {
	return strings.Repeat("The quick brown fox jumps over the lazy dog. ", n/45+1)[:n]
}

func conversation(system, user string) said {
	return said{
		object{"messages": list{object{"role": "system", "content": system}, object{"role": "user", "content": user}}, "max_tokens": 300, "temperature": 0.5},
		object{
			"system": list{object{"text": system}}, "messages": list{object{"role": "user", "content": list{object{"text": user}}}},
			"inferenceConfig": object{"maxTokens": 300, "temperature": 0.5},
		},
	}
}

// agents is a long conversation of an agent: 20 tools of 1.4 KB, 8 turns with a call and its result.
func agents() said {
	s := conversation(prose(2000), prose(1000))
	var tools, specs list
	for i := range 20 {
		properties := object{}
		for p := range 8 {
			properties[fmt.Sprintf("property_%d", p)] = object{"type": "string", "description": prose(110)}
		}
		schema := object{"type": "object", "properties": properties, "required": list{"property_0"}}
		name := fmt.Sprintf("tool_%d", i)
		tools = append(tools, object{"type": "function", "function": object{"name": name, "description": prose(200), "parameters": schema}})
		specs = append(specs, object{"toolSpec": object{"name": name, "description": prose(200), "inputSchema": object{"json": schema}}})
	}
	chat, converse := s.openai["messages"].(list), s.converse["messages"].(list)
	for i := range 8 {
		id, name, result := fmt.Sprintf("call_%d", i), fmt.Sprintf("tool_%d", i), prose(2300)
		chat = append(chat,
			object{"role": "assistant", "content": prose(100), "tool_calls": list{object{"id": id, "type": "function", "function": object{"name": name, "arguments": `{"property_0":"value","property_1":"other"}`}}}},
			object{"role": "tool", "tool_call_id": id, "content": result})
		converse = append(converse,
			object{"role": "assistant", "content": list{object{"text": prose(100)}, object{"toolUse": object{"toolUseId": id, "name": name, "input": object{"property_0": "value", "property_1": "other"}}}}},
			object{"role": "user", "content": list{object{"toolResult": object{"toolUseId": id, "content": list{object{"text": result}}}}}})
	}
	s.openai["messages"], s.openai["tools"] = chat, tools
	s.converse["messages"], s.converse["toolConfig"] = converse, object{"tools": specs}
	return s
}

// pictured is a question about an image of 1 MB (of base64).
func pictured() said {
	picture := image.NewGray(image.Rect(0, 0, 1024, 768))
	for i := range picture.Pix {
		picture.Pix[i] = byte(i * i >> 7)
	}
	var data bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.NoCompression}).Encode(&data, picture); err != nil {
		panic(err) // into memory
	}
	text := base64.StdEncoding.EncodeToString(data.Bytes())
	return said{
		object{"messages": list{object{"role": "user", "content": list{
			object{"type": "text", "text": "What is it?"}, object{"type": "image_url", "image_url": object{"url": "data:image/png;base64," + text}},
		}}}, "max_tokens": 300},
		object{"messages": list{object{"role": "user", "content": list{
			object{"text": "What is it?"}, object{"image": object{"format": "png", "source": object{"bytes": text}}},
		}}}, "inferenceConfig": object{"maxTokens": 300}},
	}
}

// openAIRequest is the work as a client of OpenAI's API sends it.
func openAIRequest(w *work, path string, headers ...string) []byte {
	body := object{"model": w.deployment}
	for k, v := range w.chat {
		body[k] = v
	}
	if w.stream {
		body["stream"], body["stream_options"] = true, object{"include_usage": true}
	}
	return wire(path, encoded(body), headers...)
}

// converseRequest is the work as a client of Bedrock sends it.
func converseRequest(w *work) []byte {
	operation := "/converse"
	if w.stream {
		operation = "/converse-stream"
	}
	return wire("/model/"+strings.ReplaceAll(w.model, ":", "%3A")+operation, encoded(w.plain), "Api-Key: "+labKey)
}

func encoded(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // of this file's own values
	}
	return text
}

func wire(path string, body []byte, headers ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n", path)
	for _, header := range headers {
		b.WriteString(header + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", len(body))
	b.Write(body)
	return b.Bytes()
}

// checkOpenAI looks at an answer to openAIRequest: the text is whole, the usage is there, a stream has its end.
func checkOpenAI(w *work) func(body []byte) error {
	if !w.stream {
		text := []byte(expectedText(w.words))
		return func(body []byte) error {
			if !bytes.Contains(body, text) || !bytes.Contains(body, []byte(usageOf(w.words))) {
				return fmt.Errorf("not the answer: %.200s", body)
			}
			return nil
		}
	}
	return func(body []byte) error {
		words := bytes.Count(body, []byte(`"content":"`+delta+`"`))
		if words != w.words || !bytes.HasSuffix(body, []byte("data: [DONE]\n\n")) || !bytes.Contains(body, []byte(usageOf(w.words))) {
			return fmt.Errorf("a stream of %d words instead of %d: %.200s … %s", words, w.words, body, body[max(0, len(body)-200):])
		}
		return nil
	}
}

// checkConverse is checkOpenAI for Bedrock's own bytes.
func checkConverse(w *work) func(body []byte) error {
	want := newMock().plain
	if w.stream {
		want = bytes.Join(framesOf(w.words), nil)
	}
	return func(body []byte) error {
		if len(body) != len(want) {
			return fmt.Errorf("%d bytes instead of %d", len(body), len(want))
		}
		return nil
	}
}
