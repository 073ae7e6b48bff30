package main

import (
	"fmt"
	"strings"
)

// rawRequest is bytes that somebody sends.
type rawRequest struct{ name, bytes string }

const (
	rawChat  = "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: g\r\nApi-Key: a-key-of-team-a\r\nContent-Type: application/json\r\nX-Request-Id: first\r\n"
	rawBody  = `{"model":"private","messages":[{"role":"user","content":"Hello"}]}`
	rawOther = "GET /v1/user/info HTTP/1.1\r\nHost: g\r\nApi-Key: a-key-of-team-a\r\nX-Request-Id: hidden\r\n\r\n"
	rawGet   = "GET /v1/user/info HTTP/1.1\r\nHost: g\r\nApi-Key: a-key-of-team-a\r\nX-Request-Id: first\r\n"
)

func sized(body string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body) }

func inChunk(body string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body) }

// lengths are requests whose end can be seen in more than one place. Behind each stands another request, which nobody
// may answer who is not sure.
func lengths() []rawRequest {
	const chunked = "Transfer-Encoding: chunked\r\n"
	length := func(value string) rawRequest {
		return rawRequest{fmt.Sprintf("Content-Length: %q", value), rawChat + "Content-Length: " + value + "\r\n\r\n" + rawBody + rawOther}
	}
	coding := func(line string) rawRequest {
		return rawRequest{fmt.Sprintf("a length and %q", line), rawChat + fmt.Sprintf("Content-Length: %d\r\n", len(inChunk(rawBody))) + line + "\r\n\r\n" + inChunk(rawBody) + rawOther}
	}
	n := len(rawBody)
	return []rawRequest{
		{"(a good request, and one behind it)", rawChat + sized(rawBody) + rawOther},
		{"(a good one in chunks)", rawChat + chunked + "\r\n" + inChunk(rawBody) + rawOther},
		{"two lengths that are the same", rawChat + fmt.Sprintf("Content-Length: %d\r\n", n) + sized(rawBody) + rawOther},
		{"two lengths that differ", rawChat + "Content-Length: 5\r\n" + sized(rawBody) + rawOther},
		length(fmt.Sprintf("%d, %d", n, n)), length("-1"), length(fmt.Sprintf("+%d", n)), length(fmt.Sprintf("0x%x", n)), length("6 6"), length(""), length("many"),
		length("99999999999999999999"), length("9999999999"), length(fmt.Sprintf("%d\x0b", n)), length(fmt.Sprintf("000%d", n)),
		{"CL.TE: the length is of all, the chunks end before", rawChat + chunked + sized("0\r\n\r\n"+rawOther)},
		{"TE.CL: the length ends within the first chunk", rawChat + chunked + "Content-Length: 4\r\n\r\n" + inChunk(rawBody) + rawOther},
		coding("Transfer-Encoding: chunked"), coding("Transfer-Encoding : chunked"), coding("Transfer-Encoding:\tchunked"), coding("Transfer-Encoding: Chunked"), coding("Transfer-Encoding: xchunked"),
		coding("Transfer-Encoding: chunked, identity"), coding("Transfer-Encoding: identity"), coding("Transfer-Encoding: identity, chunked"), coding("Transfer-Encoding: gzip, chunked"),
		coding("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), coding("Transfer-Encoding: chunked\r\nTransfer-Encoding: x"), coding("Transfer-Encoding: \"chunked\""),
		coding("Transfer-Encoding: chunked\x0b"), coding("Transfer-Encoding: \x00chunked"), coding("Transfer-Encoding\x00: chunked"), coding("Transfer-Encoding: chu\x00nked"), coding("Transfer-Encoding:\r\n chunked"),
		coding("X-A: a\r\n Transfer-Encoding: chunked"), coding("X-A: a\nTransfer-Encoding: chunked"), coding("X-A: a\rTransfer-Encoding: chunked"), coding("Transfer_Encoding: chunked"), coding("Content-Encoding: chunked"),
		{"HTTP/1.0 that stays, with chunks", strings.Replace(rawChat, "HTTP/1.1", "HTTP/1.0", 1) + "Connection: keep-alive\r\n" + chunked + sized(rawBody) + rawOther},
		{"a GET with a body that is a request", rawGet + sized(rawOther) + strings.Replace(rawOther, "hidden", "behind", 1)},
		{"a GET in chunks", rawGet + chunked + "\r\n" + inChunk(rawOther) + rawOther},
		{"a HEAD with a body", strings.Replace(rawGet, "GET", "HEAD", 1) + sized(rawOther) + strings.Replace(rawOther, "hidden", "behind", 1)},
	}
}

// chunks are bodies in chunks that are none.
func chunks() []rawRequest {
	chunked := func(name, body string) rawRequest {
		return rawRequest{name, rawChat + "Transfer-Encoding: chunked\r\n\r\n" + body + rawOther}
	}
	n := len(rawBody)
	return []rawRequest{
		chunked("a chunk of 2^64 bytes", "ffffffffffffffff\r\n"+rawBody), chunked("a chunk of 2^68 bytes", "fffffffffffffffff\r\n"+rawBody), chunked("a chunk of -5 bytes", "-5\r\n"+rawBody),
		chunked("a chunk of +5 bytes", "+5\r\nhello\r\n0\r\n\r\n"), chunked("a chunk of 0x5 bytes", "0x5\r\nhello\r\n0\r\n\r\n"), chunked("a size with a blank before", " 5\r\nhello\r\n0\r\n\r\n"),
		chunked("a size that ends in a line feed alone", fmt.Sprintf("%x\n%s\r\n0\r\n\r\n", n, rawBody)), chunked("a chunk without a line behind it", fmt.Sprintf("%x\r\n%s0\r\n\r\n", n, rawBody)),
		chunked("a small extension", fmt.Sprintf("%x;a=b\r\n%s\r\n0\r\n\r\n", n, rawBody)), chunked("an extension with a line feed", fmt.Sprintf("%x;a\nb\r\n%s\r\n0\r\n\r\n", n, rawBody)),
		chunked("an extension of 100 KB", "5;"+strings.Repeat("a", 100_000)), chunked("extensions without end on small chunks", strings.Repeat("1;"+strings.Repeat("a", 4000)+"\r\n \r\n", 100)),
		chunked("trailers that would be headers", fmt.Sprintf("%x\r\n%s\r\n0\r\nContent-Length: 5\r\nAuthorization: Bearer x\r\nHost: evil\r\n\r\n", n, rawBody)),
		chunked("trailers of 1 MB", fmt.Sprintf("%x\r\n%s\r\n0\r\n%s\r\n", n, rawBody, strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 1000))),
		chunked("a trailer that is no header", fmt.Sprintf("%x\r\n%s\r\n0\r\nnothing\r\n\r\n", n, rawBody)),
	}
}

// heads are first lines and headers that are not what they should be.
func rawHeads() []rawRequest {
	header := func(name, line string) rawRequest { return rawRequest{name, rawGet + line + "\r\n\r\n" + rawOther} }
	line := func(first string) rawRequest {
		return rawRequest{fmt.Sprintf("%.60q", first), first + "\r\nHost: g\r\nApi-Key: a-key-of-team-a\r\nX-Request-Id: first\r\n\r\n" + rawOther}
	}
	return []rawRequest{
		{"line feeds alone", strings.ReplaceAll(rawGet+"\r\n", "\r\n", "\n") + rawOther},
		header("a header that goes on on the next line", "X-A: a\r\n b"), header("a zero byte in a header", "X-A: a\x00b"), header("a carriage return in a header", "X-A: a\rb"),
		header("a control character in a header", "X-A: a\x01b"), header("a header without a colon", "nothing"), header("a header without a name", ": a"), header("a blank before the colon", "X-A : a"),
		header("a line that begins with a blank", " X-A: a"), header("a name with a zero byte", "X\x00A: a"), header("a name with a carriage return", "X\rA: a"), header("a name that is not ASCII", "X-Ä: a"),
		header("two hosts", "Host: evil"), {"no host", "GET /v1/user/info HTTP/1.1\r\nApi-Key: a-key-of-team-a\r\n\r\n" + rawOther}, {"a host that is none", "GET /v1/user/info HTTP/1.1\r\nHost: a b\r\n\r\n" + rawOther},
		header("two keys", "Api-Key: a-key-of-team-a"), header("two keys, one with a low line", "Api_Key: a-key-of-team-b"), header("the connection drops the key's header", "Connection: Api-Key"),
		header("10 000 headers", strings.Repeat("X-A: a\r\n", 10_000)+"X-B: b"), header("a header of 1 MB", "X-A: "+strings.Repeat("a", 1<<20)), header("a header of 32 KB", "X-A: "+strings.Repeat("a", 32<<10)),
		header("a header without end", "X-A: "+strings.Repeat("a", 5<<20)), line("GET /" + strings.Repeat("a", 100_000) + " HTTP/1.1"), line("GET /?" + strings.Repeat("a=b&", 10_000) + " HTTP/1.1"),
		line(" GET /v1/user/info HTTP/1.1"), line("GET\t/v1/user/info\tHTTP/1.1"), line("GET  /v1/user/info  HTTP/1.1"), line("GET /v1/user/info HTTP/1.1 "), line("GET /v1/user/info HTTP/1.1\r"), line("GET /v1/user/info"),
		line("GET /v1/user/info HTTP/0.9"), line("GET /v1/user/info HTTP/1.2"), line("GET /v1/user/info HTTP/2.0"), line("GET /v1/user/info HTTP/9.9"), line("GET /v1/user/info http/1.1"), line("GET /v1/us\x00er/info HTTP/1.1"),
		{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"}, {"a handshake of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"}, {"nothing but line ends", strings.Repeat("\r\n", 1000)},
		header("an upgrade to h2c", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"), header("an upgrade to a WebSocket", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
		header("Expect: something else", "Expect: 200-ok"), {"Expect: 100-continue, and the body", rawChat + "Expect: 100-continue\r\n" + sized(rawBody) + rawOther},
		{"Expect: 100-continue from a stranger", strings.Replace(rawChat, "a-key-of-team-a", "x", 1) + "Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n"},
	}
}

// targets are ways to a route that is not what it looks like, without a key.
func rawTargets() (all []rawRequest) {
	for _, target := range []string{
		"/v1/user/info", "//v1/user/info", "/v1//user/info", "/health/../v1/user/info", "/health/%2e%2e/v1/user/info", "/health/%2e%2e%2fv1%2fuser%2finfo", "/health/%252e%252e/v1/user/info", "/health/..%5cv1/user/info",
		"/v1/user/info/", "/v1/user/info;x=y", "/health;/../v1/user/info", "/v1/user/%69nfo", "/V1/USER/INFO", "/v1/user/info%00", "/v1/user/info%20", "/v1/user/info#", "/v1/user/info?", "/v1/./user/info", "/health/%2e", "/%2e%2e/%2e%2e/etc/passwd",
		"/health%2f..%2fv1%2fuser%2finfo", "/version/..;/v1/user/info", "http://evil.example/v1/user/info", "http://g@evil.example/v1/user/info", "https://g/v1/user/info", "g/v1/user/info", "*", "?", "", "/openai/deployments/%2e%2e/v1/user/info", "/canned", "/canned/", "/%63anned", "/%zz",
	} {
		all = append(all, rawRequest{target, "GET " + target + " HTTP/1.1\r\nHost: g\r\nX-Request-Id: first\r\n\r\n"})
	}
	for _, method := range []string{"TRACE", "CONNECT", "OPTIONS", "PROPFIND", "HEAD", "get", "G\x00T", "GET;", strings.Repeat("A", 10_000), "PRI"} {
		all = append(all, rawRequest{fmt.Sprintf("%.20s /v1/user/info", method), method + " /v1/user/info HTTP/1.1\r\nHost: g\r\nX-Request-Id: first\r\n\r\n"})
	}
	return append(all, rawRequest{"CONNECT evil.example:443", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n"},
		rawRequest{"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: g\r\nX-Request-Id: first\r\n\r\n"})
}

// pipelines are several requests at once: each has its own answer, in the order of the requests.
func pipelines() []rawRequest {
	get := func(id string) string { return strings.Replace(rawOther, "hidden", id, 1) }
	post := func(id, key, body string) string {
		return strings.NewReplacer("first", id, "a-key-of-team-a", key).Replace(rawChat) + sized(body)
	}
	wrong := strings.Replace(get("w"), "a-key-of-team-a", "x", 1)
	return []rawRequest{
		{"three good ones", get("a") + get("b") + get("c")},
		{"refused, good, refused, good", wrong + get("b") + wrong + get("d")},
		{"a chat that is refused with its body unread, and a good one", post("a", "x", rawBody) + get("b")},
		{"the body that is unread is a request", post("a", "x", get("hidden")) + get("b")},
		{"a refused one of 1 MB, and a good one", post("a", "x", strings.Repeat(" ", 1<<20)) + get("b")},
		{"a chat that is no JSON, and a good one", post("a", "a-key-of-team-a", "{") + get("b")},
		{"two chats", post("a", "a-key-of-team-a", rawBody) + post("b", "a-key-of-team-a", rawBody)},
		{"a good one, one with two lengths, a good one", get("a") + rawChat + "Content-Length: 5\r\n" + sized(rawBody) + get("c")},
		{"a hundred", strings.Repeat(get("a"), 100)},
	}
}
