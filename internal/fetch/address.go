package fetch

import "net/netip"

// special are the networks within the public part of the address space that are no place of the
// public internet (https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-).
func special() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("100.64.0.0/10"), // carriers' NAT; a cloud's metadata at 100.100.100.200
		netip.MustParsePrefix("127.0.0.0/8"),
		netip.MustParsePrefix("168.63.129.16/32"), // Azure's host agent
		netip.MustParsePrefix("169.254.0.0/16"),   // link-local; metadata at 169.254.169.254
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("192.0.2.0/24"),
		netip.MustParsePrefix("192.88.99.0/24"), // 6to4 relays
		netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("198.18.0.0/15"),
		netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"),
		netip.MustParsePrefix("224.0.0.0/3"), // multicast, reserved, broadcast
		netip.MustParsePrefix("2001::/23"),   // Teredo, ORCHID, protocols
		netip.MustParsePrefix("2001:db8::/32"),
		netip.MustParsePrefix("2002::/16"), // 6to4: an IPv4 address of anybody's choice
		netip.MustParsePrefix("3fff::/20"),
	}
}

// guard knows which addresses may be called.
type guard struct {
	refused, allowed []netip.Prefix
	unicast, nat64   netip.Prefix
}

func newGuard(allow []netip.Prefix) guard {
	return guard{
		refused: special(), allowed: allow,
		unicast: netip.MustParsePrefix("2000::/3"),     // all of IPv6 that is public
		nat64:   netip.MustParsePrefix("64:ff9b::/96"), // RFC 6052
	}
}

// allows says whether an address is public, or the operator allows it.
func (g guard) allows(a netip.Addr) bool { return g.listed(a) || g.public(a) }

// listed says whether the operator allows an address. An IPv4 address within an IPv6 one is the same
// address.
func (g guard) listed(a netip.Addr) bool { return a.Zone() == "" && contains(g.allowed, g.plain(a)) }

func (g guard) public(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = g.plain(a)
	return (a.Is4() || g.unicast.Contains(a)) && !contains(g.refused, a)
}

// plain is the IPv4 address that an IPv6 one stands for, if it does. A host in a network without
// IPv4 reaches all others through NAT64, and so must a guard that would not cut it off.
func (g guard) plain(a netip.Addr) netip.Addr {
	if a = a.Unmap(); !g.nat64.Contains(a) {
		return a
	}
	b := a.As16()
	return netip.AddrFrom4([4]byte(b[12:]))
}

func contains(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
