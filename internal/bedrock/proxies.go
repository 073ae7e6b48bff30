package bedrock

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// proxies say through which proxy a host is reached. They are what Go's standard library makes of
// HTTPS_PROXY, HTTP_PROXY and NO_PROXY, which it reads once per process and not per upstream.
type proxies struct {
	https, http *url.URL // nil for none
	bypass      []bypass
}

// bypass is one entry of NO_PROXY.
type bypass struct {
	all    bool
	prefix netip.Prefix // an address or a network; zero for a name
	name   string       // ".example.com" for what is below it, "example.com" for itself too
	port   string       // "" for every port
}

func newProxies(forHTTPS, forHTTP, none string) (p proxies, err error) {
	if p.https, err = proxyURL(forHTTPS); err != nil {
		return p, err
	}
	if p.http, err = proxyURL(forHTTP); err != nil {
		return p, err
	}
	for entry := range strings.SplitSeq(none, ",") {
		if entry = strings.ToLower(strings.TrimSpace(entry)); entry != "" {
			p.bypass = append(p.bypass, readBypass(entry))
		}
	}
	return p, nil
}

// proxyURL reads the address of a proxy, which may lack its scheme.
func proxyURL(address string) (*url.URL, error) {
	if address == "" {
		return nil, nil //nolint:nilnil // no proxy is no mistake
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("the address of the proxy is not a URL like http://proxy.example.com:3128") // which may hold a password
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return u, nil
	}
	return nil, fmt.Errorf("a proxy over %s is not known: http, https or socks5", u.Scheme)
}

func readBypass(entry string) bypass {
	if entry == "*" {
		return bypass{all: true}
	}
	if prefix, err := netip.ParsePrefix(entry); err == nil {
		return bypass{prefix: prefix.Masked()}
	}
	b := bypass{name: entry}
	if host, port, err := net.SplitHostPort(entry); err == nil {
		b.name, b.port = host, port
	}
	if ip, err := netip.ParseAddr(strings.Trim(b.name, "[]")); err == nil {
		return bypass{prefix: netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()), port: b.port}
	}
	b.name = strings.TrimPrefix(b.name, "*")
	return b
}

// choose is the Proxy of a transport.
func (p proxies) choose(r *http.Request) (*url.URL, error) {
	proxy := p.https
	if r.URL.Scheme == "http" {
		proxy = p.http
	}
	if proxy == nil || p.bypasses(strings.ToLower(r.URL.Hostname()), r.URL.Port()) {
		return nil, nil //nolint:nilnil // no proxy is no mistake
	}
	return proxy, nil
}

// bypasses says whether a host is reached without a proxy; this machine always is.
func (p proxies) bypasses(host, port string) bool {
	if isLoopback(host) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	for _, b := range p.bypass {
		switch {
		case b.all:
			return true
		case b.port != "" && b.port != port && (port != "" || b.port != "443"):
		case b.prefix.IsValid():
			if err == nil && b.prefix.Contains(ip.Unmap()) {
				return true
			}
		case strings.HasPrefix(b.name, "."):
			if strings.HasSuffix(host, b.name) {
				return true
			}
		case host == b.name || strings.HasSuffix(host, "."+b.name):
			return true
		}
	}
	return false
}
