package fetch_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"outcrop/internal/fetch"
)

// FuzzURLs: whatever the link is, whatever its host resolves to and wherever it redirects, nothing is called but public
// addresses, and no error tells what stood in the link.
func FuzzURLs(f *testing.F) {
	for _, link := range []string{
		"http://public/x", "https://127.0.0.1/", "http://[::ffff:169.254.169.254]/latest", "http://2130706433/", "http://user:swordfish99@public/", "http://public:22/", "//public/x",
		"http://0x7f.1/", "http://[fe80::1%25eth0]/", "http://public@10.0.0.1/", "http://public#@10.0.0.1/", "http://①⑨②.168.0.1/", "HTTP://PUBLIC", "http://[64:ff9b::7f00:1]/",
	} {
		f.Add(link, "http://127.0.0.1/", []byte{93, 184, 215, 14})
		f.Add("http://public/", link, []byte{93, 184, 215, 14})
		f.Add(link, link, []byte{169, 254, 169, 254})
	}
	f.Fuzz(func(t *testing.T, link, elsewhere string, address []byte) {
		to, ok := netip.AddrFromSlice(address)
		if !ok {
			to = netip.IPv6Loopback()
		}
		g := fetch.New(fetch.Options{
			Resolve: func(context.Context, string, string) ([]netip.Addr, error) { return []netip.Addr{to}, nil },
			Dial: func(_ context.Context, _, where string) (net.Conn, error) {
				if a, err := netip.ParseAddrPort(where); err != nil || !reachable(a.Addr()) {
					t.Errorf("%q, then %q, resolving to %v: %s is called", link, elsewhere, to, where)
				}
				return redirecting(elsewhere), nil
			},
		})
		_, err := g.Get(t.Context(), link, nil)
		e, ok := errors.AsType[*fetch.Error](err)
		if err != nil && (!ok || strings.Contains(e.Message, "swordfish99")) {
			t.Errorf("%q: %v", link, err)
		}
	})
}

// reachable says whether an address is one that anybody can reach, in other words than the package.
func reachable(a netip.Addr) bool {
	plain := a.Unmap()
	if nat64 := netip.MustParsePrefix("64:ff9b::/96"); nat64.Contains(plain) { // the address behind it counts
		b := plain.As16()
		plain = netip.AddrFrom4([4]byte(b[12:]))
	}
	return plain.IsGlobalUnicast() && !plain.IsPrivate() && !plain.IsLoopback() && !plain.IsLinkLocalUnicast() && a.Zone() == "" &&
		!netip.MustParsePrefix("100.64.0.0/10").Contains(plain) && !netip.MustParsePrefix("0.0.0.0/8").Contains(plain)
}

// redirecting is a connection to a server that sends everybody elsewhere.
func redirecting(elsewhere string) net.Conn {
	client, server := net.Pipe()
	go func() {
		defer func() { _ = server.Close() }()
		if _, err := http.ReadRequest(bufio.NewReader(server)); err == nil {
			_, _ = fmt.Fprintf(server, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", strings.Map(printable, elsewhere)) // it may have left
		}
	}()
	return client
}

func printable(r rune) rune {
	if r < ' ' {
		return -1
	}
	return r
}
