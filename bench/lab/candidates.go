package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// labKey is the key that every candidate asks for.
const labKey = "a-key-of-the-lab-that-is-long-enough"

// otherKey is another caller's: one may not take all places of a server.
const otherKey = "a-key-of-the-lab-of-somebody-else-altogether"

// rig is what the candidates stand in front of.
type rig struct {
	dir          string // certificates, configurations, logs
	self         string // this program
	outcrop      string // the binary that is measured
	mock1, mock2 *process
	all          []*process
}

// newRig starts the mocks.
func newRig(dir, outcrop string) (*rig, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r := &rig{dir: dir, self: self, outcrop: outcrop}
	if err := writeCertificate(dir); err != nil {
		return nil, err
	}
	if r.mock1, err = r.run("mock-h1", nil, self, "mock", "--dir", dir); err != nil {
		return r, err
	}
	r.mock2, err = r.run("mock-h2", nil, self, "mock", "--dir", dir, "--http2")
	return r, err
}

// run starts a program of this lab.
func (r *rig) run(name string, env []string, args ...string) (*process, error) {
	p, err := start(r.dir, name, env, args...)
	if err != nil {
		return nil, err
	}
	r.all = append(r.all, p)
	return p, p.listening()
}

// stop ends what was started since there were n.
func (r *rig) stop(n int) {
	for _, p := range r.all[n:] {
		p.stop()
	}
	r.all = r.all[:n]
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

// direct is the mock itself, over TLS.
func (r *rig) direct() (*candidate, error) {
	trust, err := trusting(r.dir, false)
	if err != nil {
		return nil, err
	}
	return &candidate{name: "the mock itself", process: r.mock1, direct: true, request: viaConverse, dial: func() (*client, error) { return dial(r.mock1.address, trust) }}, nil
}

func viaConverse(w *work) ([]byte, func([]byte) error) { return converseRequest(w), checkConverse(w) }

// plain are candidates that serve HTTP on a port.
func plain(name string, p *process, request func(w *work) ([]byte, func([]byte) error)) *candidate {
	var none *tls.Config
	return &candidate{name: name, process: p, request: request, dial: func() (*client, error) { return dial(p.address, none) }}
}

// proxy is the reverse proxy; over HTTP/2 to its upstream when http2 says so.
func (r *rig) proxy(http2 bool) (*candidate, error) {
	name, upstream, args := "ReverseProxy", r.mock1.address, []string{}
	if http2 {
		name, upstream, args = "ReverseProxy, HTTP/2", r.mock2.address, []string{"--http2"}
	}
	p, err := r.run("proxy", nil, append([]string{r.self, "proxy", "--dir", r.dir, "--upstream", upstream}, args...)...)
	if err != nil {
		return nil, err
	}
	p.metrics = "http://" + p.address + "/metrics"
	return plain(name, p, viaConverse), nil
}

func (r *rig) sdk() (*candidate, error) {
	p, err := r.run("sdk", nil, r.self, "sdk", "--dir", r.dir, "--upstream", r.mock1.address, "--upstream2", r.mock2.address)
	if err != nil {
		return nil, err
	}
	p.metrics = "http://" + p.address + "/metrics"
	return plain("AWS SDK client", p, viaChat("/v1/chat/completions")), nil
}

func viaChat(path string) func(w *work) ([]byte, func([]byte) error) {
	return func(w *work) ([]byte, func([]byte) error) {
		return openAIRequest(w, path, "Api-Key: "+labKey), checkOpenAI(w)
	}
}

// way is how an outcrop is started.
type way struct {
	http2 bool
	redis string // URL; "" for counters in memory
	large bool   // the configuration of many
	env   []string
}

// serve is outcrop serve with everything on: a key, limits, accounting, the JSON log, metrics, a span for a tenth of the requests.
func (r *rig) serve(name string, how way) (*candidate, error) {
	cfg := labConfig()
	if how.large {
		enlarge(cfg)
	}
	file := fileName(name) + ".json"
	if err := os.WriteFile(r.path(file), encoded(cfg), 0o600); err != nil {
		return nil, err
	}
	args := []string{"serve", "--config", r.path(file)}
	if how.redis != "" {
		how.env = append(how.env, "aidial.encryption.secret=one-secret-of-all-replicas", "aidial.encryption.key=one-key-of-all-replicas")
		args = append(args, "--redis", how.redis)
	}
	return r.outcropAs(name, how, args, viaChat("/openai/v1/chat/completions"))
}

// adapter is outcrop adapter, with what it has of the same.
func (r *rig) adapter() (*candidate, error) {
	return r.outcropAs("outcrop adapter", way{}, []string{"adapter"}, func(w *work) ([]byte, func([]byte) error) {
		return openAIRequest(w, "/openai/deployments/"+w.model+"/chat/completions", "Api-Key: "+labKey), checkOpenAI(w)
	})
}

func (r *rig) outcropAs(name string, how way, args []string, request func(w *work) ([]byte, func([]byte) error)) (*candidate, error) {
	listen, metrics, err := freePorts()
	if err != nil {
		return nil, err
	}
	upstream := r.mock1.address
	if how.http2 {
		upstream = r.mock2.address
	}
	env := append([]string{
		"AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=secret", "AWS_REGION=us-east-1", "AWS_CA_BUNDLE=" + r.path(certFile),
		"AWS_ENDPOINT_URL_BEDROCK_RUNTIME=https://" + upstream, "AWS_ENDPOINT_URL=https://" + upstream, fmt.Sprintf("OUTCROP_USE_HTTP2=%t", how.http2),
		"OTEL_EXPORTER_OTLP_ENDPOINT=https://" + r.mock1.address, "OTEL_EXPORTER_OTLP_CERTIFICATE=" + r.path(certFile),
		"OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.1",
	}, how.env...)
	all := append([]string{r.outcrop}, args...)
	p, err := start(r.dir, fileName(name), env, append(all, "--listen", listen, "--metrics-listen", metrics, "--log", "json")...)
	if err != nil {
		return nil, err
	}
	p.address, p.metrics = listen, "http://"+metrics+"/metrics"
	r.all = append(r.all, p)
	return plain(name, p, request), p.answers("http://" + listen + "/health")
}

// freePorts are two that were free a moment ago.
func freePorts() (a, b string, err error) {
	var addresses [2]string
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", err
		}
		defer func() { _ = l.Close() }()
		addresses[i] = l.Addr().String()
	}
	return addresses[0], addresses[1], nil
}

// labConfig has limits that are counted and never reached.
func labConfig() object {
	limits := object{"minute": 1 << 50, "day": 1 << 50, "month": 1 << 50, "requestHour": 1 << 50, "requestDay": 1 << 50}
	price := object{"unit": "token", "prompt": "0.00000006", "completion": "0.00000024"}
	models, rights := object{}, object{}
	for name, id := range map[string]string{"burst": modelBurst, "paced": modelPaced, "slow": modelSlow} {
		models[name] = object{"type": "chat", "endpoint": "bedrock:" + id, "pricing": price}
		rights[name] = limits
	}
	return object{
		"models": models, "roles": object{"lab": object{"limits": rights}},
		"keys": object{labKey: object{"project": "lab", "roles": list{"lab"}}, otherKey: object{"project": "other", "roles": list{"lab"}}},
	}
}

// enlarge adds 10,000 keys, 2,000 deployments and 200 upstreams.
func enlarge(cfg object) {
	keys, models := cfg["keys"].(object), cfg["models"].(object)
	for i := range 10_000 {
		keys[fmt.Sprintf("another-key-that-nobody-uses-%05d", i)] = object{"project": fmt.Sprintf("project-%d", i), "roles": list{"lab"}}
	}
	for i := range 2_000 {
		models[fmt.Sprintf("model-%04d", i)] = object{"type": "chat", "endpoint": "bedrock:" + modelBurst, "upstreams": list{object{
			"extraData": object{"region": "us-east-1", "aws_access_key_id": fmt.Sprintf("AKIDEXAMPLE%05d", i%200), "aws_secret_access_key": "secret"},
		}}}
	}
}

// peer is a candidate that a file names.
type peer struct {
	Name    string            `json:"name"`
	Command []string          `json:"command"` // with {mock}, {mock2}, {ca} and {port} in it
	Env     map[string]string `json:"env"`
	Path    string            `json:"path"`  // of chat completions
	Ready   string            `json:"ready"` // path that answers when it serves
	Headers []string          `json:"headers"`
	Models  map[string]string `json:"models"` // how it calls burst and paced
}

// peers starts those of a file.
func (r *rig) peers(file string) (all []*candidate, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var named []peer
	if err := json.Unmarshal(text, &named); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, p := range named {
		c, err := r.peer(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", file, p.Name, err)
		}
		all = append(all, c)
	}
	return all, nil
}

func (r *rig) peer(p peer) (*candidate, error) {
	address, _, err := freePorts()
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(address, ":")
	fill := strings.NewReplacer("{mock}", r.mock1.address, "{mock2}", r.mock2.address, "{ca}", r.path(certFile), "{port}", port)
	var env []string
	for name, value := range p.Env {
		env = append(env, name+"="+fill.Replace(value))
	}
	args := make([]string, len(p.Command))
	for i, word := range p.Command {
		args[i] = fill.Replace(word)
	}
	process, err := start(r.dir, fileName(p.Name), env, args...)
	if err != nil {
		return nil, err
	}
	process.address = address
	r.all = append(r.all, process)
	return plain(p.Name, process, func(w *work) ([]byte, func([]byte) error) {
		renamed := *w
		if name := p.Models[w.deployment]; name != "" {
			renamed.deployment = name
		}
		return openAIRequest(&renamed, p.Path, p.Headers...), checkOpenAI(w)
	}), process.answers("http://" + address + p.Ready)
}

// fileName is a candidate's name as that of a file.
func fileName(name string) string {
	return strings.NewReplacer(" ", "-", "/", "-", ",", "").Replace(name)
}
