package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Options say where Redis is.
type Options struct {
	// URL is redis://[user:password@]host[:6379][/database], or rediss:// with TLS. valkey:// and valkeys:// are the
	// same.
	URL string
	// CAFile has the certificates (PEM) that vouch for the server's; "" is the system's.
	CAFile string
	// Prefix comes before all keys, so that several installations can share a server.
	Prefix string
	// Timeout bounds each command; 0 is DefaultTimeout.
	Timeout time.Duration
	Log     *slog.Logger // nil is no log
}

// DefaultTimeout is how long a command may take.
const DefaultTimeout = 250 * time.Millisecond

// Errors of options.
var (
	errURL  = errors.New("the URL of Redis must be redis://[user:password@]host[:port][/database], or rediss:// for TLS; write special characters of the password as %XX") //nolint:lll // one sentence
	errHost = errors.New("the URL of Redis names no host: write redis://host:6379")
	errDB   = errors.New("the URL of Redis has a path that is no database: write /0, or nothing")
)

// client is how rueidis is to connect.
func (o *Options) client() (rueidis.ClientOption, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return rueidis.ClientOption{}, errURL // url's own error quotes the password
	}
	r := rueidis.ClientOption{
		ForceSingleClient: true, // it can be made while the server is away, and connects when it is there
		DisableCache:      true,
		DisableRetry:      true,
		PipelineMultiplex: -1, // one connection: the more commands go in one packet, the less each costs
		Dialer:            net.Dialer{Timeout: max(2*o.Timeout, 500*time.Millisecond), KeepAlive: 5 * time.Second},
		ConnWriteTimeout:  5 * time.Second,
		// Sized for commands of some hundred bytes: a connection has one of each.
		ReadBufferEachConn: 64 << 10, WriteBufferEachConn: 64 << 10,
		BlockingPoolSize: 64,
		ClientName:       "outcrop",
	}
	switch u.Scheme {
	case "redis", "valkey":
		if o.CAFile != "" {
			return r, errors.New("a CA file of Redis is given, but its URL has no TLS: write rediss://")
		}
	case "rediss", "valkeys":
		if r.TLSConfig, err = o.tls(u.Hostname()); err != nil {
			return r, err
		}
	default:
		return r, errURL
	}
	return r, address(&r, u)
}

// address takes server, credentials and database from the URL.
func address(r *rueidis.ClientOption, u *url.URL) (err error) {
	if u.Hostname() == "" || u.Opaque != "" {
		return errHost
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return errURL
	}
	port := u.Port()
	if port == "" {
		port = "6379"
	}
	r.InitAddress = []string{net.JoinHostPort(u.Hostname(), port)}
	r.Username = u.User.Username()
	r.Password, _ = u.User.Password()
	if db := strings.TrimPrefix(u.Path, "/"); db != "" {
		if r.SelectDB, err = strconv.Atoi(db); err != nil || r.SelectDB < 0 {
			return errDB
		}
	}
	return nil
}

func (o *Options) tls(host string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if o.CAFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("the CA file of Redis: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the CA file of Redis, %s, has no certificate in PEM", o.CAFile)
	}
	return c, nil
}
