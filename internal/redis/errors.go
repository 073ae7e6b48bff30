package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/redis/rueidis"
)

// Down is the error of a command that Redis did not carry out.
type Down struct {
	address, reason string
	// answered says that the server is fine, but for this command.
	answered bool
	// refused says that the server answered: the command was not carried out, and will not be.
	refused bool
}

func (d *Down) Error() string { return "Redis at " + d.address + ": " + d.reason }

// explain says what is wrong, and what to do, without the password.
func (c *Client) explain(err error) *Down {
	d := &Down{address: c.address}
	if answer, ok := rueidis.IsRedisErr(err); ok {
		d.reason, d.answered = explainAnswer(answer.Error())
		d.refused = true
	} else {
		d.reason = explainNetwork(err, c.tls)
	}
	if c.hidden != "" {
		d.reason = strings.ReplaceAll(d.reason, c.hidden, "REDACTED")
	}
	return d
}

// explainAnswer is about the errors of Redis (https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors).
// ok says that they are not about the whole server.
func explainAnswer(text string) (reason string, ok bool) {
	code, _, _ := strings.Cut(text, " ")
	switch {
	case code == "WRONGPASS", strings.Contains(text, "invalid password"), strings.Contains(text, "without any password configured"):
		return "user or password are wrong: correct them in its URL, redis://user:password@host", false
	case code == "NOAUTH":
		return "it wants a password: write it into its URL, redis://user:password@host", false
	case code == "NOPERM":
		return "its user may not do this (" + text + "): allow it ~{outcrop}* &{outcrop}* and the commands +@all -@dangerous +info", false
	case code == "MOVED", code == "ASK", code == "CLUSTERDOWN", code == "CROSSSLOT":
		return "it is a node of a cluster that has the keys elsewhere (" + text + "): all keys have the hash tag {outcrop}, name the node that has its slot, or a server without cluster mode", false
	case code == "READONLY":
		return "it is a replica, which cannot be written: name its primary in the URL", false
	case code == "LOADING":
		return "it is loading its data: wait until it has", false
	case code == "OOM":
		return "its memory is full: raise maxmemory (with maxmemory-policy noeviction)", false
	case code == "MISCONF", code == "NOREPLICAS", code == "MASTERDOWN", code == "BUSY":
		return text, false
	case strings.Contains(text, "DB index is out of range"):
		return "it has no database of this number: correct the last part of its URL", false
	}
	return text, true
}

// explainNetwork is about connections that fail.
func explainNetwork(err error, secure bool) string {
	var (
		record    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		dns       *net.DNSError
	)
	switch {
	case secure && isTimeout(err):
		return "no answer in time: if that happens from the start, does it speak TLS at all? If not, write redis://"
	case isTimeout(err):
		return "no answer in time"
	case errors.As(err, &record):
		return "it does not speak TLS: write redis:// instead of rediss://"
	case errors.As(err, &authority):
		return "its certificate is of an authority that is not known here: give the CA file"
	case errors.As(err, &name):
		return "its certificate is of another host: " + name.Error()
	case errors.As(err, &dns):
		return "its host has no address: " + dns.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "it refuses connections: is it running, and is the port right?"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "it closed the connection: if that happens from the start, does it want TLS (rediss://)?"
	case errors.Is(err, rueidis.ErrClosing):
		return "the connection is closed"
	}
	return err.Error()
}

func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}
