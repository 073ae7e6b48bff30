package proxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"outcrop/internal/llm"
	"outcrop/internal/proxy"
)

// TestAnIDStandsInTheURL: whatever an ID has in it, it is one segment of the path; and nothing of such a call's
// body is changed.
func TestAnIDStandsInTheURL(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.RequestURI + " " + string(body)
	}))
	defer server.Close()
	for _, tt := range []struct{ path, id, query, want string }{
		{"/v1/responses/{id}", "resp_1", "", "GET /v1/responses/resp_1 "},
		{"/v1/responses/{id}/cancel", "a/b?c#d%2F é", "", "GET /v1/responses/a%2Fb%3Fc%23d%252F%20%C3%A9/cancel "},
		{"/a%2Fb/{id}", "x", "include=y", "GET /a%2Fb/x?include=y "},
		{"/r?id={id}&v=1", "a&b", "include=y", "GET /r?id=a%26b&v=1 "},
		{"/v1/responses/{id}", "...", "", "GET /v1/responses/... "},
		{"/v1/{id}/{id}", "{id}", "", "GET /v1/%7Bid%7D/%7Bid%7D "},
		{"/no/place", "x", "", "GET /no/place "},
	} {
		remote, err := proxy.New(proxy.Options{URL: server.URL + tt.path, OverrideName: "o", Defaults: []byte(`{"a":1}`), Transport: proxy.NewTransport()})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := remote.Call(t.Context(), &proxy.Call{Method: http.MethodGet, ID: tt.id, Query: tt.query})
		if err != nil {
			t.Fatal(err)
		}
		answer.Close()
		if got != tt.want {
			t.Errorf("%s with %s:\ngot  %s\nwant %s", tt.path, tt.id, got, tt.want)
		}
		for _, step := range []string{".", ".."} {
			if _, err := remote.Call(t.Context(), &proxy.Call{ID: step}); llm.AsError(err).Kind != llm.KindNotFound {
				t.Errorf("%s: %v, want that there is no such thing", step, err)
			}
		}
	}
}

// TestAddressesHaveNoKeys: they are logged.
func TestAddressesHaveNoKeys(t *testing.T) {
	r, err := proxy.New(proxy.Options{URL: "http://me:hunter2@adapter:5000/responses/{id}?code=hunter2"})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Address("a/b"); got != "http://adapter:5000/responses/a%2Fb" {
		t.Error(got)
	}
}
