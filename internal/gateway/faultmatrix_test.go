package gateway_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The faults of the sandbox × families × stream and plain × text and tools: what the client sees of
// each is an error that says what happened, or the whole reply, and nothing is left behind.

// failure is what a client reads of an error. The status is 0 where a stream has begun before.
type failure struct {
	status     int
	kind, code string // "type" and "code"
}

var (
	upstreamFailed = failure{http.StatusBadGateway, "api_error", "upstream_error"}
	unavailable    = failure{http.StatusServiceUnavailable, "api_error", "upstream_unavailable"}
	timedOut       = failure{http.StatusGatewayTimeout, "api_error", "upstream_timeout"}
	throttled      = failure{http.StatusTooManyRequests, "rate_limit_error", "rate_limit_exceeded"}
	invalid        = failure{http.StatusBadRequest, "invalid_request_error", ""}
	tooLong        = failure{http.StatusBadRequest, "invalid_request_error", "context_length_exceeded"}
	forbidden      = failure{http.StatusForbidden, "permission_error", ""}
	notFound       = failure{http.StatusNotFound, "invalid_request_error", "model_not_found"}
)

// exceptionsOf lists Bedrock's exceptions and what each is to a client.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
var exceptionsOf = map[string]failure{
	"AccessDeniedException":         forbidden,
	"ConflictException":             invalid,
	"InternalServerException":       upstreamFailed,
	"ModelErrorException":           upstreamFailed,
	"ModelNotReadyException":        throttled,
	"ModelStreamErrorException":     upstreamFailed,
	"ModelTimeoutException":         timedOut,
	"ResourceNotFoundException":     notFound,
	"ServiceQuotaExceededException": throttled,
	"ServiceUnavailableException":   unavailable,
	"ThrottlingException":           throttled,
	"ValidationException":           invalid,
	"NobodyKnowsThisException":      upstreamFailed,
}

// refusalsOf lists the sandbox's refusals and what each is to a client. The operator's credentials are
// not the client's: a 401 would say so.
var refusalsOf = map[string]failure{
	"no-model-access": forbidden, "marketplace": forbidden, "iam": forbidden, "no-prompt-cache": forbidden,
	"use-case-form": notFound, "legacy-idle": notFound, "end-of-life": notFound, "unknown-model": notFound, "not-found": notFound,
	"quota": throttled, "conflict": invalid, "model-not-ready": throttled,
	"throttle-tokens": throttled, "throttle-day": throttled, "throttle-requests": throttled,
	"unknown-key": upstreamFailed, "expired-token": upstreamFailed, "bad-api-key": upstreamFailed, "bad-signature": upstreamFailed,
	"incomplete-signature": upstreamFailed, "no-token": upstreamFailed,
	"model-error": upstreamFailed, "model-stream-error": upstreamFailed, "model-timeout": timedOut, "invalid-tool-use": upstreamFailed,
	"too-long": tooLong, "no-streaming": invalid,
	"validation": invalid, "internal": upstreamFailed, "unavailable": unavailable,
	"plain-429": throttled, "plain-500": upstreamFailed, "plain-502": upstreamFailed, "plain-503": unavailable, "plain-504": timedOut,
}

// harmless are the directives after which a reply is whole: they choose it, or its time.
var harmless = map[string]string{
	"unknown-event": "unknown-event", "batch": "batch=3", "drip": "drip=1s", "start": "start=9m", "think": "think=1m",
	"text": "", "tokens": "", "stop": "", "tool": "", "tools": "", "loop": "", "reasoning": "", "citations": "", "image": "",
	"server-tool": "", "trace": "", "filter": "",
}

// fault is one wish to the sandbox and what must come of it.
type fault struct {
	wish string
	want failure
	// whole: the reply lacks nothing, and must arrive. wholeStream says so of streams alone.
	whole, wholeStream bool
}

// api is how Bedrock is called: what its errors say, and how its streams end, depends on it.
type api uint8

const (
	converse  api = iota
	chat          // chat completions of bedrock-mantle
	responses     // Responses of bedrock-mantle
	invoke        // InvokeModel, with Claude's own body
	messages      // the same body on bedrock-mantle
)

// aws says whether its errors and frames are AWS's own.
func (a api) aws() bool { return a == converse || a == invoke }

// told is what the client can know of an exception. OpenAI's APIs have one type for all that a server may
// fail of; its HTTP status tells more, and an event of a stream has none. Anthropic's has types of its own
// for most of it.
func (a api) told(exception string, want failure, event bool) failure {
	blurred := !a.aws() && exception == "ConflictException" ||
		(a == chat || a == responses) && event && (want == timedOut || want == unavailable) ||
		a == responses && event && (want == invalid || want == notFound)
	if blurred {
		return upstreamFailed
	}
	return want
}

// faults derives the column of the matrix for a stream of so many frames, or for a plain reply. covered are
// the directives in it.
func (a api) faults(frames int, stream bool) (list []fault, covered map[string]bool) {
	covered = map[string]bool{}
	add := func(key string, f fault) {
		covered[key] = true
		list = append(list, f)
	}
	for name, want := range exceptionsOf {
		add("error", fault{wish: "error=" + name, want: a.told(name, want, false)})
		add("exception", fault{wish: "exception=" + name, want: a.told(name, want, stream)})
		add("after", fault{wish: fmt.Sprintf("exception=%s after=%d", name, frames/2), want: a.told(name, want, stream)})
	}
	for name, want := range refusalsOf {
		if name == "conflict" {
			want = a.told("ConflictException", want, false)
		}
		add("refuse", fault{wish: "refuse=" + name, want: want})
	}
	add("throttle", fault{wish: "throttle=1", want: throttled})
	add("status", fault{wish: "error=ThrottlingException status=503", want: throttled})
	add("status", fault{wish: "error=UnknownThing status=503", want: unavailable})
	add("message", fault{wish: `error=ValidationException message="prompt is too long: 300000 tokens > 200000 maximum"`, want: tooLong})
	for k := range frames + 2 {
		over := !a.aws() && k >= frames // [DONE] or response.completed has come
		add("after", fault{wish: fmt.Sprintf("exception=throttlingException after=%d", k), want: throttled, wholeStream: over})
		add("cut", fault{wish: fmt.Sprintf("cut=%d", k), want: upstreamFailed, wholeStream: over})
		add("cut-inside", fault{wish: fmt.Sprintf("cut-inside=%d", k), want: upstreamFailed})
		add("badcrc", fault{wish: fmt.Sprintf("badcrc=%d", k), want: upstreamFailed, wholeStream: a == chat && k >= frames-1}) // [DONE] has no brace
		// The last of Converse's frames are messageStop and metadata: without metadata only the bill is missing.
		add("end", fault{wish: fmt.Sprintf("end=%d", k), want: upstreamFailed, wholeStream: k >= frames || a == converse && k >= frames-1})
	}
	add("empty", fault{wish: "empty", want: upstreamFailed})
	for key, wish := range harmless {
		covered[key] = true
		if wish != "" {
			list = append(list, fault{wish: wish, whole: true})
		}
	}
	slices.SortFunc(list, func(a, b fault) int { return cmp.Compare(a.wish, b.wish) })
	return list, covered
}

// matrixModels are three families, of which Llama's tools do not stream, the two of OpenAI's APIs on bedrock-mantle, and
// Claude's own body in both places.
var matrixModels = []struct {
	name, id string
	api      api
}{
	{"claude", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", converse},
	{"nova", "us.amazon.nova-lite-v1:0", converse},
	{"llama", "us.meta.llama3-3-70b-instruct-v1:0", converse},
	{"mantle-qwen", "qwen.qwen3-32b", chat},
	{"mantle-gpt", "openai.gpt-5.4-2026-03-05", responses},
	{"invoke-claude", "us.anthropic.claude-sonnet-4-5-20250929-v1:0 invoke", invoke},
	{"mantle-claude", "anthropic.claude-haiku-4-5", messages},
}

// asked is what the client wants to get: the words that the sandbox is to say, and the reply they make.
type asked struct {
	name, wish, extra string
	finish            string
}

var matrixAsks = []asked{
	{name: "text", wish: `text="one two three"`, finish: "stop"},
	{name: "thinking", wish: `text="one two three"`, finish: "stop", extra: `,"reasoning_effort":"low"`},
	{name: "tools", wish: "tool=get_weather", finish: "tool_calls", extra: `,"tools":[{"type":"function","function":{"name":"get_weather",` +
		`"parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]`},
}

// body is a request of the client. Its conversation is called by a number of the test's own, for throttles count by it.
func (a asked) body(t *testing.T, wish string, stream bool) string {
	text, err := json.Marshal(fmt.Sprintf("Case %08x", crc32.ChecksumIEEE([]byte(t.Name()))) + ". What is the weather in Paris? [[sandbox " + a.wish + " " + wish + "]]")
	if err != nil {
		panic(err) // a string is JSON
	}
	return fmt.Sprintf(`{"model":"model","stream":%t,"max_tokens":4000,"messages":[{"role":"user","content":%s}]%s}`, stream, text, a.extra)
}

// TestFaultMatrix: whatever breaks, in whatever way it was asked, the client is told, and told right.
func TestFaultMatrix(t *testing.T) {
	aws := matrixSandbox(t)
	for _, model := range matrixModels {
		for _, ask := range matrixAsks {
			for _, stream := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/stream=%t", model.name, ask.name, stream), func(t *testing.T) {
					var healthy answered
					synctest.Test(t, func(t *testing.T) {
						healthy = newRig(t, aws, setting{model: model.id}).ask(t.Context(), ask.body(t, "", stream))
					})
					if healthy.err != nil || healthy.finish != ask.finish || !healthy.ended || healthy.text+healthy.calls == "" {
						t.Fatalf("without a fault: %+v", healthy)
					}
					list, _ := model.api.faults(max(healthy.frames, 6), stream)
					for _, f := range list {
						t.Run(f.wish, func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) {
								rig := newRig(t, aws, setting{model: model.id})
								got := rig.ask(t.Context(), ask.body(t, f.wish, stream))
								whole := f.whole || f.wholeStream && healthy.frames > 0
								checkFault(t, got, healthy, f.want, whole)
								rig.checkBaseline(t)
							})
						})
					}
				})
			}
		}
	}
}

// TestFaultMatrixIsComplete: a directive or a refusal that docs/sandbox.md adds has its row in the
// matrix, and nothing is there that it does not have.
func TestFaultMatrixIsComplete(t *testing.T) {
	doc, err := os.ReadFile("../../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	directives, refusals, _ := strings.Cut(string(doc), "\n## Refusals\n")
	_, directives, _ = strings.Cut(directives, "\n## Directives")
	refusals, _, _ = strings.Cut(refusals, "\n## ")
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)[=`]").FindAllStringSubmatch(directives, -1) {
		documented[m[1]] = true
	}
	delete(documented, "whoami") // no fault: it tells whose credentials came
	delete(documented, "route")  // nor this: it says whose permission a profile needs
	_, covered := converse.faults(6, true)
	checkSameKeys(t, "directive", documented, covered)
	documented, covered = map[string]bool{}, map[string]bool{}
	for row := range strings.Lines(refusals) {
		for _, m := range regexp.MustCompile("`([a-z0-9-]+)`").FindAllStringSubmatch(strings.Split(row+"||", "|")[1], -1) {
			documented[m[1]] = true
		}
	}
	for name := range refusalsOf {
		covered[name] = true
	}
	checkSameKeys(t, "refusal", documented, covered)
}

func checkSameKeys(t *testing.T, what string, documented, covered map[string]bool) {
	t.Helper()
	if len(documented) < 10 {
		t.Errorf("docs/sandbox.md has %d %ss: are its tables read right?", len(documented), what)
	}
	for key := range documented {
		if !covered[key] {
			t.Errorf("the %s %s is documented and not in the matrix", what, key)
		}
	}
	for key := range covered {
		if !documented[key] {
			t.Errorf("the %s %s is in the matrix and not documented", what, key)
		}
	}
}

// checkFault compares what the client got with the error it must see, or with the reply of the same
// question without the fault.
func checkFault(t *testing.T, got, healthy answered, want failure, whole bool) {
	t.Helper()
	if whole {
		if got.err != nil || got.text != healthy.text || got.calls != healthy.calls || got.finish != healthy.finish || got.ended != healthy.ended {
			t.Errorf("nothing is missing, and the client got %+v", got)
		}
		return
	}
	if got.err == nil || got.ended || got.finish != "" {
		t.Fatalf("the reply looks whole, want the error %+v: %+v", want, got)
	}
	if got.status == http.StatusOK {
		want.status = http.StatusOK // the error came as an event
	}
	if seen := (failure{got.status, got.err.Type, got.err.Code}); seen != want {
		t.Errorf("got %+v %q, want %+v", seen, got.err.Message, want)
	}
	if strings.TrimSpace(got.err.Message) == "" || regexp.MustCompile(`arn:|\d{12}|AKID|hunter2|user/`).MatchString(got.err.Message) {
		t.Errorf("no message for a client: %q", got.err.Message)
	}
	if got.status == http.StatusTooManyRequests && got.retryAfter == "" {
		t.Error("no Retry-After")
	}
}

// TestFaultsAndAClientThatLeaves: the sandbox is at work, in silence or slowly, and the client goes.
func TestFaultsAndAClientThatLeaves(t *testing.T) {
	aws := matrixSandbox(t)
	for _, model := range matrixModels {
		for _, ask := range matrixAsks {
			for _, stream := range []bool{false, true} {
				for _, wish := range []string{"start=10m", "drip=3s", "think=9m", "start=6s cut=1", "drip=2s badcrc=3", "start=10m error=ThrottlingException"} {
					t.Run(fmt.Sprintf("%s/%s/stream=%t/%s", model.name, ask.name, stream, wish), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							rig := newRig(t, aws, setting{model: model.id})
							ctx, leave := context.WithTimeout(t.Context(), 5*time.Second)
							defer leave()
							if got := rig.ask(ctx, ask.body(t, wish, stream)); got.ended || !errors.Is(got.broken, context.DeadlineExceeded) {
								t.Errorf("the client has not left: %+v", got)
							}
							synctest.Wait()
							if n := rig.open.Load(); n != 0 {
								t.Errorf("%d upstream connections are open after the client has left", n)
							}
							rig.checkBaseline(t)
						})
					})
				}
			}
		}
	}
}

// TestThrottlingPasses: a call that was throttled works when it is made again.
func TestThrottlingPasses(t *testing.T) {
	for _, stream := range []bool{false, true} {
		aws := matrixSandbox(t) // one that has throttled nobody yet
		synctest.Test(t, func(t *testing.T) {
			rig := newRig(t, aws, setting{model: matrixModels[0].id})
			body := matrixAsks[0].body(t, "throttle=2", stream)
			for i, want := range []int{http.StatusTooManyRequests, http.StatusTooManyRequests, http.StatusOK} {
				if got := rig.ask(t.Context(), body); got.status != want {
					t.Errorf("stream=%t, call %d: %+v, want status %d", stream, i, got, want)
				}
			}
			rig.checkBaseline(t)
		})
	}
}

// TestFaultsAndTimeouts: a model that is silent or slow for longer than its deployment allows is given up,
// the client is told why, and nothing goes on behind.
func TestFaultsAndTimeouts(t *testing.T) {
	aws := matrixSandbox(t)
	for _, model := range matrixModels {
		if model.api == responses || model.api == invoke || model.api == messages {
			continue // they say much before their first word
		}
		for _, stream := range []bool{false, true} {
			late := []struct{ wish, says string }{{"start=4m", "total"}, {"think=4m", "total"}, {"drip=150s", "total"}, {"drip=50s", "total"}}
			if stream { // nobody waits for the first word of a reply that comes whole
				late[0].says, late[1].says, late[2].says = "first-token", "token", "token"
			}
			for _, late := range late {
				t.Run(fmt.Sprintf("%s/stream=%t/%s", model.name, stream, late.wish), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := setting{model: model.id}
						s.Timeouts.FirstToken, s.Timeouts.InterToken, s.Timeouts.Total = "2m", "2m", "3m"
						rig := newRig(t, aws, s)
						got := rig.ask(t.Context(), matrixAsks[0].body(t, late.wish, stream))
						checkFault(t, got, answered{}, timedOut, false)
						if got.err != nil && !strings.Contains(got.err.Message, late.says) {
							t.Errorf("%q does not name the timeout %q", got.err.Message, late.says)
						}
						rig.checkBaseline(t)
					})
				})
			}
		}
	}
}
