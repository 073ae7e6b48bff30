package fetch

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"
)

// attempt is how long one of several addresses may take to answer.
const attempt = 4 * time.Second

// errPrivate is why an address is not called. That a name has no address at all is said in the same
// words: a stranger could else ask us which names our network knows.
var errPrivate = errors.New("no public address")

// errPort is why a port is not called.
var errPort = errors.New("a reserved port")

// dialer opens connections to strangers' hosts. An address is checked after it is resolved, and what
// was checked is what is dialled, so that a name cannot change its mind in between.
type dialer struct {
	guard   guard
	resolve func(ctx context.Context, network, host string) ([]netip.Addr, error)
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

func newDialer(o Options, g guard) *dialer {
	d := &dialer{guard: g, resolve: o.Resolve, dial: o.Dial}
	if d.resolve == nil {
		d.resolve = net.DefaultResolver.LookupNetIP
	}
	if d.dial == nil {
		d.dial = (&net.Dialer{Control: d.control}).DialContext
	}
	return d
}

// control looks once more at the address that the socket is about to be connected to.
func (d *dialer) control(_, address string, _ syscall.RawConn) error {
	addr, err := netip.ParseAddrPort(address)
	if err != nil || !d.guard.allows(addr.Addr()) {
		return errPrivate
	}
	return nil
}

// DialContext tries the addresses of a host that may be called, one after the other.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, err
	}
	addrs, err := d.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	last := errPrivate
	for i, a := range addrs {
		if !d.guard.listed(a) && port < 1024 && port != 80 && port != 443 {
			last = errPort
			continue
		}
		conn, err := d.try(ctx, network, netip.AddrPortFrom(a, uint16(port)).String(), i == len(addrs)-1)
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, last
}

// addresses are those of the host that may be called.
func (d *dialer) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	found := make([]netip.Addr, 1)
	var err error
	if found[0], err = netip.ParseAddr(host); err != nil {
		if found, err = d.resolve(ctx, "ip", host); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, errPrivate
		}
	}
	allowed := make([]netip.Addr, 0, len(found))
	for _, a := range found {
		if d.guard.allows(a) {
			allowed = append(allowed, a.Unmap())
		}
	}
	if len(allowed) == 0 {
		return nil, errPrivate
	}
	return allowed, nil
}

func (d *dialer) try(ctx context.Context, network, address string, last bool) (net.Conn, error) {
	if !last {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, attempt)
		defer cancel()
	}
	return d.dial(ctx, network, address)
}
