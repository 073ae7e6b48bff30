package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"outcrop/internal/bedrock"
)

const (
	// slowAnswer is what an answer from the other side of the world takes, handshakes included.
	slowAnswer = time.Second
	// signatureAge is how old a signature may be for AWS.
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
	signatureAge = 5 * time.Minute
	// driftTold is a drift that no clock with NTP has.
	driftTold = 30 * time.Second
)

// endpoint is a host of AWS, as upstreams reach it.
type endpoint struct {
	url      string
	services []string
	needed   bool // by requests; without the others something is degraded
	upstream *Upstream
}

func (to *endpoint) subject() string {
	address := to.url
	if u, err := url.Parse(address); err == nil {
		address = u.Redacted()
	}
	return strings.Join(to.services, ", ") + " " + address
}

// endpoints are all that are used, each once for each way to it.
func (e *Env) endpoints() []*endpoint {
	var out []*endpoint
	for _, u := range e.Upstreams {
		if u.Client == nil {
			continue
		}
		mantle := slices.ContainsFunc(e.Models, func(m *Model) bool {
			return m.Upstream == u && m.Model != nil && m.Model.Surface() == bedrock.SurfaceMantle
		})
		list := u.Client.Endpoints()
		if !u.isKey() {
			list = append(list, e.Process.STSEndpoint(u.Settings, u.Region))
		}
		for _, s := range list {
			if s.Service == "bedrock-mantle" && !mantle {
				continue
			}
			needed := s.Service == "bedrock-runtime" || s.Service == "bedrock-mantle" || s.Service == "sts" && (len(u.Client.Identity().Roles) > 0 || e.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "")
			i := slices.IndexFunc(out, func(o *endpoint) bool {
				return o.url == s.URL && o.upstream.Settings.Network == u.Settings.Network
			})
			if i < 0 {
				out = append(out, &endpoint{url: s.URL, upstream: u})
				i = len(out) - 1
			}
			if !slices.Contains(out[i].services, s.Service) {
				out[i].services = append(out[i].services, s.Service)
			}
			out[i].needed = out[i].needed || needed
		}
	}
	return out
}

// way are the checks of the endpoint that the model is asked at.
func (m *Model) way(ways map[*endpoint]*check) (list []*check) {
	if m.Model == nil {
		return nil
	}
	service := "bedrock-runtime"
	if m.Model.Surface() == bedrock.SurfaceMantle {
		service = "bedrock-mantle"
	}
	for _, at := range m.Upstream.Client.Endpoints() {
		for to, c := range ways {
			if at.Service == service && to.url == at.URL && to.upstream.Settings.Network == m.Upstream.Settings.Network {
				list = append(list, c)
			}
		}
	}
	return list
}

// journey is what is seen of one request on its way.
type journey struct {
	mu    sync.Mutex // a dial may outlive the request
	begin time.Time
	peer  net.Addr
	state *tls.ConnectionState
}

func (j *journey) trace() *httptrace.ClientTrace {
	locked := func(do func()) {
		j.mu.Lock()
		defer j.mu.Unlock()
		do()
	}
	return &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			locked(func() { j.peer = info.Conn.RemoteAddr() })
		},
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			if err == nil {
				locked(func() { j.state = &state })
			}
		},
	}
}

// network asks an endpoint for nothing, without a signature: any answer will do.
func (e *Env) network(ctx context.Context, to *endpoint) []Finding {
	transport, err := e.Process.Transport(to.upstream.Settings)
	if err != nil {
		return []Finding{{Code: "ENV-007", Severity: Error, Subject: to.subject(), Message: err.Error(), Remedy: "correct AWS_CA_BUNDLE, HTTPS_PROXY or their fields in extraData"}}
	}
	defer transport.CloseIdleConnections()
	if deadline, ok := ctx.Deadline(); ok { // sooner than the check's, to tell what it waited for
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, min(time.Until(deadline)*3/4, 10*time.Second))
		defer cancel()
	}
	j := journey{begin: time.Now()}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, j.trace()), http.MethodGet, to.url+"/", nil)
	if err != nil {
		return []Finding{{Code: "NET-001", Severity: Error, Subject: to.subject(), Message: err.Error(), Remedy: "correct AWS_ENDPOINT_URL or the address in extraData"}}
	}
	proxy, _ := transport.Proxy(r)
	resp, err := transport.RoundTrip(r)
	took := time.Since(j.begin)
	if err != nil {
		return []Finding{to.broken(err, proxy)}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // only to end it in good order
	_ = resp.Body.Close()
	j.mu.Lock()
	defer j.mu.Unlock()
	return append(to.reached(&j, proxy, took), e.clock(to, resp.Header.Get("Date"))...)
}

// reached is what a good answer tells.
func (to *endpoint) reached(j *journey, proxy *url.URL, took time.Duration) []Finding {
	words := fmt.Sprintf("answers in %d ms", took.Milliseconds())
	if proxy != nil {
		words += " through the proxy " + proxy.Host
	} else if j.peer != nil {
		words += " at " + j.peer.String()
	}
	out := []Finding{{Code: "NET-000", Subject: to.subject(), Message: words}}
	if tcp, ok := j.peer.(*net.TCPAddr); ok && proxy == nil && tcp.IP.IsPrivate() {
		out = append(out, Finding{Code: "NET-007", Severity: Info, Subject: to.subject(), Message: "the address " + tcp.IP.String() + " is private: a VPC endpoint, whose own policy has to allow the calls too"})
	}
	if issuer := foreignIssuer(j.state, to.url); issuer != "" {
		out = append(out, Finding{
			Code: "NET-010", Severity: Warning, Subject: to.subject(), Message: "the certificate is signed by " + issuer + ", not by Amazon: a proxy on the way reads prompts and replies",
			Remedy: "if that is not meant, have *.amazonaws.com excepted from its inspection",
		})
	}
	if took > slowAnswer {
		out = append(out, Finding{
			Code: "NET-004", Severity: Warning, Subject: to.subject(), Message: fmt.Sprintf("the first answer took %.1f s", took.Seconds()),
			Remedy: "choose a nearer region, or look at the DNS and the proxy",
		})
	}
	return out
}

// foreignIssuer is who signed a certificate of AWS in Amazon's place; "" for nobody, and for hosts of others.
func foreignIssuer(state *tls.ConnectionState, address string) string {
	u, err := url.Parse(address)
	if state == nil || len(state.PeerCertificates) == 0 || err != nil {
		return ""
	}
	host := u.Hostname()
	if !strings.HasSuffix(host, ".amazonaws.com") && !strings.HasSuffix(host, ".api.aws") && !strings.HasSuffix(host, ".amazonaws.com.cn") {
		return ""
	}
	issuer := state.PeerCertificates[0].Issuer
	for _, o := range issuer.Organization {
		if strings.Contains(o, "Amazon") || strings.Contains(o, "DigiCert") {
			return ""
		}
	}
	return issuer.String()
}

// broken says where the way ends.
func (to *endpoint) broken(err error, proxy *url.URL) Finding {
	f := Finding{Severity: Error, Subject: to.subject()}
	if !to.needed {
		f.Severity = Warning
	}
	host := to.url
	if u, bad := url.Parse(to.url); bad == nil {
		host = u.Hostname()
	}
	dns, isDNS := errors.AsType[*net.DNSError](err)
	op, isOp := errors.AsType[*net.OpError](err)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, isCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case strings.Contains(err.Error(), "does not connect to") || isOp && op.Op == "proxyconnect":
		f.Code, f.Message, f.Remedy = "NET-008", rootCause(err), "correct HTTPS_PROXY, have the proxy allow CONNECT "+host+":443, or set NO_PROXY="+host
	case isCertificate || unknown:
		f.Code, f.Message = "NET-003", "the certificate is not trusted: "+rootCause(err)
		f.Remedy = "if a proxy of yours inspects TLS: export AWS_CA_BUNDLE=FILE with its certificate and the system's; else somebody is in between"
	case isDNS && !dns.IsTimeout:
		f.Code, f.Message = "NET-001", host+" has no address: the region has no such service, or the DNS does not know it"
		f.Remedy = "outcrop aws models --region REGION tells where Bedrock is; in a private subnet make a VPC endpoint with private DNS"
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		f.Code, f.Message = "NET-009", "no answer in time"
		f.Remedy = "open TCP 443 to " + host + " (security group, NetworkPolicy, NAT), or make a VPC endpoint"
	default:
		f.Code, f.Message, f.Remedy = "NET-002", "no connection: "+rootCause(err), "open TCP 443 to "+host+" (security group, NetworkPolicy, NAT), or make a VPC endpoint"
	}
	if proxy != nil {
		f.Message += " (through the proxy " + proxy.Host + ")"
	}
	if !to.needed {
		f.Message += "; models answer without it"
	}
	return f
}

func isTimeout(err error) bool {
	failure, ok := errors.AsType[net.Error](err)
	return ok && failure.Timeout()
}

// clock compares this machine's with AWS's.
func (e *Env) clock(to *endpoint, date string) []Finding {
	theirs, err := http.ParseTime(date)
	if err != nil {
		return nil
	}
	off := e.Now().Sub(theirs)
	way := "ahead"
	if off < 0 {
		way, off = "behind", -off
	}
	f := Finding{
		Subject: to.subject(), Message: "the clock is " + brief(off) + " " + way + " of AWS's",
		Remedy: "set the clock: timedatectl set-ntp true; in a virtual machine or pod, that of the host",
	}
	switch {
	case off > signatureAge:
		f.Code, f.Severity = "NET-005", Error
		f.Message += ", which refuses signatures that are 5 minutes off"
	case off > driftTold:
		f.Code, f.Severity = "NET-006", Warning
	default:
		return nil
	}
	return []Finding{f}
}
