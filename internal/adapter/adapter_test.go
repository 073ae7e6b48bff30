package adapter_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/adapter"
	"outcrop/internal/bedrock"
	"outcrop/internal/memnet"
)

const oneAnswer = `{"output":{"message":{"content":[{"text":"Paris."}],"role":"assistant"}},"stopReason":"end_turn","usage":{"inputTokens":12,"outputTokens":3,"totalTokens":15}}`

// answering is a Bedrock that knows one answer.
func answering(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, oneAnswer)
}

// chat sends a chat with that extraData and returns the status.
func chat(t *testing.T, handler http.Handler, extra string) int {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/openai/deployments/us.amazon.nova-lite-v1:0/chat/completions",
		strings.NewReader(`{"messages":[{"role":"user","content":"Hi"}]}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Api-Key", "k")
	if extra != "" {
		r.Header.Set("X-Upstream-Extra-Data", extra)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	return recorder.Code
}

// keys is extraData of an upstream of its own.
func keys(n int) string {
	return fmt.Sprintf(`{"aws_access_key_id":"AKIAUPSTREAM%d","aws_secret_access_key":"hush"}`, n)
}

func (w *world) made() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.clients)
}

// A burst of requests makes one client, and upstreams that differ in their text alone share it: so their
// credentials are resolved once.
func TestEqualSettingsShareOneClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.aws = http.HandlerFunc(answering)
		handler := w.adapter(t, []string{"AWS_DEFAULT_REGION=us-east-1"}, io.Discard)
		before := w.made()
		var all sync.WaitGroup
		for i := range 300 {
			all.Go(func() {
				text := keys(1)
				if i%3 == 0 {
					text = " " + strings.ReplaceAll(text, ",", " , ")
				}
				if status := chat(t, handler, text); status != http.StatusOK {
					t.Errorf("status %d", status)
				}
			})
		}
		all.Wait()
		if n := w.made() - before; n != 1 {
			t.Errorf("%d clients were made", n)
		}
		if chat(t, handler, keys(2)); w.made()-before != 2 {
			t.Errorf("another upstream has the same client")
		}
	})
}

// The cache holds CLIENT_CACHE_MAX_SIZE clients. A request whose client has been pushed out goes on.
func TestClientsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.aws = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			if strings.Contains(w.identity(r), "AKIAUPSTREAM0") {
				<-time.After(time.Minute)
			}
			answering(out, r)
		})
		handler := w.adapter(t, []string{"AWS_DEFAULT_REGION=us-east-1", "CLIENT_CACHE_MAX_SIZE=4"}, io.Discard)
		slow := make(chan int)
		go func() { slow <- chat(t, handler, keys(0)) }()
		synctest.Wait()
		before := w.made()
		for n := range 20 {
			if status := chat(t, handler, keys(n+1)); status != http.StatusOK {
				t.Errorf("status %d", status)
			}
		}
		chat(t, handler, keys(20)) // is still there
		if n := w.made() - before; n != 20 {
			t.Errorf("%d clients were made", n)
		}
		chat(t, handler, keys(1)) // has gone
		if n := w.made() - before; n != 21 {
			t.Errorf("%d clients were made", n)
		}
		if status := <-slow; status != http.StatusOK {
			t.Errorf("the slow one has status %d", status)
		}
	})
}

// What comes of the credentials: those of the upstream replace those of the process as a whole, and only
// a role has a session.
func TestCredentialsOfAnUpstream(t *testing.T) {
	const role = `"aws_assume_role_arn":"arn:aws:iam::111122223333:role/one"`
	const pair = `"aws_access_key_id":"AKIAUPSTREAM","aws_secret_access_key":"hush"`
	process := map[string][]string{
		"nothing": {"A=b"},
		"keys":    {"AWS_ACCESS_KEY_ID=AKIAPROCESS", "AWS_SECRET_ACCESS_KEY=hush"},
		"role":    {"AWS_ASSUME_ROLE_ARN=arn:aws:iam::111122223333:role/process"},
		"api key": {"AWS_BEARER_TOKEN_BEDROCK=hush"},
	}
	for _, tt := range []struct{ upstream, of, want string }{
		{``, "nothing", "the process"},
		{``, "keys", "the process"},
		{``, "role", "the process, session BedrockAccessSession, tags m=us.amazon.nova-lite-v1:0"},
		{pair, "nothing", "AKIAUPSTREAM"},
		{pair, "keys", "AKIAUPSTREAM"},
		{pair, "role", "AKIAUPSTREAM"},
		{pair, "api key", "AKIAUPSTREAM"},
		{role, "nothing", "arn:aws:iam::111122223333:role/one by the process, session BedrockAccessSession, tags m=us.amazon.nova-lite-v1:0"},
		{role, "keys", "arn:aws:iam::111122223333:role/one by the process, session BedrockAccessSession, tags m=us.amazon.nova-lite-v1:0"},
		{role + "," + pair, "keys", "arn:aws:iam::111122223333:role/one by AKIAUPSTREAM, session BedrockAccessSession, tags m=us.amazon.nova-lite-v1:0"},
		{`"aws_bearer_token_bedrock":"hush"`, "role", "an API key"},
		{`"region":"eu-west-1"`, "role", "the process, session BedrockAccessSession, tags m=us.amazon.nova-lite-v1:0"},
	} {
		t.Run(tt.of+" and "+tt.upstream, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.aws = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
					if got := w.identity(r); got != tt.want {
						t.Errorf("Bedrock was asked as %s", got)
					}
					answering(out, r)
				})
				environ := append(slices.Clone(process[tt.of]), "AWS_DEFAULT_REGION=us-east-1", `AWS_SESSION_TAGS={"m":"Bedrock.modelId"}`)
				if status := chat(t, w.adapter(t, environ, io.Discard), "{"+tt.upstream+"}"); status != http.StatusOK {
					t.Errorf("status %d", status)
				}
			})
		})
	}
}

// Of two texts of extraData one may be a stranger's: which one counts is not for the order to say.
func TestExtraDataComesOnce(t *testing.T) {
	w := newWorld(t)
	w.aws = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("Bedrock was asked") })
	handler := w.adapter(t, []string{"AWS_DEFAULT_REGION=us-east-1"}, io.Discard)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/openai/deployments/us.amazon.nova-lite-v1:0/chat/completions",
		strings.NewReader(`{"messages":[{"role":"user","content":"Hi"}]}`))
	r.Header = http.Header{"Content-Type": {"application/json"}, "Api-Key": {"k"}, "X-Upstream-Extra-Data": {keys(1), keys(2)}}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	if recorder.Code != http.StatusBadRequest || !strings.Contains(recorder.Body.String(), "came twice") || strings.Contains(recorder.Body.String(), "AKIA") {
		t.Errorf("%d %s", recorder.Code, recorder.Body)
	}
}

// What no client can be made of is an error that tells nothing of this machine, which the log does.
func TestAnUpstreamThatCannotBeCalled(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t)
	w.aws = http.HandlerFunc(answering)
	handler := w.adapter(t, []string{"AWS_DEFAULT_REGION=us-east-1"}, &log, func(o *adapter.Options) {
		usual := o.Client
		o.Client = func(s bedrock.Settings) (*bedrock.Client, error) {
			if s.AccessKeyID != "" {
				return nil, fmt.Errorf("reading /etc/company.pem: no such file")
			}
			return usual(s)
		}
	})
	for range 2 { // a failure is not remembered
		log.Reset()
		if status := chat(t, handler, keys(1)); status != http.StatusInternalServerError || !strings.Contains(log.String(), "company.pem") {
			t.Errorf("status %d, log %s", status, log.String())
		}
	}
	if _, err := adapter.New(adapter.Options{Client: func(bedrock.Settings) (*bedrock.Client, error) { return nil, fmt.Errorf("no proxy") }}); err == nil || !strings.Contains(err.Error(), "no proxy") {
		t.Errorf("got %v", err)
	}
}

// An ARN with no region in it is for AWS to judge: no host is made of what a client says, and the operator's
// extraData is not to blame.
func TestAnARNWithoutARegion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		asked := 0
		w.aws = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			asked++
			if strings.Contains(r.Host, "evil") {
				t.Errorf("%s was asked", r.Host)
			}
			answering(out, r)
		})
		handler := w.adapter(t, []string{"AWS_DEFAULT_REGION=us-east-1"}, io.Discard)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost,
			"/openai/deployments/arn:aws:bedrock:evil.example:123456789012:inference-profile%2Fus.amazon.nova-lite-v1:0/chat/completions",
			strings.NewReader(`{"messages":[{"role":"user","content":"Hi"}]}`))
		r.Header = http.Header{"Content-Type": {"application/json"}, "Api-Key": {"k"}}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, r)
		if recorder.Code != http.StatusOK || asked == 0 {
			t.Errorf("%d %s, asked %d times", recorder.Code, recorder.Body, asked)
		}
	})
}

// A model that nobody knows is a word with a typing mistake in it, more often than a new one: the log says
// so, at the start or with the first request.
func TestAnUnknownCompatibleModelIsTold(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t)
	w.aws = http.HandlerFunc(answering)
	handler := w.adapter(t, []string{"AWS_DEFAULT_REGION=us-east-1", `COMPATIBILITY_MAPPING={"mine":"anthropic.claude-sonet"}`}, &log)
	if !strings.Contains(log.String(), "COMPATIBILITY_MAPPING, names a model that is not known") || !strings.Contains(log.String(), "model=anthropic.claude-sonet") {
		t.Errorf("the start says %s", log.String())
	}
	for extra, told := range map[string]bool{
		`{"compatible_model_id":"amazon.nova-light"}`: true, `{"compatible_model_id":"us.amazon.nova-lite-v1:0"}`: false, "": false,
	} {
		log.Reset()
		chat(t, handler, extra)
		if strings.Contains(log.String(), "compatible_model_id") != told {
			t.Errorf("%s: the log says %s", extra, log.String())
		}
	}
}

// sessions is a Bedrock that notes the session of each call.
type sessions struct {
	w     *world
	names []string
}

func (s *sessions) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	s.names = append(s.names, s.w.identity(r))
	answering(out, r)
}

// Two callers of one deployment are called for in the sessions of their own projects, whoever came first;
// Core is asked once per key, and again after five minutes.
func TestASessionIsItsCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := &sessions{w: w}
		w.aws = s
		var asked []string
		core := memnet.Serve(t, http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.Header.Get("Api-Key"))
			_, _ = io.WriteString(out, `{"project":"of `+r.Header.Get("Api-Key")+`"}`)
		}))
		environ := []string{
			"AWS_DEFAULT_REGION=us-east-1", "DIAL_URL=http://core", "AWS_ASSUME_ROLE_ARN=arn:aws:iam::111122223333:role/process",
			`AWS_SESSION_TAGS={"project":"UserInfo.project"}`,
		}
		handler := w.adapter(t, environ, io.Discard, func(o *adapter.Options) { o.CoreTransport = core })
		ask := func(key string) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/openai/deployments/us.amazon.nova-lite-v1:0/chat/completions",
				strings.NewReader(`{"messages":[{"role":"user","content":"Hi"}]}`))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Api-Key", key)
			handler.ServeHTTP(httptest.NewRecorder(), r)
		}
		for _, key := range []string{"one", "two", "one"} {
			ask(key)
		}
		for i, project := range []string{"of one", "of two", "of one"} {
			if i >= len(s.names) || !strings.Contains(s.names[i], "tags project="+project) {
				t.Errorf("call %d is not in the session of %q: %q", i, project, s.names)
			}
		}
		if got := fmt.Sprint(asked); got != "[one two]" {
			t.Errorf("Core was asked by %s", got)
		}
		time.Sleep(5*time.Minute + time.Second) // of the bubble's clock
		if ask("one"); len(asked) != 3 {
			t.Errorf("after five minutes Core was asked %d times", len(asked))
		}
	})
}
