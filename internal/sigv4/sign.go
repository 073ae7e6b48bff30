package sigv4

import (
	"bytes"
	"crypto/fips140"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	algorithm = "AWS4-HMAC-SHA256"
	ending    = "aws4_request"

	headerDate  = "X-Amz-Date"
	headerToken = "X-Amz-Security-Token"

	instant = "20060102T150405Z"
	dayLen  = len("20060102")
)

// Signer signs for one service in one region. It keeps the key that it derived from the last credentials on the last
// day, and so is best used with one identity. It may be used by several goroutines.
type Signer struct {
	Service, Region string

	key    atomic.Pointer[derived]
	moment atomic.Pointer[moment]
}

// derived is the signing key of a day.
type derived struct {
	id, secret, day string
	key             [sha256.Size]byte
}

// moment is a second, written out.
type moment struct {
	second int64
	text   string // as of instant
}

// Sign sets X-Amz-Date, X-Amz-Security-Token where the credentials have one, and Authorization. The body is what the
// request sends: in memory, for its hash is part of the signature. Every header that is set is signed, but for those that a
// proxy may change or net/http writes by itself, as in the SDK. A query is put into the order in which it is signed.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func (s *Signer) Sign(r *http.Request, body []byte, c aws.Credentials, now time.Time) {
	date := s.at(now)
	values := make([]string, 3)
	values[0] = date
	r.Header[headerDate] = values[0:1:1]
	delete(r.Header, headerToken)
	if c.SessionToken != "" {
		values[1] = c.SessionToken
		r.Header[headerToken] = values[1:2:2]
	}

	var scratch [2048]byte
	var namesOnStack [24]string
	names := signedNames(namesOnStack[:0], r)
	canonical := appendCanonical(scratch[:0], r, names)
	canonical = append(canonical, '\n')
	list := len(canonical)
	canonical = appendList(canonical, names)
	signed := len(canonical) - list
	canonical = append(canonical, '\n')
	hash := sha256.Sum256(body)
	canonical = hex.AppendEncode(canonical, hash[:])

	var toSignOnStack [256]byte
	toSign := append(toSignOnStack[:0], algorithm+"\n"...)
	toSign = append(append(toSign, date...), '\n')
	toSign = append(s.appendScope(toSign, date[:dayLen]), '\n')
	hash = sha256.Sum256(canonical)
	toSign = hex.AppendEncode(toSign, hash[:])
	key := s.keyOf(c, date[:dayLen])
	signature := hmacSHA256(key.key[:], toSign)

	var textOnStack [512]byte
	text := append(textOnStack[:0], algorithm+" Credential="...)
	text = append(append(text, c.AccessKeyID...), '/')
	text = append(s.appendScope(text, date[:dayLen]), ", SignedHeaders="...)
	text = append(text, canonical[list:list+signed]...)
	text = hex.AppendEncode(append(text, ", Signature="...), signature[:])
	values[2] = string(text)
	r.Header["Authorization"] = values[2:3:3]
}

// at is a time as it is signed, of which there is one text a second.
func (s *Signer) at(now time.Time) string {
	second := now.Unix()
	m := s.moment.Load()
	if m == nil || m.second != second {
		m = &moment{second, now.UTC().Format(instant)}
		s.moment.Store(m)
	}
	return m.text
}

func (s *Signer) appendScope(b []byte, day string) []byte {
	b = append(append(b, day...), '/')
	b = append(append(b, s.Region...), '/')
	b = append(append(b, s.Service...), '/')
	return append(b, ending...)
}

func (s *Signer) keyOf(c aws.Credentials, day string) *derived {
	if d := s.key.Load(); d != nil && d.day == day && d.id == c.AccessKeyID && d.secret == c.SecretAccessKey {
		return d
	}
	d := &derived{id: c.AccessKeyID, secret: c.SecretAccessKey, day: day}
	d.key = hmacSHA256([]byte("AWS4"+c.SecretAccessKey), []byte(day))
	for _, part := range []string{s.Region, s.Service, ending} {
		d.key = hmacSHA256(d.key[:], []byte(part))
	}
	s.key.Store(d)
	return d
}

// hmacSHA256 is crypto/hmac's with SHA-256, without its allocations: the messages are short and at hand.
// https://datatracker.ietf.org/doc/html/rfc2104
func hmacSHA256(key, message []byte) [sha256.Size]byte {
	if fips140.Enabled() {
		return approvedHMAC(key, message)
	}
	var inner [sha256.BlockSize + 512]byte
	var outer [sha256.BlockSize + sha256.Size]byte
	if len(key) > sha256.BlockSize {
		sum := sha256.Sum256(key)
		key = sum[:]
	}
	copy(inner[:], key)
	copy(outer[:], key)
	for i := range sha256.BlockSize {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	sum := sha256.Sum256(append(inner[:sha256.BlockSize], message...))
	copy(outer[sha256.BlockSize:], sum[:])
	return sha256.Sum256(outer[:])
}

// unsigned are headers that are not signed: a signature would break when somebody on the way changes them.
func unsigned(name string) bool {
	switch name {
	case "Authorization", "User-Agent", "X-Amzn-Trace-Id", "Expect", "Transfer-Encoding", "Content-Length":
		return true
	}
	return false
}

// signedNames are the names of the headers that are signed, in their order, which is that of lower case.
func signedNames(names []string, r *http.Request) []string {
	names = append(names, "Host")
	if r.ContentLength > 0 {
		names = append(names, "Content-Length")
	}
	for name := range r.Header {
		if !unsigned(name) && !strings.EqualFold(name, "Content-Length") {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, byLowerCase)
	return names
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

func byLowerCase(a, b string) int {
	for i := range min(len(a), len(b)) {
		if x, y := lower(a[i]), lower(b[i]); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

func appendLower(b []byte, name string) []byte {
	for i := range len(name) {
		b = append(b, lower(name[i]))
	}
	return b
}

// appendCanonical appends the canonical request up to its headers.
func appendCanonical(b []byte, r *http.Request, names []string) []byte {
	b = append(append(b, r.Method...), '\n')
	b = append(appendEscaped(b, pathOf(r.URL)), '\n')
	if r.URL.RawQuery != "" {
		own := *r.URL // requests may share one
		own.RawQuery = canonicalQuery(r.URL.Query())
		r.URL = &own
		b = append(b, r.URL.RawQuery...)
	}
	b = append(b, '\n')
	for _, name := range names {
		b = append(appendLower(b, name), ':')
		b = append(appendValue(b, r, name), '\n')
	}
	return b
}

// appendList appends the names with a semicolon between them.
func appendList(b []byte, names []string) []byte {
	for i, name := range names {
		if i > 0 {
			b = append(b, ';')
		}
		b = appendLower(b, name)
	}
	return b
}

func pathOf(u *url.URL) string {
	if path := u.EscapedPath(); path != "" {
		return path
	}
	return "/"
}

// appendEscaped escapes a path that is escaped already once more: every service but S3 has it so.
func appendEscaped(b []byte, path string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(path) {
		c := path[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~/", c) >= 0 {
			b = append(b, c)
			continue
		}
		b = append(b, '%', digits[c>>4], digits[c&15])
	}
	return b
}

// canonicalQuery is a query in the order of its escaped names and values.
func canonicalQuery(query url.Values) string {
	var all [][2]string
	for name, values := range query {
		for _, value := range values {
			all = append(all, [2]string{escapeQuery(name), escapeQuery(value)})
		}
	}
	slices.SortFunc(all, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	var b strings.Builder
	for i, pair := range all {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(pair[0] + "=" + pair[1])
	}
	return b.String()
}

func escapeQuery(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// appendValue appends what a header says, without the spaces that do not count.
func appendValue(b []byte, r *http.Request, name string) []byte {
	switch name {
	case "Host":
		return appendTrimmed(b, hostOf(r))
	case "Content-Length":
		return strconv.AppendInt(b, r.ContentLength, 10)
	}
	for i, value := range r.Header[name] {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTrimmed(b, value)
	}
	return b
}

// hostOf is the host that the server reads: without the port that the scheme has anyway.
func hostOf(r *http.Request) string {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	standard := ":80"
	if strings.EqualFold(r.URL.Scheme, "https") {
		standard = ":443"
	}
	if bare, ok := strings.CutSuffix(host, standard); ok {
		r.Host = bare
		return bare
	}
	return host
}

// appendTrimmed appends a value without spaces at its ends, and with one where there are several.
func appendTrimmed(b []byte, value string) []byte {
	value = strings.TrimSpace(value)
	for i := range len(value) {
		if value[i] != ' ' || value[i-1] != ' ' {
			b = append(b, value[i])
		}
	}
	return b
}

// approvedHMAC is that of the validated module, which is what FIPS mode is for.
func approvedHMAC(key, message []byte) (sum [sha256.Size]byte) {
	// Copies: what an interface gets is on the heap, in the other mode too.
	h := hmac.New(sha256.New, bytes.Clone(key))
	h.Write(bytes.Clone(message))
	h.Sum(sum[:0])
	return sum
}
