package fetch_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/fetch"
)

// loopback lets the tests' own servers be called.
func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

func serve(t *testing.T, h http.HandlerFunc) (base string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// say writes to a client that may have left.
func say(w io.Writer, text string) { _, _ = io.WriteString(w, text) }

func mustFail(t *testing.T, f *fetch.Fetcher, link string, reason fetch.Reason, text string) {
	t.Helper()
	_, err := f.Get(t.Context(), link, nil)
	e, ok := errors.AsType[*fetch.Error](err)
	if !ok || e.Reason != reason || !strings.Contains(e.Message, text) {
		t.Errorf("%s: %v", link, err)
		return
	}
	for _, secret := range []string{"127.0.0.1", "10.0.0.", "hunter2"} {
		if strings.Contains(e.Message, secret) || secret == "hunter2" && strings.Contains(err.Error(), secret) {
			t.Errorf("the error tells %s: %v", secret, err)
		}
	}
}

func TestGet(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cat.png":
			w.Header().Set("Content-Type", "image/png; charset=binary")
			say(w, strings.Repeat("x", 5000))
		case "/named":
			w.Header().Set("Content-Disposition", `attachment; filename="../a/report.pdf"`)
			w.Header().Set("Content-Type", ";;")
			say(w, r.Header.Get("Accept-Encoding")+r.Header.Get("Api-Key"))
		case "/moved":
			http.Redirect(w, r, "/cat.png", http.StatusFound)
		}
	})
	f := fetch.New(fetch.Options{Allow: loopback()})
	for _, link := range []string{"/cat.png", "/moved?x"} {
		file, err := f.Get(t.Context(), base+link, nil)
		if err != nil || len(file.Bytes) != 5000 || file.MIME != "image/png" || file.Name != "cat.png" {
			t.Errorf("%s: %d bytes, %q %q, %v", link, len(file.Bytes), file.MIME, file.Name, err)
		}
	}
	file, err := f.Get(t.Context(), base+"/named", http.Header{"Api-Key": {"hunter2"}})
	if err != nil || string(file.Bytes) != "identity" || file.MIME != "" || file.Name != "report.pdf" {
		t.Errorf("%q, %q %q, %v", file.Bytes, file.MIME, file.Name, err)
	}
}

func TestWhatIsNotFetched(t *testing.T) {
	var calls atomic.Int32
	base := serve(t, func(http.ResponseWriter, *http.Request) { calls.Add(1) })
	f := fetch.New(fetch.Options{})
	mustFail(t, f, base+"/?token=hunter2", fetch.Refused, "no public address")
	for link, text := range map[string]string{
		"http://169.254.169.254/latest/meta-data/": "no public address",
		"http://[::ffff:127.0.0.1]:1234/":          "no public address",
		"http://[fd00:ec2::254]/":                  "no public address",
		"http://0/":                                "no public address",
		"http://localhost:1/":                      "no public address",
		"http://name.invalid/":                     "no public address",
		"http://8.8.8.8:25/":                       "port is reserved",
		"http://8.8.8.8:0/":                        "port is reserved",
		"ftp://example.com/":                       "http and https",
		"file:///etc/passwd":                       "http and https",
		"gopher://10.0.0.1":                        "http and https",
		"http:///nowhere":                          "no host",
		"http://user:hunter2@example.com":          "user name",
		"http://exa mple.com/hunter2":              "not valid",
		"http://127.0.0.1:99999/":                  "",
		"files/bucket/a.png":                       "no file storage",
		"/etc/passwd":                              "no file storage",
		"":                                         "no file storage",
		"//10.0.0.1/":                              "http and https",
	} {
		_, err := f.Get(t.Context(), link, nil)
		e, ok := errors.AsType[*fetch.Error](err)
		if !ok || !strings.Contains(e.Message, text) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", link, err)
		}
	}
	if calls.Load() != 0 {
		t.Error("a private server was called")
	}
}

// TestPorts: the reserved ones of other protocols are for the operator's own networks only, and an
// address that may not be called there does not keep the next one from being called.
func TestPorts(t *testing.T) {
	var dialled []string
	f := fetch.New(fetch.Options{
		Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
		Resolve: func(context.Context, string, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("93.184.216.34"), netip.MustParseAddr("10.1.2.3")}, nil
		},
		Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			dialled = append(dialled, address)
			return nil, &net.OpError{Op: "dial", Err: errors.New("nobody")}
		},
	})
	for link, want := range map[string][]string{
		"http://name.example/":        {"93.184.216.34:80", "10.1.2.3:80"},
		"https://name.example/":       {"93.184.216.34:443", "10.1.2.3:443"},
		"https://name.example:1024/":  {"93.184.216.34:1024", "10.1.2.3:1024"},
		"https://name.example:8443/":  {"93.184.216.34:8443", "10.1.2.3:8443"},
		"https://name.example:1023/":  {"10.1.2.3:1023"},
		"https://name.example:444/":   {"10.1.2.3:444"},
		"http://93.184.216.34:81/":    nil,
		"http://93.184.216.34:443/":   {"93.184.216.34:443"},
		"http://10.1.2.3:22/":         {"10.1.2.3:22"},
		"http://[::ffff:10.1.2.3]:9/": {"10.1.2.3:9"},
	} {
		dialled = nil
		if _, err := f.Get(t.Context(), link, nil); err == nil || !slices.Equal(dialled, want) {
			t.Errorf("%s: dialled %q, want %q (%v)", link, dialled, want, err)
		}
	}
}

// TestANameThatChangesItsMind: what was checked is what is dialled, and where a redirect leads is
// checked like the first URL.
func TestANameThatChangesItsMind(t *testing.T) {
	private := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the private server was called") })
	port := private[strings.LastIndex(private, ":")+1:]
	answers := []string{"93.184.216.34", "127.0.0.1"}
	asked := 0
	var dialled []string
	f := fetch.New(fetch.Options{
		Resolve: func(context.Context, string, string) ([]netip.Addr, error) {
			asked++
			return []netip.Addr{netip.MustParseAddr(answers[min(asked, len(answers))-1])}, nil
		},
		Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			dialled = append(dialled, address)
			return nil, &net.OpError{Op: "dial", Err: errors.New("refused by 10.0.0.1")}
		},
	})
	mustFail(t, f, "http://rebind.example:"+port+"/", fetch.Failed, "could not be reached")
	mustFail(t, f, "http://rebind.example:"+port+"/", fetch.Refused, "no public address")
	if len(dialled) != 1 || dialled[0] != "93.184.216.34:"+port {
		t.Errorf("dialled %q", dialled)
	}

	// The system's dialer looks at the address of the socket itself.
	f = fetch.New(fetch.Options{Resolve: func(context.Context, string, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("::1")}, nil
	}})
	mustFail(t, f, "http://both.example:"+port+"/", fetch.Refused, "no public address")
}

func TestRedirects(t *testing.T) {
	private := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the private server was called") })
	private = strings.Replace(private, "127.0.0.1", "127.0.0.2", 1)
	var calls atomic.Int32
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		switch r.URL.Path {
		case "/private":
			http.Redirect(w, r, private, http.StatusMovedPermanently)
		case "/file":
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(http.StatusFound)
		case "/nowhere":
			w.WriteHeader(http.StatusFound)
		case "/not-modified":
			w.WriteHeader(http.StatusNotModified)
		default:
			http.Redirect(w, r, r.URL.Path+"x", http.StatusTemporaryRedirect)
		}
	})
	f := fetch.New(fetch.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	mustFail(t, f, base+"/private", fetch.Refused, "no public address")
	mustFail(t, f, base+"/file", fetch.Refused, "http and https")
	mustFail(t, f, base+"/nowhere", fetch.Failed, "redirects to nowhere")
	mustFail(t, f, base+"/not-modified", fetch.Failed, "status 304")
	calls.Store(0)
	mustFail(t, f, base+"/loop", fetch.Refused, "more than 5 times")
	if calls.Load() != 6 {
		t.Errorf("%d calls", calls.Load())
	}
}

// TestCredentialsGoHomeOnly: not to a port, a scheme or a name that only looks like the storage's,
// and to nobody whom a redirect names.
func TestCredentialsGoHomeOnly(t *testing.T) {
	var other string
	echo := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/files/out":
			http.Redirect(w, r, other+"/landed", http.StatusFound)
		case "/v1/files/on":
			http.Redirect(w, r, "/v1/files/landed", http.StatusFound)
		case "/v1/files/leave":
			http.Redirect(w, r, "/admin", http.StatusFound)
		case "/back":
			http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
		default:
			say(w, r.URL.Path+" key="+r.Header.Get("Api-Key"))
		}
	}
	home := serve(t, echo)
	other = serve(t, echo)
	origin, err := url.Parse(home)
	if err != nil {
		t.Fatal(err)
	}
	key := http.Header{"Api-Key": {"k"}}
	closed := fetch.New(fetch.Options{Origin: origin})
	open := fetch.New(fetch.Options{Origin: origin, Allow: loopback()})
	for _, tt := range []struct {
		f          *fetch.Fetcher
		link, want string
	}{
		{closed, "files/bucket/a%20b.png", "/v1/files/bucket/a b.png key=k"},
		{closed, home + "/v1/files/a", "/v1/files/a key=k"},
		{closed, "files/on", "/v1/files/landed key=k"},
		{open, other + "/x", "/x key="},
		{open, strings.Replace(home, "127.0.0.1", "127.0.0.2", 1) + "/x", ""},
		{open, "files/out", "/landed key="},
		{open, other + "/back?to=" + url.QueryEscape(home+"/v1/files/a"), "/v1/files/a key="},
		{closed, "files/out", ""},
		{closed, home + "/admin", ""},
		{closed, home + "/v1/../admin", ""},
		{open, home + "/v1/files/..%2f..%2fadmin", "/v1/files/../../admin key="},
		{open, home + "/admin", "/admin key="},
		{closed, "files/leave", ""},
		{closed, "../admin", ""},
		{closed, "files/../../admin", ""},
		{closed, "files/%2e%2e/%2e%2e/admin", ""},
		{closed, strings.Replace(home, "http:", "https:", 1) + "/x", ""},
	} {
		file, err := tt.f.Get(t.Context(), tt.link, key)
		if string(file.Bytes) != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%s: %q, %v", tt.link, file.Bytes, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestBounds(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/announced":
			w.Header().Set("Content-Length", "1048577")
			_, _ = io.CopyN(w, zeros{}, 1<<20+1) // the client leaves
		case "/exact":
			_, _ = io.CopyN(w, zeros{}, 1<<20)
		case "/endless":
			_, _ = io.Copy(w, zeros{})
		case "/compressed":
			w.Header().Set("Content-Encoding", "gzip")
			say(w, "x")
		case "/gone":
			http.Error(w, "hunter2", http.StatusGone)
		case "/cut":
			w.Header().Set("Content-Length", "100")
			say(w, "half")
		case "/headers":
			w.Header().Set("X-Long", strings.Repeat("x", 100<<10))
		}
	})
	f := fetch.New(fetch.Options{Allow: loopback(), MaxBytes: 1 << 20})
	mustFail(t, f, base+"/announced", fetch.TooLarge, "1 MiB")
	mustFail(t, f, base+"/endless", fetch.TooLarge, "1 MiB")
	mustFail(t, f, base+"/compressed", fetch.Failed, "compressed")
	mustFail(t, f, base+"/gone", fetch.Failed, "status 410")
	mustFail(t, f, base+"/cut", fetch.Failed, "broke off")
	mustFail(t, f, base+"/headers", fetch.Failed, "broke off")
	if file, err := f.Get(t.Context(), base+"/exact", nil); err != nil || len(file.Bytes) != 1<<20 {
		t.Errorf("%d bytes, %v", len(file.Bytes), err)
	}
	if file, err := f.Get(t.Context(), base+"/", nil); err != nil || len(file.Bytes) != 0 || file.Name != "" {
		t.Errorf("%+v, %v", file, err)
	}
}

// silent is a network in which a host accepts and says nothing, or a little each second.
func silent(tick time.Duration) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		asked, gone := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(gone)
			_, _ = server.Read(make([]byte, 4096)) // the whole request: a pipe has no pieces
			close(asked)
			_, _ = io.Copy(io.Discard, server) // until the client leaves
		}()
		go func() {
			defer func() { _ = server.Close() }()
			if tick == 0 {
				<-gone
				return
			}
			<-asked
			_, err := io.WriteString(server, "HTTP/1.1 200 OK\r\n\r\n")
			for ; err == nil; _, err = io.WriteString(server, "x") {
				select {
				case <-time.After(tick):
				case <-gone:
				}
			}
		}()
		return client, nil
	}
}

func TestTime(t *testing.T) {
	for name, tick := range map[string]time.Duration{"silent": 0, "slow": time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := fetch.New(fetch.Options{Timeout: 10 * time.Second, Dial: silent(tick)})
				began := time.Now()
				mustFail(t, f, "http://8.8.8.8/", fetch.TimedOut, "in time")
				if d := time.Since(began); d != 10*time.Second {
					t.Errorf("after %v", d)
				}
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(3*time.Second, cancel)
				_, err := f.Get(ctx, "http://8.8.8.8/", nil)
				if e, ok := errors.AsType[*fetch.Error](err); !ok || e.Reason != fetch.Canceled || !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
				synctest.Wait()
			})
		})
	}
}

// TestADeadAddressIsNotTheLast: of several addresses the first that answers is taken.
func TestADeadAddressIsNotTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		talk := silent(time.Second)
		f := fetch.New(fetch.Options{
			Timeout: 10 * time.Second,
			Resolve: func(context.Context, string, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("2600::1"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("8.8.8.8")}, nil
			},
			Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				switch address {
				case "[2600::1]:80":
					<-ctx.Done()
					return nil, ctx.Err()
				case "8.8.8.8:80":
					return talk(ctx, network, address)
				}
				t.Errorf("dialled %s", address)
				return nil, io.EOF
			},
		})
		mustFail(t, f, "http://two.example/", fetch.TimedOut, "in time")
	})
}
