package bedrock

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// newProxies is the Proxy of a transport: what net/http makes of HTTPS_PROXY, HTTP_PROXY and NO_PROXY, which it
// reads once per process and not per upstream. This machine is always reached without a proxy.
func newProxies(forHTTPS, forHTTP, none string) (func(*http.Request) (*url.URL, error), error) {
	config := httpproxy.Config{NoProxy: none}
	for _, p := range []struct {
		address string
		into    *string
	}{{forHTTPS, &config.HTTPSProxy}, {forHTTP, &config.HTTPProxy}} {
		if err := checkProxy(p.address); err != nil {
			return nil, err
		}
		*p.into = p.address
	}
	choose := config.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return choose(r.URL) }, nil
}

// checkProxy looks at the address of a proxy, which may lack its scheme: the library takes what it cannot
// read for none.
func checkProxy(address string) error {
	if address == "" {
		return nil
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return errors.New("the address of the proxy is not a URL like http://proxy.example.com:3128") // which may hold a password
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return nil
	}
	return fmt.Errorf("a proxy over %s is not known: http, https or socks5", u.Scheme)
}
