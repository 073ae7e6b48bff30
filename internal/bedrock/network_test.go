package bedrock

import (
	"context"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"outcrop/internal/h1"
	"outcrop/internal/llm"
	"outcrop/internal/models"
	"outcrop/internal/sandbox"
	"outcrop/internal/secret"
)

// office is a company's network: AWS is behind TLS with a private CA, and behind a proxy.
type office struct {
	aws   *httptest.Server
	proxy *httptest.Server
	ca    string // file

	mu        sync.Mutex
	connects  []string // hosts that the proxy was asked for, with the login it was shown
	protos    []string // of the calls that AWS saw
	refuse    bool     // the proxy refuses
	connected sync.WaitGroup
}

func newOffice(t *testing.T) *office {
	t.Helper()
	stand, err := sandbox.New(sandbox.Options{Credentials: []sandbox.Credential{{AccessKeyID: "UPKEY", SecretAccessKey: "up-secret"}}})
	if err != nil {
		t.Fatal(err)
	}
	o := &office{}
	o.aws = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		o.protos = append(o.protos, r.Proto)
		o.mu.Unlock()
		stand.ServeHTTP(w, r)
	}))
	o.aws.EnableHTTP2 = true
	o.aws.StartTLS()
	t.Cleanup(o.aws.Close)
	o.proxy = httptest.NewServer(http.HandlerFunc(o.connect))
	t.Cleanup(o.connected.Wait)
	t.Cleanup(o.proxy.Close)
	o.ca = write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.aws.Certificate().Raw})))
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, "/nonexistent")
	}
	return o
}

// connect is the proxy: whatever it is asked for, it connects to AWS.
func (o *office) connect(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.connects = append(o.connects, strings.TrimSpace(r.Host+" "+r.Header.Get("Proxy-Authorization")))
	refuse := o.refuse
	o.mu.Unlock()
	if refuse || r.Method != http.MethodConnect {
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	there, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", o.aws.Listener.Addr().String())
	if err != nil {
		http.Error(w, "no AWS", http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusOK)
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	o.connected.Go(func() {
		_, _ = io.Copy(here, there) // until one of the two ends it
		_ = here.Close()
	})
	o.connected.Go(func() {
		_, _ = io.Copy(there, buffered)
		_ = there.Close()
	})
}

func (o *office) asked() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.connects, ", ")
}

// call sends one request as an upstream with those settings, in that environment. Whatever is not asked
// through a proxy ends at AWS, whatever its name.
func (o *office) call(t *testing.T, env string, s Settings) error {
	t.Helper()
	transports := newTransports()
	transports.make = func(r route) (http.RoundTripper, error) {
		transport, err := r.transport()
		if err != nil {
			return nil, err
		}
		dial := transport.DialContext
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address != o.proxy.Listener.Addr().String() {
				address = o.aws.Listener.Addr().String()
			}
			return dial(ctx, network, address)
		}
		t.Cleanup(transport.CloseIdleConnections)
		if r.http2 {
			return transport, nil
		}
		own := h1.NewBeside(transport)
		t.Cleanup(own.CloseIdleConnections)
		return own, nil
	}
	catalogue, err := models.Load()
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := load(t.Context(), environment("AWS_REGION=us-east-1 "+env), catalogue, transports)
	if err != nil {
		return err
	}
	client, err := p.Client(s)
	if err != nil {
		return err
	}
	defer client.Close()
	model, err := client.Model(novaLite, ModelOptions{})
	if err != nil {
		return err
	}
	_, _, err = say(t, model, "Hi")
	return err
}

// TestProxies: a proxy of the process or of the upstream is asked, for STS too, and what is named in
// NO_PROXY is asked without it.
func TestProxies(t *testing.T) {
	const aws = "example.com"
	base := func(n Network) Settings {
		return Settings{Endpoint: "https://" + aws, STSEndpoint: "https://" + aws, AccessKeyID: "UPKEY", SecretAccessKey: secret.New("up-secret"), Network: n}
	}
	for _, tt := range []struct {
		name, env string
		settings  func(proxy string) Settings
		want      string
	}{
		{"no proxy", "", func(string) Settings { return base(Network{}) }, ""},
		{"of the process", "HTTPS_PROXY=PROXY", func(string) Settings { return base(Network{}) }, aws + ":443"},
		{"of the process, in small letters", "https_proxy=PROXY", func(string) Settings { return base(Network{}) }, aws + ":443"},
		{"of the process, for http only", "HTTP_PROXY=PROXY", func(string) Settings { return base(Network{}) }, ""},
		{"of the process, not for this host", "HTTPS_PROXY=PROXY NO_PROXY=.org,example.com", func(string) Settings { return base(Network{}) }, ""},
		{"of the upstream", "", func(proxy string) Settings { return base(Network{Proxy: proxy}) }, aws + ":443"},
		{"of the upstream, not for this host", "", func(proxy string) Settings { return base(Network{Proxy: proxy, NoProxy: "example.com"}) }, ""},
		{"of the process, not for this upstream", "HTTPS_PROXY=PROXY", func(string) Settings { return base(Network{Proxy: "none"}) }, ""},
		{"of the process, not for this upstream's host", "HTTPS_PROXY=PROXY", func(string) Settings { return base(Network{NoProxy: "example.com:443"}) }, ""},
		{"of the upstream, over the process's NO_PROXY", "NO_PROXY=example.com", func(proxy string) Settings { return base(Network{Proxy: proxy, NoProxy: "example.org"}) }, aws + ":443"},
		{"with a login", "", func(proxy string) Settings {
			return base(Network{Proxy: strings.Replace(proxy, "http://", "http://user:pass@", 1)})
		}, aws + ":443 Basic dXNlcjpwYXNz"},
		{"this machine", "HTTPS_PROXY=PROXY", func(string) Settings {
			s := base(Network{})
			s.Endpoint = "https://127.0.0.1"
			return s
		}, ""},
		{"a role", "HTTPS_PROXY=PROXY", func(string) Settings {
			s := role(base(Network{}))
			s.STSEndpoint = "https://example.com:8443"
			return s
		}, aws + ":8443, " + aws + ":443"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOffice(t)
			env := "AWS_CA_BUNDLE=" + o.ca + " " + strings.ReplaceAll(tt.env, "PROXY=PROXY", "PROXY="+o.proxy.URL)
			env = strings.ReplaceAll(env, "proxy=PROXY", "proxy="+o.proxy.URL)
			if err := o.call(t, env, tt.settings(o.proxy.URL)); err != nil {
				t.Fatal(err, llm.AsError(err).Err)
			}
			if got := o.asked(); got != tt.want {
				t.Errorf("the proxy was asked for %q, want %q", got, tt.want)
			}
		})
	}
}

// TestAProxyThatRefuses is named in the log, without its password.
func TestAProxyThatRefuses(t *testing.T) {
	o := newOffice(t)
	o.refuse = true
	proxy := strings.Replace(o.proxy.URL, "http://", "http://user:hunter2@", 1)
	err := o.call(t, "", Settings{Endpoint: "https://example.com", AccessKeyID: "UPKEY", SecretAccessKey: secret.New("up-secret"), Network: Network{Proxy: proxy, CABundle: o.ca}})
	e := llm.AsError(err)
	if e.Message != textUnreachable || e.Err == nil {
		t.Fatalf("got %v", err)
	}
	if log := e.Err.Error(); !strings.Contains(log, "the proxy "+o.proxy.Listener.Addr().String()+" does not connect to example.com:443: 403 Forbidden") || strings.Contains(log, "hunter2") {
		t.Errorf("the log reads %q", log)
	}
}

// TestPrivateCA: certificates of the process or of the upstream are trusted, and a wrong one is told
// apart from a network that fails.
func TestPrivateCA(t *testing.T) {
	o := newOffice(t)
	settings := func(ca string) Settings {
		return Settings{Endpoint: "https://example.com", AccessKeyID: "UPKEY", SecretAccessKey: secret.New("up-secret"), Network: Network{CABundle: ca}}
	}
	if err := o.call(t, "AWS_CA_BUNDLE="+o.ca, settings("")); err != nil {
		t.Errorf("of the process: %v", err)
	}
	if err := o.call(t, "", settings(o.ca)); err != nil {
		t.Errorf("of the upstream: %v", err)
	}
	wrong := write(t, "wrong.pem", wrongCA)
	for name, err := range map[string]error{
		"none":                              o.call(t, "", settings("")),
		"a wrong one":                       o.call(t, "", settings(wrong)),
		"the upstream's over the process's": o.call(t, "AWS_CA_BUNDLE="+o.ca, settings(wrong)),
	} {
		e := llm.AsError(err)
		if e.Message != textUntrusted || e.Kind != llm.KindUnavailable || e.Err == nil || !strings.Contains(e.Err.Error(), "certificate") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPrivateCAOfTheDefaultChain: with AWS_CA_BUNDLE the SDK insists on an HTTP client of its own, which
// must find the way too.
func TestPrivateCAOfTheDefaultChain(t *testing.T) {
	o := newOffice(t)
	for name, value := range map[string]string{
		"AWS_CA_BUNDLE": o.ca, "AWS_ENDPOINT_URL_STS": o.aws.URL, "AWS_REGION": "us-east-1",
		"AWS_ROLE_ARN": roleOne, "AWS_WEB_IDENTITY_TOKEN_FILE": write(t, "token", webToken(t)),
	} {
		t.Setenv(name, value)
	}
	p, _, err := Load(t.Context(), os.Getenv, nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := p.Client(role(Settings{}))
	if err != nil {
		t.Fatal(err)
	}
	if got := who(t, client); got != "default chain (WebIdentityCredentials) > One" || len(o.protos) != 2 {
		t.Errorf("got %s after %d calls of STS", got, len(o.protos))
	}
}

// TestHTTPVersions: HTTP/1.1 unless HTTP/2 is asked for.
func TestHTTPVersions(t *testing.T) {
	yes, no := true, false
	for _, tt := range []struct {
		env  string
		own  *bool
		want string
	}{
		{"", nil, "HTTP/1.1"}, {"", &yes, "HTTP/2.0"}, {"OUTCROP_USE_HTTP2=true", nil, "HTTP/2.0"}, {"OUTCROP_USE_HTTP2=true", &no, "HTTP/1.1"},
	} {
		o := newOffice(t)
		err := o.call(t, tt.env, role(Settings{
			Endpoint: "https://example.com", STSEndpoint: "https://example.com", AccessKeyID: "UPKEY", SecretAccessKey: secret.New("up-secret"),
			Network: Network{CABundle: o.ca, HTTP2: tt.own, Proxy: o.proxy.URL},
		}))
		if got := strings.Join(o.protos, " "); err != nil || got != tt.want+" "+tt.want {
			t.Errorf("%q, %v: STS and Bedrock saw %s, %v", tt.env, tt.own, got, err)
		}
	}
}

// TestBypasses: who is asked without a proxy.
func TestBypasses(t *testing.T) {
	for _, tt := range []struct {
		none, address string
		direct        bool
	}{
		{"", "https://bedrock.example", false},
		{"", "https://localhost", true},
		{"", "https://127.1.2.3:8443", true},
		{"", "https://[::1]", true},
		{"*", "https://bedrock.example", true},
		{"bedrock.example", "https://bedrock.example", true},
		{"bedrock.example", "https://BEDROCK.example", true},
		{"Bedrock.Example", "https://vpce.bedrock.example", true},
		{"bedrock.example", "https://other-bedrock.example", false},
		{".example", "https://bedrock.example", true},
		{".bedrock.example", "https://bedrock.example", false},
		{"*.example", "https://bedrock.example", true},
		{" a , bedrock.example ,, b", "https://bedrock.example", true},
		{"bedrock.example:443", "https://bedrock.example", true},
		{"bedrock.example:443", "https://bedrock.example:443", true},
		{"bedrock.example:443", "https://bedrock.example:8443", false},
		{"bedrock.example:8443", "https://bedrock.example", false},
		{"10.0.0.0/8", "https://10.1.2.3", true},
		{"10.0.0.0/8", "https://11.1.2.3", false},
		{"10.1.2.3", "https://10.1.2.3", true},
		{"10.1.2.3:443", "https://10.1.2.3:8443", false},
		{"fd00::/8", "https://[fd00::1]", true},
		{"[fd00::1]:443", "https://[fd00::1]", true},
	} {
		choose, err := newProxies("proxy.example:3128", "", tt.none)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(tt.address)
		if err != nil {
			t.Fatal(err)
		}
		proxy, err := choose(&http.Request{URL: u})
		if err != nil || (proxy == nil) != tt.direct {
			t.Errorf("NO_PROXY=%q, %s: %v, %v", tt.none, tt.address, proxy, err)
		}
		if proxy != nil && proxy.String() != "http://proxy.example:3128" {
			t.Errorf("the proxy is %s", proxy)
		}
	}
}

// TestSTSIsReachedLikeBedrock: STS has variants of its own, and its address can be the upstream's.
func TestSTSIsReachedLikeBedrock(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL_STS", "")
	yes := true
	for _, tt := range []struct {
		settings Settings
		want     string
	}{
		{Settings{}, "sts.eu-west-1.amazonaws.com"},
		{Settings{Network: Network{FIPS: &yes}}, "sts-fips.eu-west-1.amazonaws.com"},
		{Settings{Network: Network{DualStack: &yes}}, "sts.eu-west-1.api.aws"},
		{Settings{Network: Network{FIPS: &yes, DualStack: &yes}}, "sts-fips.eu-west-1.api.aws"},
		{Settings{STSEndpoint: "https://vpce.example"}, "vpce.example"},
		{Settings{Region: "cn-north-1"}, "sts.cn-north-1.amazonaws.com.cn"},
		{Settings{Region: "us-gov-west-1", Network: Network{FIPS: &yes}}, "sts.us-gov-west-1.amazonaws.com"},
	} {
		transports, asked := newTransports(), ""
		transports.make = func(route) (http.RoundTripper, error) {
			return respond(func(r *http.Request) (*http.Response, error) {
				asked = r.URL.Host
				return &http.Response{StatusCode: http.StatusForbidden, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
			}), nil
		}
		p, _, err := load(t.Context(), environment("AWS_REGION=eu-west-1"), nil, transports)
		if err != nil {
			t.Fatal(err)
		}
		tt.settings.AccessKeyID, tt.settings.SecretAccessKey = "AKIA", secret.New("s")
		client, err := p.Client(role(tt.settings))
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Ready(t.Context()); err == nil || asked != tt.want {
			t.Errorf("asked %s, want %s: %v", asked, tt.want, err)
		}
	}
}

// TestTransportsAreShared by equal networks, and closed after their last user.
func TestTransportsAreShared(t *testing.T) {
	made, closed := 0, 0
	transports := newTransports()
	transports.make = func(route) (http.RoundTripper, error) {
		made++
		return &idle{closed: func() { closed++ }}, nil
	}
	p, _, err := load(t.Context(), environment("AWS_REGION=us-east-1"), nil, transports)
	if err != nil {
		t.Fatal(err)
	}
	client := func(n Network, region string) *Client {
		c, err := p.Client(Settings{Region: region, APIKey: secret.New("k"), Network: n})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	yes := true
	one, two := client(Network{Proxy: "http://proxy.example"}, "eu-west-1"), client(Network{Proxy: "http://proxy.example", FIPS: &yes}, "us-east-1")
	plain := client(Network{}, "")
	if made != 2 || one.transport != two.transport || one.transport == plain.transport {
		t.Errorf("%d transports were made", made)
	}
	one.Close()
	one.Close()
	plain.Close()
	if closed != 0 {
		t.Error("a transport was closed that is in use")
	}
	two.Close()
	if closed != 1 || len(transports.used) != 1 {
		t.Errorf("%d transports were closed, %d are left", closed, len(transports.used))
	}
	client(Network{Proxy: "http://proxy.example"}, "")
	if made != 3 {
		t.Errorf("%d transports were made", made)
	}
	if _, err := p.Client(Settings{Region: "nowhere", APIKey: secret.New("k"), Network: Network{Proxy: "none", NoProxy: "x"}}); err == nil || closed != 2 {
		t.Errorf("a client that could not be made holds its transport: %v", err)
	}
}

type idle struct {
	respond
	closed func()
}

func (i *idle) CloseIdleConnections() { i.closed() }

// wrongCA has signed nothing.
const wrongCA = `-----BEGIN CERTIFICATE-----
MIIBgTCCASegAwIBAgIUTcF7vpTdtMv013cNpU8+g4eo4OAwCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKQW5vdGhlciBDQTAgFw0yNjExMjIxOTMwMzVaGA8yMTI2MTAy
OTE5MzAzNVowFTETMBEGA1UEAwwKQW5vdGhlciBDQTBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABAkE05PpYD6aeg9QI7zRFsShIli+EeglZ/EIROhaaCuRamr0bfNI
9T/0jmcbFtHT0ymHvhdimBxSEoejma0Fc6+jUzBRMB0GA1UdDgQWBBSWhzhjJrAI
nY+6XPqzK++6/r3Y5TAfBgNVHSMEGDAWgBSWhzhjJrAInY+6XPqzK++6/r3Y5TAP
BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCID8b01hsO191H16bg/uK
MfGVhs5KWJMHnCnDEJQzg+u9AiEApcqL31HDXIbsaTlNTasaE+srjHuxTH7/ZOGE
pio4Lbw=
-----END CERTIFICATE-----
`
