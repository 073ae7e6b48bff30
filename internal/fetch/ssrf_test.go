package fetch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/fetch"
)

var update = flag.Bool("update", false, "rewrite testdata/ssrf.txt")

// world is an internet: names with addresses, and behind every address that is dialled the same server.
type world struct {
	names map[string][]string // by name, the addresses that each look-up gives, the last for ever; several with blanks

	mu      sync.Mutex
	lookups map[string]int
	dialled []string
}

func (w *world) resolve(_ context.Context, _, host string) (found []netip.Addr, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	answers := w.names[strings.ToLower(strings.TrimSuffix(host, "."))]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	answer := answers[min(w.lookups[host], len(answers)-1)]
	w.lookups[host]++
	for address := range strings.FieldsSeq(answer) {
		found = append(found, netip.MustParseAddr(address))
	}
	return found, nil
}

func (w *world) dial(_ context.Context, _, address string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dialled = append(w.dialled, address)
	client, server := net.Pipe()
	go answer(server)
	return client, nil
}

// answer is a server that does what the path of one request says.
func answer(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if err != nil {
		return
	}
	_, rest, _ := strings.Cut(string(buf[:n]), " ")
	target, _, _ := strings.Cut(rest, " ")
	path, query, _ := strings.Cut(target, "?")
	switch path {
	case "/to":
		to, _ := url.QueryUnescape(query)
		say(conn, "HTTP/1.1 302 Found\r\nLocation: "+to+"\r\nContent-Length: 0\r\n\r\n")
	case "/large":
		say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n")
	case "/endless":
		say(conn, "HTTP/1.1 200 OK\r\n\r\n")
		_, _ = io.Copy(conn, zeros{})
	case "/drip": // a byte a second
		say(conn, "HTTP/1.1 200 OK\r\n\r\n")
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_, _ = io.Copy(io.Discard, conn)
		}()
		for err := error(nil); err == nil; _, err = io.WriteString(conn, "x") {
			select {
			case <-time.After(time.Second):
			case <-gone:
			}
		}
	case "/silence":
		_, _ = io.Copy(io.Discard, conn)
	case "/bomb":
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.CopyN(z, zeros{}, 8<<20)
		_ = z.Close()
		say(conn, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"+b.String())
	case "/headers":
		say(conn, "HTTP/1.1 200 OK\r\nX-A: "+strings.Repeat("a", 128<<10)+"\r\n\r\n")
	case "/interim":
		say(conn, strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n", 100)+"HTTP/1.1 200 OK\r\n\r\nfile")
	case "/split":
		say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 9\r\n\r\nfile")
	case "/lie":
		say(conn, "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename=\"../../etc/passwd\"\r\n\r\n<script>")
	default:
		say(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nfile")
	}
}

// strangersURLs are what a request may name, in groups: a line that begins with a # is the head of one.
func strangersURLs() []string {
	to := func(target string) string { return "http://public.example/to?" + url.QueryEscape(target) }
	return []string{
		"# what is fetched",
		"http://public.example/file", "https://8.8.8.8:8443/", "http://PUBLIC.example./file", "http://both.example/file", "http://[2606:4700:4700::1111]/file",
		"http://public.example/to?/file", to("http://other.example/file"),
		"# places of this machine and its network",
		"http://127.0.0.1/", "http://localhost/", "http://LOCALHOST./", "http://app.localhost/", "http://0.0.0.0/", "http://0/", "http://[::]/", "http://[::1]/",
		"http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.1.1/", "http://100.64.0.1/", "http://[fc00::1]/", "http://[fe80::1]/", "http://[fe80::1%25eth0]/",
		"http://224.0.0.1/", "http://255.255.255.255/", "http://inside.example/", "http://nowhere.example/",
		"# the metadata of clouds, and what gives credentials",
		"http://169.254.169.254/latest/meta-data/", "http://metadata.google.internal/", "http://[fd00:ec2::254]/", "http://169.254.170.2/v2/credentials",
		"http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1/credentials", "http://100.100.100.200/", "http://168.63.129.16/", "http://192.0.0.192/",
		"# the same addresses in other spellings",
		"http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://0x7f.1/", "http://127.1/", "http://2852039166/", "http://0xa9fea9fe/", "http://169.254.169.254./",
		"http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:a9fe:a9fe]/", "http://[::127.0.0.1]/", "http://[64:ff9b::a9fe:a9fe]/",
		"http://[64:ff9b:1::a9fe:a9fe]/", "http://[2002:a9fe:a9fe::]/", "http://[2001:0:a9fe:a9fe::]/", "http://[2001:db8::1]/",
		"# a name that changes its mind between the look and the call: the address that was looked at is called",
		"http://rebind.example/file", "http://rebind.example/file",
		"# redirects, each looked at like the first URL",
		to("http://169.254.169.254/"), to("http://inside.example/"), to("http://[::ffff:127.0.0.1]/"), to("//127.0.0.1/"), to("file:///etc/passwd"), to("gopher://public.example/"),
		to("http://user:pw@public.example/"), to("http://public.example:25/"), to(to("http://169.254.169.254/")), "http://public.example/to?/to", to("data:text/plain,x"),
		"# other schemes, and URLs that are none",
		"file:///etc/passwd", "gopher://public.example/", "ftp://public.example/", "dict://public.example/", "ldap://public.example/", "unix:///run/docker.sock", "jar:http://public.example!/", "HTTP://public.example/file",
		"http:public.example", "http:///file", "http://", "//public.example/file", "/etc/passwd", "files/../../x", "http://public.example\\@127.0.0.1/", "http://public.example#@127.0.0.1/file", "http://127.0.0.1#@public.example/",
		"http://public.example%2f@127.0.0.1/", "http://public.example\r\nHost: inside/", "http://public.example/a b", "http://[::1", "http://public.example:99999/",
		"# credentials in a URL",
		"http://user:pw@public.example/", "http://user@public.example/", "http://@public.example/", "http://public.example@127.0.0.1/",
		"# ports",
		"http://public.example:80/", "http://public.example:443/", "http://public.example:22/", "http://public.example:25/", "http://public.example:6379/", "http://public.example:0/",
		"# what servers do",
		"http://public.example/large", "http://public.example/endless", "http://public.example/drip", "http://public.example/silence", "http://public.example/bomb",
		"http://public.example/headers", "http://public.example/interim", "http://public.example/split", "http://public.example/lie",
	}
}

func newWorld() *world {
	return &world{lookups: map[string]int{}, names: map[string][]string{
		"public.example": {"93.184.216.34"}, "other.example": {"8.8.4.4"}, "both.example": {"10.0.0.1 93.184.216.34"}, "inside.example": {"10.0.0.1"},
		"rebind.example": {"93.184.216.34", "169.254.169.254"}, "localhost": {"127.0.0.1 ::1"}, "app.localhost": {"127.0.0.1"},
		"metadata.google.internal": {"169.254.169.254"},
		// What a system's resolver (inet_aton) makes of other spellings.
		"0": {"0.0.0.0"}, "2130706433": {"127.0.0.1"}, "0x7f000001": {"127.0.0.1"}, "0177.0.0.1": {"127.0.0.1"}, "0x7f.1": {"127.0.0.1"}, "127.1": {"127.0.0.1"},
		"2852039166": {"169.254.169.254"}, "0xa9fea9fe": {"169.254.169.254"}, "169.254.169.254": {"169.254.169.254"}, "①②⑦.⓪.⓪.①": {"127.0.0.1"}, "127。0。0。1": {"127.0.0.1"},
	}}
}

// TestURLsOfStrangers: every URL by which a request could make this server call what its sender cannot reach, where a
// connection was opened, and what the client is told. No address that is not public is ever called, and no text tells
// one.
func TestURLsOfStrangers(t *testing.T) {
	var b strings.Builder
	b.WriteString("What becomes of URLs that requests name: the URL, where a connection was opened (- for nowhere), and what came of it.\n" +
		"go test ./internal/fetch -run TestURLsOfStrangers -update writes this file; without -update it is compared.\n")
	w := newWorld()
	f := fetch.New(fetch.Options{MaxBytes: 1 << 20, Timeout: 10 * time.Second, Resolve: w.resolve, Dial: w.dial})
	for _, link := range strangersURLs() {
		if head, ok := strings.CutPrefix(link, "# "); ok {
			fmt.Fprintf(&b, "\n== %s\n\n", head)
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			w.dialled = nil
			began := time.Now()
			file, err := f.Get(t.Context(), link, http.Header{"Api-Key": {"hunter2"}})
			if d := time.Since(began); d > 10*time.Second {
				t.Errorf("%s took %v", link, d)
			}
			checkDialled(t, link, w.dialled)
			outcome := fmt.Sprintf("%d bytes, %s, %q", len(file.Bytes), file.MIME, file.Name)
			if err != nil {
				outcome = told(t, link, err)
			}
			fmt.Fprintf(&b, "%-68q %-32s %s\n", link, strings.Join(w.dialled, " ")+strings.Repeat("-", max(0, 1-len(w.dialled))), outcome)
		})
	}
	file := filepath.Join("testdata", "ssrf.txt")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s is not what is so (-file +now):\n%s", file, diff)
	}
}

// checkDialled: whatever the table says, only these were called.
func checkDialled(t *testing.T, link string, dialled []string) {
	t.Helper()
	for _, address := range dialled {
		host := netip.MustParseAddrPort(address).Addr().String()
		switch host {
		case "93.184.216.34", "8.8.8.8", "8.8.4.4", "2606:4700:4700::1111":
		default:
			t.Errorf("%s: %s was called", link, address)
		}
	}
}

func told(t *testing.T, link string, err error) string {
	t.Helper()
	e, ok := errors.AsType[*fetch.Error](err)
	if !ok {
		t.Fatalf("%s: %v", link, err)
	}
	for _, quoted := range []string{"127.0.0.1", "10.0.0.1", "169.254", "hunter2", "pw@", "passwd", "inside", "metadata"} {
		if strings.Contains(e.Message, quoted) {
			t.Errorf("%s: the client is told %q: %s", link, quoted, e.Message)
		}
	}
	return e.Message
}
