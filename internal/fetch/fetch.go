package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// Options make a Fetcher. The zero value is a good one.
type Options struct {
	// Allow are networks that may be called although they are not public.
	Allow []netip.Prefix
	// MaxBytes is how large a file may be; 0 means 25 MiB.
	MaxBytes int64
	// Timeout is how long a file may take, redirects and body included; 0 means 30 s.
	Timeout time.Duration
	// Origin is the server of DIAL's file storage, "http://core:8080"; nil when there is none. It may
	// have any address, and it alone is sent credentials.
	Origin *url.URL

	// Resolve finds the addresses of a host, Dial connects to one of them; nil for the system's.
	Resolve func(ctx context.Context, network, host string) ([]netip.Addr, error)
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

// maxRedirects is how often a URL may point elsewhere.
const maxRedirects = 5

// File is what was behind a URL.
type File struct {
	Bytes []byte
	MIME  string // what its server calls it, without parameters, or ""
	Name  string // what its server calls it, or the last part of the URL's path, or ""
}

// Fetcher gets files. It is safe for concurrent use.
type Fetcher struct {
	origin   *url.URL // nil without a storage
	maxBytes int64
	timeout  time.Duration
	home     *http.Transport // to the origin, and to nowhere else
	away     *http.Transport // to strangers
}

// New returns a Fetcher.
func New(o Options) *Fetcher {
	f := &Fetcher{origin: o.Origin, maxBytes: cmp.Or(o.MaxBytes, 25<<20), timeout: cmp.Or(o.Timeout, 30*time.Second)}
	direct := o.Dial
	if direct == nil {
		direct = (&net.Dialer{}).DialContext
	}
	f.home = newTransport(direct)
	f.away = newTransport(newDialer(o, newGuard(o.Allow)).DialContext)
	return f
}

// newTransport heeds no proxy of the environment: a proxy would resolve the name itself. It keeps no
// connection: one that outlives its request would outlive the check of its address.
func newTransport(dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		DialContext: dial, DisableKeepAlives: true, DisableCompression: true,
		TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10,
	}
}

// Get returns the file behind a URL: an absolute one of http or https, or one that is relative to the
// storage, "files/…". The credentials go to the storage only, that is to a URL whose scheme, host and
// port are the Origin's and whose path is below its /v1/, and not to where a stranger redirects. An error is always an *Error.
func (f *Fetcher) Get(ctx context.Context, link string, credentials http.Header) (File, error) {
	target, err := f.locate(link)
	if err != nil {
		return File{}, err
	}
	timed, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	atHome := f.isHome(target)
	for range maxRedirects + 1 {
		resp, err := f.ask(timed, target, atHome, credentials)
		if err != nil {
			return File{}, explain(timed, ctx, err)
		}
		next, err := redirect(resp)
		if next == nil && err == nil {
			defer func() { _ = resp.Body.Close() }()
			return f.read(timed, ctx, resp)
		}
		_ = resp.Body.Close() // a redirect's body says nothing
		if err != nil {
			return File{}, err
		}
		target, atHome = next, atHome && f.isHome(next)
	}
	return File{}, refused("The URL redirects more than 5 times.")
}

// locate makes a link absolute and looks at what can be seen of it without a network.
func (f *Fetcher) locate(link string) (*url.URL, error) {
	u, err := url.Parse(link)
	if err != nil {
		return nil, refused("The URL is not valid.") // err quotes it
	}
	if u.Scheme == "" && u.Host == "" {
		if f.origin == nil {
			return nil, refused("The URL is relative, and this server has no file storage that it could be relative to: give the whole URL, or the data itself.")
		}
		base := *f.origin
		base.Path, base.RawPath = f.storage(), ""
		u = base.ResolveReference(u)
		if !f.isHome(u) {
			return nil, refused("The URL points out of the file storage.")
		}
	}
	return u, checkURL(u)
}

func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return refused("Files are fetched by http and https URLs only.")
	case u.Hostname() == "":
		return refused("The URL has no host.")
	case u.User != nil:
		return refused("The URL has a user name; URLs with credentials are not fetched.")
	}
	if _, err := strconv.ParseUint(port(u), 10, 16); err != nil {
		return refused("The URL is not valid: there is no such port.")
	}
	return nil
}

// storage is the path that all files of DIAL's storage are under.
func (f *Fetcher) storage() string { return strings.TrimSuffix(f.origin.Path, "/") + "/v1/" }

// isHome says whether a URL is one of the storage. What else its server may have is a stranger's.
func (f *Fetcher) isHome(u *url.URL) bool {
	return f.origin != nil && u.Scheme == f.origin.Scheme && strings.EqualFold(u.Hostname(), f.origin.Hostname()) && port(u) == port(f.origin) &&
		strings.HasPrefix(path.Clean(u.Path), f.storage())
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// ask sends one request.
func (f *Fetcher) ask(ctx context.Context, u *url.URL, atHome bool, credentials http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	transport := f.away
	if atHome {
		transport = f.home
		for name, values := range credentials {
			req.Header[name] = values
		}
	}
	req.Header.Set("Accept", "*/*")
	req.Header.Set("Accept-Encoding", "identity") // what is compressed may be small and become large
	req.Header.Set("User-Agent", "outcrop")
	return transport.RoundTrip(req)
}

// redirect is where the reply points to, if it does.
func redirect(resp *http.Response) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	u, err := resp.Location()
	if err != nil {
		return nil, failed("The URL's host redirects to nowhere.", nil)
	}
	return u, checkURL(u)
}

// read takes the reply's body.
func (f *Fetcher) read(ctx, caller context.Context, resp *http.Response) (File, error) {
	switch encoding := resp.Header.Get("Content-Encoding"); {
	case resp.StatusCode != http.StatusOK:
		return File{}, failed(fmt.Sprintf("The URL's host answered with status %d instead of the file.", resp.StatusCode), nil)
	case encoding != "" && !strings.EqualFold(encoding, "identity"):
		return File{}, failed("The URL's host sends the file compressed, although it was asked not to.", nil)
	case resp.ContentLength > f.maxBytes:
		return File{}, f.tooLarge()
	}
	data, err := readAll(resp.Body, resp.ContentLength, f.maxBytes)
	switch {
	case errors.Is(err, errLong):
		return File{}, f.tooLarge()
	case err != nil:
		return File{}, explain(ctx, caller, err)
	}
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		media = "" // one that cannot be read says nothing
	}
	return File{Bytes: data, MIME: media, Name: fileName(resp)}, nil
}

func (f *Fetcher) tooLarge() *Error {
	return &Error{Reason: TooLarge, Message: fmt.Sprintf("The file is larger than %s.", size(f.maxBytes))}
}

// size writes a number of bytes for people.
func size(n int64) string {
	if n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

// errLong is the end of a body that goes on for too long.
var errLong = errors.New("too many bytes")

// trusted is how much of an announced body is allocated before it arrives.
const trusted = 1 << 20

func readAll(r io.Reader, announced, most int64) ([]byte, error) {
	buf := make([]byte, 0, min(max(announced, 0), most, trusted)+512)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > most:
			return nil, errLong
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return nil, err
		case len(buf) == cap(buf):
			buf = append(buf, 0)[:len(buf)]
		}
	}
}

// fileName is what the file is called.
func fileName(resp *http.Response) string {
	if _, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition")); err == nil && params["filename"] != "" {
		return path.Base(params["filename"])
	}
	if name := path.Base(resp.Request.URL.Path); name != "/" && name != "." {
		return name
	}
	return ""
}
