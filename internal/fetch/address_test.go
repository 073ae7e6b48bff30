package fetch

import (
	"errors"
	"net/netip"
	"testing"
)

func TestAddresses(t *testing.T) {
	g := newGuard([]netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd12::/16")})
	for text, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "172.15.255.255": true, "172.32.0.0": true, "100.128.0.0": true, "223.255.255.255": true,
		"2606:4700:4700::1111": true, "2a00:1450::1": true, "::ffff:8.8.8.8": true, "64:ff9b::8.8.8.8": true, "64:ff9b::808:808%eth0": false, "2606:4700:4700::1111%eth0": false,
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "64:ff9b::10.1.2.3": true, "fd12::1": true,

		"0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "10.2.0.1": false, "127.0.0.1": false, "127.255.0.1": false,
		"100.64.0.1": false, "100.100.100.200": false, "168.63.129.16": false, "169.254.169.254": false, "169.254.170.2": false,
		"172.16.0.1": false, "172.31.255.255": false, "192.0.0.192": false, "192.0.2.1": false, "192.88.99.1": false, "192.168.1.1": false,
		"198.18.0.1": false, "198.51.100.1": false, "203.0.113.1": false, "224.0.0.1": false, "239.1.1.1": false, "240.0.0.1": false,
		"255.255.255.255": false,

		"::": false, "::1": false, "::7f00:1": false, "::ffff:127.0.0.1": false, "::ffff:169.254.169.254": false,
		"64:ff9b::127.0.0.1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b:1::1": false, "100::1": false,
		"2001::1": false, "2001:db8::1": false, "2002:7f00:1::": false, "2002:808:808::": false, "3fff::1": false, "5f00::1": false,
		"fc00::1": false, "fd00:ec2::254": false, "fe80::1": false, "fe80::1%eth0": false, "fd12::1%eth0": false, "fec0::1": false,
		"ff02::1": false, "2606:4700:4700::1111%1": false,
	} {
		if got := g.allows(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is allowed: %t", text, got)
		}
	}
	if g.allows(netip.Addr{}) {
		t.Error("no address is allowed")
	}
}

// TestTheSocketIsLookedAtOnceMore: whatever was resolved, the address of the socket itself is checked.
func TestTheSocketIsLookedAtOnceMore(t *testing.T) {
	d := newDialer(Options{}, newGuard([]netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}))
	for address, want := range map[string]error{
		"8.8.8.8:443": nil, "10.1.2.3:22": nil, "[2606:4700:4700::1111]:443": nil,
		"127.0.0.1:80": errPrivate, "10.2.0.1:80": errPrivate, "[::1]:80": errPrivate, "[fe80::1%eth0]:80": errPrivate, "nonsense": errPrivate,
	} {
		if err := d.control("tcp", address, nil); !errors.Is(err, want) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
