package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"outcrop/internal/adapter"
	"outcrop/internal/gateway"
	"outcrop/internal/models"
)

// adapterDoors are the adapter's. It stands behind a DIAL Core, which knows the callers: here any key will do, and
// tells what is kept for one caller from what is kept for another.
func (d *doors) adapterDoors(b *bytes.Buffer) {
	d.t.Helper()
	catalogue, err := models.Load()
	if err != nil {
		d.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	handler, err := adapter.New(adapter.Options{Client: d.bedrock(catalogue), Extra: readExtra(false, log), Log: log, Version: version()})
	if err != nil {
		d.t.Fatal(err)
	}
	visitors := []visitor{
		{"none", "no credential", nil, "", 0, false},
		{"blank", "an empty Api-Key", http.Header{"Api-Key": {""}}, "", 0, false},
		{"query", "a key in the URL", nil, "api-key=k", 0, false},
		{"key", "any Api-Key: DIAL Core's per-request key, which Core alone knows", http.Header{"Api-Key": {"k"}}, "", 0, false},
		{"bearer", "a token alone", http.Header{"Authorization": {"Bearer k"}}, "", 0, false},
	}
	b.WriteString("\n== outcrop adapter (behind a DIAL Core, which knows the callers: nobody else must reach it)\n\n")
	legend(b, visitors)
	b.WriteString("\n" + strings.TrimRight(fmt.Sprintf("%-62s %s", "", heads(visitors)), " ") + "\n")
	for _, pattern := range handler.(*gateway.Gateway).Routes() {
		method, path, body := d.knock(strings.Replace(pattern, "{name}", "us.amazon.nova-lite-v1:0", 1))
		path = strings.Replace(path, "team/private", "us.amazon.nova-lite-v1:0", 1)
		body = strings.Replace(body, `"private"`, `"us.anthropic.claude-sonnet-4-5-20250929-v1:0"`, 1)
		line := fmt.Sprintf("%-62s", pattern)
		for _, v := range visitors {
			r := httptest.NewRequestWithContext(d.t.Context(), method, path+"?"+v.query, strings.NewReader(body))
			r.Header = v.header.Clone()
			if r.Header == nil {
				r.Header = http.Header{}
			}
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			before := d.asked.Load()
			handler.ServeHTTP(w, r)
			if v.header.Get("Api-Key") == "" && strings.Contains(path, "/openai/deployments/") && (w.Code != http.StatusBadRequest || d.asked.Load() != before) {
				d.t.Errorf("adapter: %s: %s is answered with %d", pattern, v.says, w.Code)
			}
			line += fmt.Sprintf(" %-*d", len(v.name), w.Code)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}
