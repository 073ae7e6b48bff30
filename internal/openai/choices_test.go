package openai

import (
	"context"
	"encoding/json"
	"iter"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
	"outcrop/internal/sse"
)

func TestAFailingChoiceEndsTheStreamOfAll(t *testing.T) {
	word := llmtest.Step{Wait: time.Second, Event: &llm.TextDelta{Text: "on "}}
	pause, finish := llmtest.Step{Event: llm.Pause{}}, llmtest.Step{Event: llm.Finish{Reason: llm.FinishStop}}
	broken := llmtest.Step{Wait: time.Minute, Err: &llm.Error{Kind: llm.KindUnavailable, Message: "No capacity."}}
	synctest.Test(t, func(t *testing.T) {
		scripts := []*llmtest.Script{
			{Steps: []llmtest.Step{word, pause, finish}},
			{Steps: []llmtest.Step{word, pause, word, pause, broken}},
			{Steps: []llmtest.Step{word, pause, {Wait: time.Hour, Event: &llm.TextDelta{Text: "late"}}, finish}},
		}
		rec := httptest.NewRecorder()
		err := WriteStream(rec, llm.SideBySide(t.Context(), 3, func(ctx context.Context, i int) iter.Seq2[llm.Event, error] {
			return scripts[i].Chat(ctx, nil)
		}), Envelope{ID: "1", Model: "demo", Choices: 3, Heartbeat: 25 * time.Second})
		if llm.AsError(err).Kind != llm.KindUnavailable {
			t.Errorf("returned %v", err)
		}
		for i, s := range scripts {
			if s.Open() != 0 {
				t.Errorf("choice %d is still running", i)
			}
		}
		body := rec.Body.String()
		if strings.Contains(body, "[DONE]") || !strings.HasSuffix(body, `"code":"upstream_unavailable"}}`+sse.End) {
			t.Errorf("the stream ends with %s", body[max(0, len(body)-200):])
		}
		if n := strings.Count(body, `"finish_reason":"stop"`); n != 1 {
			t.Errorf("%d choices are finished, want the one that was", n)
		}
		if n := strings.Count(body, heartbeat); n != 2 {
			t.Errorf("%d heartbeats in a minute of silence", n)
		}
	})
}

func TestChunkReadsWhatAStreamSays(t *testing.T) {
	s := parseScript(t, `request n=2 include_usage=true tokens=exact discarded=1
choice 1
reasoning "hm"
signature c2ln
blob image/png name=dot base64=AAAA
citation title=t url=https://example.com/ quote=q text_from=1 text_to=2
citation title=f unit=page document=1 from=2 to=3 text_to=4
finish stop
choice 0
text "a"
finish stop tier=flex input=1 cache_read=2 cache_write=3 cache_write_1h=1 output=9 reasoning=5`)
	rec := httptest.NewRecorder()
	if err := WriteStream(rec, s.seq(), s.env); err != nil {
		t.Fatal(err)
	}
	var got Chunk
	var delta Delta
	reader := sse.NewReader(rec.Body)
	for frame, err := reader.Next(); err == nil && string(frame.Data) != "[DONE]"; frame, err = reader.Next() {
		got = Chunk{}
		if err := json.Unmarshal(frame.Data, &got); err != nil {
			t.Fatal(err)
		}
		for _, c := range got.Choices {
			if c.Index != 1 {
				continue
			}
			delta.Reasoning += c.Delta.Reasoning
			delta.Annotations = append(delta.Annotations, c.Delta.Annotations...)
			if custom := c.Delta.Custom; custom != nil && delta.Custom != nil {
				delta.Custom.State = custom.State
			} else if custom != nil {
				delta.Custom = custom
			}
		}
	}
	want := Delta{
		Reasoning: "hm",
		Annotations: []Annotation{
			{Type: "url_citation", URL: &URLCitation{URL: "https://example.com/", Title: "t", Quote: "q", Start: 1, End: 2}},
			{Type: "file_citation", File: &FileCitation{Filename: "f", Index: 1, Unit: "page", From: 2, To: 3, End: 4}},
		},
		Custom: &CustomContent{
			Attachments: []Attachment{{Type: "image/png", Title: "dot", Data: make([]byte, 3)}},
			State:       json.RawMessage(`{"outcrop":{"reasoning":[{"text":"hm","signature":"c2ln"}]}}`),
		},
	}
	if diff := cmp.Diff(want, delta); diff != "" {
		t.Errorf("choice 1: %s", diff)
	}
	usage := &Usage{PromptTokens: 6, CompletionTokens: 9, TotalTokens: 15}
	usage.PromptDetails.Cached, usage.PromptDetails.CacheWrite, usage.PromptDetails.CacheWrite1h = 2, 3, 1
	usage.CompletionDetails.Reasoning = 5
	last := Chunk{
		ID: "chatcmpl-1", Model: "demo", Choices: []Choice{}, Usage: usage, ServiceTier: "flex",
		Statistics: &StatisticsInfo{Discarded: []int{1}, TokenCount: "exact"},
	}
	if diff := cmp.Diff(last, got); diff != "" {
		t.Errorf("the last chunk: %s", diff)
	}
}
