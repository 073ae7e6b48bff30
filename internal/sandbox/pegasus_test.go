package sandbox

import (
	"strings"
	"testing"
)

const idPegasus = "us.twelvelabs.pegasus-1-2-v1:0"

// Pegasus answers in its own body, plain and as chunks, and says why it stopped.
func TestPegasus(t *testing.T) {
	srv := serve(t, Options{})
	for _, c := range []struct{ body, said, finish string }{
		{`{"inputPrompt":"What happens?","mediaSource":{"base64String":"AAAAGGZ0eXA="},"temperature":0}`, "You said: “What happens?”. I am", "stop"},
		{`{"inputPrompt":"What happens?","mediaSource":{"s3Location":{"uri":"s3://bucket/a.mp4","bucketOwner":"123456789012"}},"maxOutputTokens":2}`, "You said:", "length"},
		{`{"inputPrompt":"Title","mediaSource":{"base64String":"AAAA"},"responseFormat":{"jsonSchema":{"type":"object","required":["title"],"properties":{"title":{"type":"string"}}}}}`, `{"title":"Title"}`, "stop"},
		{`{"inputPrompt":"x [[sandbox text=Fox.]]","mediaSource":{"base64String":"AAAA"}}`, "Fox.", "stop"},
	} {
		got := native(t, srv, idPegasus, c.body)
		if !strings.HasPrefix(text(got["message"]), c.said) || got["finishReason"] != c.finish {
			t.Errorf("%s: %s", c.body, encode(got))
		}
		var said strings.Builder
		finish := ""
		for _, chunk := range nativeStream(t, srv, idPegasus, c.body) {
			said.WriteString(text(chunk["message"]))
			finish += text(chunk["finishReason"])
		}
		if said.String() != got["message"] || finish != c.finish {
			t.Errorf("%s: stream %q %q", c.body, said.String(), finish)
		}
	}
}

// What Pegasus cannot read is refused; it has no Converse.
func TestPegasusRules(t *testing.T) {
	s := newServer(t, Options{})
	for body, want := range map[string]string{
		`{"mediaSource":{"base64String":"AAAA"}}`:                                     "#: required key [inputPrompt] not found",
		`{"inputPrompt":"x"}`:                                                         "#: required key [mediaSource] not found",
		`{"inputPrompt":" ","mediaSource":{"base64String":"AAAA"}}`:                   "#/inputPrompt",
		`{"inputPrompt":"x","mediaSource":{}}`:                                        "#/mediaSource: expected one of",
		`{"inputPrompt":"x","mediaSource":{"base64String":"!"}}`:                      "not a base64 string",
		`{"inputPrompt":"x","mediaSource":{"s3Location":{"uri":"http://a"}}}`:         "#/mediaSource/s3Location/uri",
		`{"inputPrompt":"x","mediaSource":{"base64String":"AAAA"},"maxTokens":1}`:     "extraneous key [maxTokens]",
		`{"inputPrompt":"x","mediaSource":{"base64String":"AAAA"},"temperature":1.1}`: "#/temperature",
	} {
		if rec := post(t, s, call{Op: opInvoke, ModelID: idPegasus, Raw: []byte(body)}); rec.Code != 400 || !strings.Contains(rec.Body.String(), want) {
			t.Errorf("%s: %d %s", body, rec.Code, rec.Body)
		}
	}
	if rec := post(t, s, call{Op: opConverse, ModelID: idPegasus, Raw: user("hi")}); rec.Code != 400 || !strings.Contains(rec.Body.String(), notAChatModel) {
		t.Errorf("Converse: %d %s", rec.Code, rec.Body)
	}
}
