package bedrock

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/memnet"
	"outcrop/internal/models"
	"outcrop/internal/sandbox"
	"outcrop/internal/secret"
)

// stand is AWS in a test's bubble: STS, Pod Identity's agent and Bedrock, with what each was asked.
type stand struct {
	sandbox http.Handler

	mu sync.Mutex
	// sts are the forms that STS was sent, pod the tokens that the agent was shown; calls counts Bedrock's.
	sts   []url.Values
	pod   []string
	calls int
	// refuse answers a call of Bedrock in its place, deny one of STS; nil for not at all.
	refuse func(*http.Request) (code string)
	deny   string // XML of STS's error
}

func newStand(t *testing.T) (*stand, *Process) {
	t.Helper()
	handler, err := sandbox.New(sandbox.Options{Credentials: []sandbox.Credential{
		{AccessKeyID: "UPKEY", SecretAccessKey: "up-secret"}, {AccessKeyID: "UPTEMP", SecretAccessKey: "up-secret", SessionToken: "tok"},
		{AccessKeyID: "PODKEY1", SecretAccessKey: "pod-secret", SessionToken: "tok"}, {AccessKeyID: "PODKEY2", SecretAccessKey: "pod-secret", SessionToken: "tok"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s := &stand{sandbox: handler}
	transport := memnet.Serve(t, s)
	transports := newTransports()
	transports.make = func(route) (http.RoundTripper, error) { return transport, nil }
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := load(t.Context(), environment("AWS_REGION=us-east-1"), catalogue, transports)
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

func (s *stand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has left
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	refusal := ""
	s.mu.Lock()
	switch r.Host {
	case "sts":
		form, _ := url.ParseQuery(string(body))
		s.sts = append(s.sts, form)
	case "127.0.0.1":
		s.pod = append(s.pod, r.Header.Get("Authorization"))
	default:
		s.calls++
		if s.refuse != nil {
			refusal = s.refuse(r)
		}
	}
	deny, pods := s.deny, len(s.pod)
	s.mu.Unlock()
	switch {
	case r.Host == "127.0.0.1":
		printTo(w, `{"AccessKeyId": "PODKEY%d", "SecretAccessKey": "pod-secret", "Token": "tok", "Expiration": %q}`, pods, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	case r.Host == "sts" && deny != "":
		w.WriteHeader(http.StatusForbidden)
		printTo(w, "%s", deny)
	case refusal != "":
		w.Header().Set("X-Amzn-Errortype", refusal)
		w.WriteHeader(http.StatusForbidden)
		printTo(w, "%s", `{"message":"no"}`)
	default:
		s.sandbox.ServeHTTP(w, r)
	}
}

func (s *stand) set(refuse func(*http.Request) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

// seen is how often STS, the agent and Bedrock were asked.
func (s *stand) seen() [3]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return [3]int{len(s.sts), len(s.pod), s.calls}
}

// chatter is a model behind the settings, which are completed with the stand's addresses.
func chatter(t *testing.T, p *Process, s Settings) *Model {
	t.Helper()
	s.Endpoint, s.STSEndpoint = "http://bedrock", "http://sts"
	if !s.APIKey.IsZero() || s.APIKeyFile != "" {
		s.Endpoint = "http://localhost"
	}
	client, err := p.Client(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	model, err := client.Model(novaLite, ModelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return model
}

// say gets an answer, and how long that took.
func say(t *testing.T, m *Model, text string) (string, time.Duration, error) {
	t.Helper()
	began := time.Now()
	reply, err := llm.CollectOne(m.Chat(t.Context(), &llm.ChatRequest{Messages: ask(text), Whole: true}))
	if err != nil {
		return "", time.Since(began), err
	}
	return reply.Text, time.Since(began), nil
}

func upKeys() Settings {
	return Settings{AccessKeyID: "UPKEY", SecretAccessKey: secret.New("up-secret")}
}

func role(s Settings) Settings {
	s.AssumeRoleARN = roleOne
	return s
}

// burst sends 1,000 requests at once.
func burst(t *testing.T, m *Model) {
	t.Helper()
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			if _, _, err := say(t, m, "[[sandbox text=Yes]]"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestABurstOnExpiredCredentials: a thousand requests that find the credentials expired cost one call of
// STS.
func TestABurstOnExpiredCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newStand(t)
		m := chatter(t, p, role(upKeys()))
		if _, _, err := say(t, m, "Hi"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(61 * time.Minute)
		burst(t, m)
		if got := s.seen(); got != [3]int{2, 0, 1001} {
			t.Errorf("STS, the agent and Bedrock were asked %v times", got)
		}
	})
}

// TestABurstOnRevokedCredentials: AWS calls credentials expired that should be good for long, as after a
// revocation or with a wrong clock. A thousand requests cost one call of STS and are repeated once.
func TestABurstOnRevokedCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newStand(t)
		m := chatter(t, p, role(upKeys()))
		if _, _, err := say(t, m, "Hi"); err != nil {
			t.Fatal(err)
		}
		revoked := m.client.wallet.current.Load().AccessKeyID
		s.set(func(r *http.Request) string {
			if strings.Contains(r.Header.Get("Authorization"), revoked) {
				return "ExpiredTokenException:http://internal.amazon.com/"
			}
			return ""
		})
		burst(t, m)
		if got := s.seen(); got[0] != 2 || got[2] > 2001 {
			t.Errorf("STS, the agent and Bedrock were asked %v times", got)
		}
	})
}

// TestARefusalIsNotRepeatedInVain: what has no newer credentials is asked once.
func TestARefusalIsNotRepeatedInVain(t *testing.T) {
	for name, tt := range map[string]struct {
		settings Settings
		code     string
		want     [3]int
		text     string
	}{
		"temporary static keys": {Settings{AccessKeyID: "UPTEMP", SecretAccessKey: secret.New("up-secret"), SessionToken: secret.New("tok")}, "ExpiredTokenException", [3]int{0, 0, 1}, textCredentials},
		"an API key":            {Settings{APIKey: secret.New("sandbox")}, "AccessDeniedException", [3]int{0, 0, 1}, ""},
		"always expired":        {role(upKeys()), "ExpiredTokenException", [3]int{2, 0, 2}, textCredentials},
		"another refusal":       {role(upKeys()), "AccessDeniedException", [3]int{1, 0, 1}, textForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, p := newStand(t)
				s.set(func(*http.Request) string { return tt.code })
				_, _, err := say(t, chatter(t, p, tt.settings), "Hi")
				if err == nil || tt.text != "" && llm.AsError(err).Message != tt.text {
					t.Errorf("got %v", err)
				}
				if got := s.seen(); got != tt.want {
					t.Errorf("STS, the agent and Bedrock were asked %v times, want %v", got, tt.want)
				}
			})
		})
	}
}

// TestSourcesAreRenewedAhead: whatever expires is renewed beside the requests, files are read again.
func TestSourcesAreRenewedAhead(t *testing.T) {
	for name, tt := range map[string]struct {
		settings func(file string) Settings
		want     [3]int
		token    func(*stand) []string // what was read of the file
	}{
		"role":  {func(string) Settings { return role(upKeys()) }, [3]int{2, 0, 3}, nil},
		"chain": {func(string) Settings { s := role(upKeys()); s.RoleChain = []string{roleTwo}; return s }, [3]int{4, 0, 3}, nil},
		"web identity": {func(file string) Settings { return role(Settings{WebIdentityTokenFile: file}) }, [3]int{2, 0, 3}, func(s *stand) (out []string) {
			for _, form := range s.sts {
				out = append(out, form.Get("WebIdentityToken"))
			}
			return out
		}},
		"container": {func(file string) Settings {
			return Settings{ContainerCredentialsURI: "http://127.0.0.1/pod", ContainerTokenFile: file}
		}, [3]int{0, 2, 3}, func(s *stand) []string { return s.pod }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, p := newStand(t)
				first := webToken(t)
				file := write(t, "token", first)
				m := chatter(t, p, tt.settings(file))
				second := ""
				for i, wait := range []time.Duration{0, time.Hour - refreshAhead + time.Minute, refreshAhead} {
					time.Sleep(wait)
					if i == 1 {
						second = webToken(t)
						if err := os.WriteFile(file, []byte(second), 0o600); err != nil {
							t.Fatal(err)
						}
					}
					if _, waited, err := say(t, m, "[[sandbox text=Yes]]"); err != nil || waited != 0 {
						t.Errorf("request %d: waited %v, %v", i+1, waited, err)
					}
					synctest.Wait()
				}
				if got := s.seen(); got != tt.want {
					t.Errorf("STS, the agent and Bedrock were asked %v times, want %v", got, tt.want)
				}
				if tt.token == nil {
					return
				}
				if got := tt.token(s); len(got) != 2 || got[0] != first || got[1] != second || first == second {
					t.Errorf("the file was shown as %q", got)
				}
			})
		})
	}
}

// TestARoleIsAskedForAsConfigured: as STS was asked, and as the session that Bedrock sees.
func TestARoleIsAskedForAsConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newStand(t)
		settings := upKeys()
		settings.RoleChain, settings.AssumeRoleARN = []string{roleOne}, roleTwo
		settings.ExternalID, settings.RoleSessionName, settings.Duration = "ex-1", "Project_a", 30*time.Minute
		settings.Tags = []Tag{{"project", "a b"}, {"user", "x@example.com"}}
		got, _, err := say(t, chatter(t, p, settings), "[[sandbox whoami]]")
		want := "arn:aws:sts::123456789012:assumed-role/Two/Project_a\nexternal id ex-1\nsession of 30m0s\ntag project=a b\ntag user=x@example.com"
		if err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
		if len(s.sts) != 2 {
			t.Fatalf("STS was asked %d times", len(s.sts))
		}
		first := s.sts[0]
		if first.Get("RoleArn") != roleOne || first.Get("ExternalId") != "" || first.Has("Tags.member.1.Key") || first.Get("RoleSessionName") != "Project_a" || first.Get("DurationSeconds") != "3600" {
			t.Errorf("the first role was asked for with %v", first)
		}
		if s.sts[1].Has("TransitiveTagKeys.member.1") {
			t.Error("tags are transitive")
		}
	})
}

// TestADeniedRole: the client reads what to do and no account, the log what AWS said; STS is asked once.
func TestADeniedRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newStand(t)
		s.deny = `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: arn:aws:iam::000000000000:user/up is not authorized to perform: sts:AssumeRole on resource: ` + roleOne + "\nhush</Message></Error></ErrorResponse>"
		m := chatter(t, p, role(upKeys()))
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, _, err := say(t, m, "Hi")
				e := llm.AsError(err)
				if e.Kind != llm.KindUpstream || e.Message != textRefused("AccessDenied") || strings.Contains(e.Message, "arn:") {
					t.Errorf("the client reads %q", e.Message)
				}
				if log := e.Err.Error(); !strings.Contains(log, "AccessDenied: User: arn:aws:iam::000000000000:user/up is not authorized") || strings.Contains(log, "hush") {
					t.Errorf("the log reads %q", log)
				}
			})
		}
		wg.Wait()
		if got := s.seen(); got != [3]int{1, 0, 0} {
			t.Errorf("STS, the agent and Bedrock were asked %v times", got)
		}
	})
}

// TestAReplacedAPIKey: a key in a file is read again, at the latest when AWS refuses the old one.
func TestAReplacedAPIKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newStand(t)
		file := write(t, "key", "first\n")
		valid := "first"
		s.set(func(r *http.Request) string {
			if r.Header.Get("Authorization") != "Bearer "+valid {
				return "AccessDeniedException"
			}
			r.Header.Set("Authorization", "Bearer sandbox")
			return ""
		})
		m := chatter(t, p, Settings{APIKeyFile: file})
		replace := func(key string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			valid = key
			if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, step := range []struct {
			name  string
			do    func()
			calls int
		}{
			{"first", func() {}, 1},
			{"replaced, and refused at once", func() { replace("second") }, 3},
			{"replaced, and read in time", func() { replace("third"); time.Sleep(keyAge) }, 4},
			{"gone for a moment", func() { remove(t, file); time.Sleep(keyAge) }, 5},
		} {
			step.do()
			if _, _, err := say(t, m, "Hi"); err != nil {
				t.Errorf("%s: %v", step.name, err)
			}
			if got := s.seen()[2]; got != step.calls {
				t.Errorf("%s: %d calls so far, want %d", step.name, got, step.calls)
			}
		}
	})
}

func remove(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Error(err)
	}
}
