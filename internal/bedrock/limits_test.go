package bedrock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/memnet"
	"outcrop/internal/secret"
)

// TestFanIsBounded: while every call takes its time, exactly fanWidth of them are under way.
func TestFanIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most := 0, 0
		began := time.Now()
		err := fan(t.Context(), 5*fanWidth, func(context.Context, int, *bytes.Buffer) error {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			<-time.After(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return nil
		})
		if err != nil || most != fanWidth || time.Since(began) != 5*time.Second {
			t.Errorf("%v, %d at once, after %v", err, most, time.Since(began))
		}
	})
}

// TestAFanWhoseClientLeavesIsNoAnswer: what has been done so far is not all.
func TestAFanWhoseClientLeavesIsNoAnswer(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	err := fan(ctx, 10*fanWidth, func(context.Context, int, *bytes.Buffer) error {
		leave()
		return nil
	})
	if llm.AsError(err).Kind != llm.KindCanceled {
		t.Errorf("got %v", err)
	}
}

// TestAnErrorOfALaterCallNamesTheInput: AWS counts the inputs of a call, the client those of its request.
func TestAnErrorOfALaterCallNamesTheInput(t *testing.T) {
	m, _ := planeOf(t, cohere3, ModelOptions{}, func(body string) (int, string, string) {
		if strings.Contains(body, "bad") {
			return 400, "ValidationException", `{"message":"Malformed input request: #/texts/1: expected maxLength: 2048"}`
		}
		return 200, "", `{"embeddings":[` + strings.TrimSuffix(strings.Repeat("[1],", 96), ",") + `]}`
	})
	var texts []string
	for i := range 97 {
		texts = append(texts, fmt.Sprint("text ", i))
	}
	_, err := m.Embed(t.Context(), textsOf(append(texts, "bad", "text")...))
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Param != "input[97]" {
		t.Errorf("got %v", err)
	}
}

// TestASeedHasABound: the largest one that AWS takes passes, and the next is refused by name before a call.
func TestASeedHasABound(t *testing.T) {
	m, err := testClient(t, Options{}).Model("stability.sd3-5-large-v1:0", ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for seed, good := range map[int64]bool{0: true, largestSeed: true, largestSeed + 1: false, -1: false} {
		req := question("A fox")
		req.Sampling.Seed = &seed
		_, err := m.Explain(t.Context(), req)
		if e := llm.AsError(err); (err == nil) != good || !good && (e.Kind != llm.KindInvalid || e.Param != "seed") {
			t.Errorf("%d: %v", seed, err)
		}
	}
}

// TestWhatIsCountedOfABody: what the model reads, and nothing that Anthropic's count refuses.
func TestWhatIsCountedOfABody(t *testing.T) {
	got := string(countedMembers([]byte(`{"model":"m","max_tokens":5,"messages":[ ],"temperature":1,"system":"s","tools":[],"tool_choice":{"type":"any"},"thinking":{},"output_config":{},"stream":true,"stop_sequences":[],"top_p":1}`)))
	if want := `{"model":"m","messages":[ ],"system":"s","tools":[],"tool_choice":{"type":"any"},"thinking":{},"output_config":{}}`; got != want {
		t.Errorf("got %s", got)
	}
}

// TestNativeConnect: the deployment's bound on connecting holds for Anthropic's own bodies too.
func TestNativeConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := testClient(t, Options{APIKey: secret.New("k"), Transport: respond(func(r *http.Request) (*http.Response, error) {
			select {
			case <-r.Context().Done():
				return nil, context.Cause(r.Context())
			case <-time.After(time.Minute):
				return nil, errors.New("the bound does not hold")
			}
		})})
		model, err := client.Model("us.anthropic.claude-sonnet-4-5-20250929-v1:0", ModelOptions{Connect: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for _, err := range model.Native().Messages(t.Context(), &llm.MessagesRequest{Body: []byte(`{"messages":[]}`)}) {
			if llm.AsError(err).Kind != llm.KindTimeout || time.Since(began) != 2*time.Second {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		}
	})
}

// TestADeniedCountIsNotAskedAgain: an account that may not count is not asked with each request; the count
// is an estimate meanwhile.
func TestADeniedCountIsNotAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		transport := memnet.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"message":"not authorized to perform: bedrock:CountTokens"}`))
		}))
		client := testClient(t, Options{Endpoint: "http://localhost", APIKey: secret.New("k"), Transport: transport})
		model, err := client.Model("us.anthropic.claude-sonnet-4-5-20250929-v1:0", ModelOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			body := fmt.Sprintf(`{"max_tokens":1,"messages":[{"role":"user","content":"%d"}]}`, i)
			count, err := model.Native().CountMessages(t.Context(), &llm.MessagesRequest{Body: []byte(body)})
			if err != nil || count.Exact || count.Tokens == 0 {
				t.Errorf("%+v, %v", count, err)
			}
		}
		if asked != 1 {
			t.Errorf("AWS was asked %d times", asked)
		}
	})
}

// TestAClientThatLeavesDoesNotSpoilTheCredentials: neither for those that come right after it, nor those
// whose renewal it has started.
func TestAClientThatLeavesDoesNotSpoilTheCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		w := newWallet(s)
		gone, leave := context.WithTimeout(t.Context(), time.Millisecond)
		defer leave()
		if _, err := w.get(gone); err == nil {
			t.Fatal("a client that has gone has credentials")
		}
		if d := took(t, w); d != time.Second {
			t.Errorf("the next one waited %v", d)
		}
		<-time.After(time.Hour - refreshAhead + time.Second)
		short, leaveToo := context.WithCancel(t.Context())
		if _, err := w.get(short); err != nil { // which starts a renewal
			t.Fatal(err)
		}
		leaveToo()
		<-time.After(refreshAhead)
		if d := took(t, w); d != 0 {
			t.Errorf("the renewal has ended with its client: waited %v", d)
		}
	})
}
