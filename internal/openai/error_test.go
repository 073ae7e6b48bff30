package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"outcrop/internal/llm"
)

func TestEveryKindHasAStatus(t *testing.T) {
	want := []struct {
		status     int
		kind, code string
	}{
		{500, "server_error", ""},
		{400, "invalid_request_error", ""},
		{400, "invalid_request_error", "context_length_exceeded"},
		{400, "invalid_request_error", "content_filter"},
		{401, "authentication_error", "invalid_api_key"},
		{403, "permission_error", ""},
		{404, "invalid_request_error", "model_not_found"},
		{404, "invalid_request_error", "unknown_url"},
		{413, "invalid_request_error", "request_too_large"},
		{415, "invalid_request_error", "unsupported_media_type"},
		{429, "rate_limit_error", "rate_limit_exceeded"},
		{502, "api_error", "upstream_error"},
		{503, "api_error", "upstream_unavailable"},
		{504, "api_error", "upstream_timeout"},
		{499, "api_error", "client_closed_request"},
		{400, "invalid_request_error", "truncate_prompt_error"},
		{404, "invalid_request_error", "model_not_found"},
		{405, "invalid_request_error", "method_not_allowed"},
		{501, "invalid_request_error", "not_implemented"},
		{503, "server_error", "server_unavailable"},
	}
	kind := llm.Kind(0)
	for ; kind.String() != "unknown"; kind++ {
		if int(kind) >= len(want) {
			t.Fatalf("kind %s is not in the table", kind)
		}
		w := want[kind]
		if c := classify(kind); c.status != w.status || c.kind != w.kind || c.code != w.code || Status(kind) != w.status {
			t.Errorf("%s: got %+v, want %+v", kind, c, w)
		}
	}
	if int(kind) != len(want) {
		t.Errorf("%d kinds, %d in the table", kind, len(want))
	}
	if got := Status(kind); got != 500 {
		t.Errorf("an unknown kind has status %d", got)
	}
}

// TestDisplayMessage: what the user of a chat can do something about is written for them too.
func TestDisplayMessage(t *testing.T) {
	for _, tt := range []struct {
		e     llm.Error
		shown bool
	}{
		{llm.Error{Kind: llm.KindContextLength, Param: "messages"}, true},
		{llm.Error{Kind: llm.KindContentFilter}, true},
		{llm.Error{Kind: llm.KindTruncation, Param: "max_prompt_tokens"}, true},
		{llm.Error{Kind: llm.KindEndOfLife}, true},
		{llm.Error{Kind: llm.KindInvalid, Param: "messages[2].content[1].image_url.url"}, true},
		{llm.Error{Kind: llm.KindTooLarge, Param: "messages[0].content[1]"}, true},
		{llm.Error{Kind: llm.KindInvalid, Param: "messages[0].custom_content.attachments[0].type"}, true},
		{llm.Error{Kind: llm.KindInvalid, Param: "messages[0].role"}, false},
		{llm.Error{Kind: llm.KindInvalid, Param: "tools[0].function"}, false},
		{llm.Error{Kind: llm.KindTooLarge}, false},
		{llm.Error{Kind: llm.KindUpstream}, false},
		{llm.Error{Kind: llm.KindNotFound}, false},
		{llm.Error{Kind: llm.KindRateLimited}, false},
	} {
		tt.e.Message = "So \"it\" is."
		w := httptest.NewRecorder()
		WriteError(w, &tt.e)
		if got := strings.HasSuffix(w.Body.String(), `,"display_message":"So \"it\" is."}}`+"\n"); got != tt.shown {
			t.Errorf("%v: shown is %v in %s", &tt.e, got, w.Body)
		}
	}
}

func TestWriteErrorBody(t *testing.T) {
	w := httptest.NewRecorder()
	secret := errors.New("arn:aws:iam::123456789012:role/x")
	WriteError(w, fmt.Errorf("wrapped: %w", &llm.Error{Kind: llm.KindInvalid, Message: "a \"b\"\n", Param: "tools[0]", Err: secret}))
	var body map[string]map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	e := body["error"]
	if len(body) != 1 || len(e) != 4 || e["message"] != "a \"b\"\n" || e["type"] != "invalid_request_error" || e["param"] != "tools[0]" || e["code"] != nil {
		t.Errorf("got %s", w.Body)
	}
	if w.Code != 400 || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Retry-After") != "" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}

func TestRetryAfterIsWholeSeconds(t *testing.T) {
	tests := []struct {
		kind  llm.Kind
		after time.Duration
		want  string
	}{
		{llm.KindRateLimited, 0, "1"},
		{llm.KindRateLimited, time.Millisecond, "1"},
		{llm.KindRateLimited, time.Second, "1"},
		{llm.KindRateLimited, time.Second + 1, "2"},
		{llm.KindUnavailable, 0, ""},
		{llm.KindUnavailable, 90 * time.Second, "90"},
	}
	for _, tt := range tests {
		w := httptest.NewRecorder()
		WriteError(w, &llm.Error{Kind: tt.kind, RetryAfter: tt.after})
		if got := w.Header().Get("Retry-After"); got != tt.want {
			t.Errorf("%s after %s: got %q, want %q", tt.kind, tt.after, got, tt.want)
		}
	}
}
