package auth

import (
	"net/http"
	"net/netip"
	"strings"
)

// address is where a request comes from, or the zero address when that cannot be told.
//
// With n proxies in front, the last n entries of X-Forwarded-For are theirs and the first of those is the client's
// address, as the outermost proxy saw it; whatever stands before may be the client's invention. A request with
// fewer entries did not come through all of them: nobody vouches for any address then.
func (a *Authenticator) address(r *http.Request) netip.Addr {
	if a.proxies <= 0 {
		return parseAddress(r.RemoteAddr)
	}
	lines, left := r.Header["X-Forwarded-For"], a.proxies
	for i := len(lines) - 1; i >= 0; i-- {
		rest := lines[i]
		for {
			comma := strings.LastIndexByte(rest, ',')
			if left--; left == 0 {
				return parseAddress(strings.TrimSpace(rest[comma+1:]))
			}
			if comma < 0 {
				break
			}
			rest = rest[:comma]
		}
	}
	return netip.Addr{}
}

// parseAddress reads an address with a port or without. An IPv4 address within IPv6 is that IPv4 address.
func parseAddress(text string) netip.Addr {
	if with, err := netip.ParseAddrPort(text); err == nil {
		return with.Addr().Unmap().WithZone("")
	}
	plain, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		return netip.Addr{}
	}
	return plain.Unmap().WithZone("")
}

// shown is an address for the client.
func shown(a netip.Addr) string {
	if !a.IsValid() {
		return "unknown"
	}
	return a.String()
}

// unmapped writes networks of IPv4 within IPv6 as those of IPv4, as addresses are compared. nil stays nil.
func unmapped(networks []netip.Prefix) []netip.Prefix {
	if networks == nil {
		return nil
	}
	plain := make([]netip.Prefix, 0, len(networks))
	for _, n := range networks {
		if n.Addr().Is4In6() && n.Bits() >= 96 {
			n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
		}
		plain = append(plain, n.Masked())
	}
	return plain
}
