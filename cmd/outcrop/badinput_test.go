package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"outcrop/internal/sandbox"
)

// TestBadInputIsToldOnce: what is wrong is told with its field's name and what to do, and AWS is not asked
// again for what cannot succeed.
func TestBadInputIsToldOnce(t *testing.T) {
	aws, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	counting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		aws.ServeHTTP(w, r)
	}))
	defer counting.Close()
	clearAdapter(t)
	t.Setenv("AWS_ENDPOINT_URL", counting.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "sandbox")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "sandbox")
	t.Setenv("AWS_DEFAULT_REGION", "us-east-1")
	base, stderr := start(t, "adapter", "--log", "json")
	const chat, embed = "us.amazon.nova-lite-v1:0/chat/completions", "amazon.titan-embed-text-v2:0/embeddings"
	image := fmt.Sprintf(`{"messages": [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,%s"}}]}]}`,
		base64.StdEncoding.EncodeToString(hugePNG()))
	for _, tt := range []struct {
		name, path, key, extra, body string
		status                       int
		calls                        int64
		texts                        []string
	}{
		{"no Api-Key", chat, "", "", hello, 400, 0, []string{"Api-Key header is required"}},
		{"extraData is no JSON", chat, "k", `{"region": "us-`, hello, 400, 0, []string{"X-Upstream-Extra-Data", "JSON"}},
		{"extraData is a list", chat, "k", `[1]`, hello, 400, 0, []string{"X-Upstream-Extra-Data"}},
		{"an unknown region", chat, "k", `{"region": "mars"}`, hello, 400, 0, []string{"X-Upstream-Extra-Data.region", "us-east-1"}},
		{"a denied role", chat, "k", `{"aws_assume_role_arn": "arn:aws:iam::123456789012:role/denied"}`, hello, 502, 1, []string{"aws_assume_role_arn", "AccessDenied"}},
		{"an oversized image", chat, "k", "", image, 400, 0, []string{`"param":"messages[0].content[1].image_url.url"`, "8000"}},
		{"a length that no vector has", embed, "k", "", `{"input": "x", "dimensions": 333}`, 400, 0, []string{`"param":"dimensions"`, "256, 512"}},
		{"a model that Bedrock has not", "us.does-not-exist-v1:0/chat/completions", "k", "", hello, 404, 1, []string{"model id and region"}},
		{"what AWS refuses", chat, "k", "", strings.ReplaceAll(hello, `text=\"hi there\"`, "error=ValidationException"), 400, 1, []string{"invalid_request_error"}},
		{"throttling, which is Core's to go around", chat, "k", "", strings.ReplaceAll(hello, `text=\"hi there\"`, "error=ThrottlingException"), 429, 1, []string{"rate_limit_exceeded"}},
	} {
		calls.Store(0)
		status, body := send(t, base+"/openai/deployments/"+tt.path, tt.body, map[string]string{"Api-Key": tt.key, "X-Upstream-Extra-Data": tt.extra})
		if status != tt.status || calls.Load() != tt.calls {
			t.Errorf("%s: %d after %d calls, want %d after %d: %s", tt.name, status, calls.Load(), tt.status, tt.calls, body)
		}
		for _, text := range tt.texts {
			if !strings.Contains(body, text) {
				t.Errorf("%s: no %q in %s", tt.name, text, body)
			}
		}
		if strings.Contains(body, "123456789012") {
			t.Errorf("%s: the account is told: %s", tt.name, body)
		}
	}
	if log := stderr.String(); !strings.Contains(log, "AccessDenied") || strings.Contains(log, "hi there") {
		t.Errorf("the log says %s", log)
	}
}

// hugePNG is the beginning of an image of 9,000 pixels a side.
func hugePNG() []byte {
	header := binary.BigEndian.AppendUint32([]byte("IHDR"), 9000)
	header = append(binary.BigEndian.AppendUint32(header, 9000), 8, 2, 0, 0, 0)
	png := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), header...)
	return binary.BigEndian.AppendUint32(png, crc32.ChecksumIEEE(header))
}

// send posts a body; headers that are "" are left out.
func send(t *testing.T, url, body string, headers map[string]string) (status int, reply string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for name, value := range headers {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
