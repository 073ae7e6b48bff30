package bedrock

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/memnet"
	"outcrop/internal/models"
	"outcrop/internal/secret"
)

// A model's calls wait for a connection as long as its deployment says, and for the answer as long as
// it takes.
func TestConnect(t *testing.T) {
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name          string
		dial, connect time.Duration
		want          string
		after         time.Duration
	}{
		{"in time", time.Second, 2 * time.Second, "", 61 * time.Second},
		{"too late", 3 * time.Second, 2 * time.Second, "could not be reached within 2s, the deployment's connect timeout", 2 * time.Second},
		{"no bound", 3 * time.Second, 0, "", 63 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport := memnet.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					<-time.After(time.Minute)
					if _, err := w.Write([]byte(`{"output":{"message":{"content":[{"text":"Yes."}],"role":"assistant"}},"stopReason":"end_turn","usage":{}}`)); err != nil {
						t.Error(err)
					}
				}))
				dial := transport.DialContext
				transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
					<-time.After(tt.dial)
					return dial(ctx, network, address)
				}
				client := &Client{base: "http://bedrock", transport: transport, catalogue: catalogue, identity: identity{bearer: newBearer(secret.New("k"))}}
				model, err := client.Model(novaLite, ModelOptions{Connect: tt.connect})
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				reply, err := llm.CollectOne(model.Chat(t.Context(), &llm.ChatRequest{Messages: ask("Hi"), Whole: true}))
				switch {
				case time.Since(began) != tt.after:
					t.Errorf("ended after %v", time.Since(began))
				case tt.want == "" && (err != nil || reply.Text != "Yes."):
					t.Errorf("%+v, %v", reply, err)
				case tt.want != "" && (llm.AsError(err).Kind != llm.KindTimeout || !strings.Contains(err.Error(), tt.want)):
					t.Errorf("%v", err)
				}
				<-time.After(time.Minute) // what is dialled late is closed by the transport in its time
			})
		})
	}
}
