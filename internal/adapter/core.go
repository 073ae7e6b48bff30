package adapter

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	"outcrop/internal/client"
	"outcrop/internal/llm"
)

const (
	// askTimeout bounds a question to Core, whose answer a request waits for.
	askTimeout = 5 * time.Second
	// dialTimeout is how long a connection to Core may take.
	dialTimeout = 10 * time.Second
	// maxCoreReply is the longest answer of Core's, in bytes.
	maxCoreReply = 1 << 20
	// folderTTL is how long a folder of a key is remembered.
	folderTTL = time.Minute
)

// core is the AI DIAL Core that DIAL_URL names, asked with the key of each request.
type core struct {
	base       *url.URL
	apiVersion string
	transport  http.RoundTripper
	folders    *cache[digest, string] // by key
}

// newCore returns nil when there is none.
func newCore(o *Options) *core {
	if o.Core == nil {
		return nil
	}
	transport := o.CoreTransport
	if transport == nil {
		// No proxy: Core is a neighbour, and is sent the caller's key.
		transport = &http.Transport{
			DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext, TLSHandshakeTimeout: dialTimeout,
			MaxIdleConnsPerHost: 64, IdleConnTimeout: 50 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		}
	}
	return &core{base: o.Core, apiVersion: o.APIVersion, transport: transport, folders: newCache[digest, string](o.CacheSize)}
}

// address is a path of Core's.
func (c *core) address(path string) string { return strings.TrimSuffix(c.base.String(), "/") + path }

// coreError is an answer that is not a good one.
type coreError struct {
	call   string
	status int
}

func (e *coreError) Error() string {
	return fmt.Sprintf("DIAL Core answered %s with status %d", e.call, e.status)
}

// ask sends a request and reads the JSON of its reply. Redirects are not followed: they would carry the
// key elsewhere.
func (c *core) ask(req *http.Request, key string, into any) error {
	req.Header.Set("Api-Key", key)
	req.Header.Set("User-Agent", "outcrop")
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("calling DIAL Core: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return &coreError{req.Method + " " + strings.TrimPrefix(req.URL.Path, strings.TrimSuffix(c.base.Path, "/")), resp.StatusCode}
	}
	d := json.NewDecoder(io.LimitReader(resp.Body, maxCoreReply))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return errors.New("DIAL Core's answer is no JSON") // err may quote it
	}
	return nil
}

// chat is a deployment that Core has, asked in the name of who asks here.
func (c *core) chat(r *http.Request, deployment string) llm.ChatModel {
	query := url.Values{"api-version": {c.apiVersion}}
	return client.Model{
		URL:    c.address("/openai/deployments/" + url.PathEscape(deployment) + "/chat/completions?" + query.Encode()),
		Header: forwarded(r.Header), HTTP: &http.Client{Transport: c.transport},
	}
}

// forwarded are the headers that go on to Core: not those that are about this connection or this body, nor
// what Core tells its adapters, nor what Anthropic's clients tell Anthropic. A server may take a low line in a name
// for a dash.
func forwarded(header http.Header) http.Header {
	out := make(http.Header, len(header))
	for name, values := range header {
		switch own := http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-")); own {
		case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
			"Accept", "Accept-Encoding", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host", "Origin", "Referer",
			"Authorization", "X-Api-Key", "Cookie", "User-Agent",
			"X-Dial-Deployment-Id", "X-Dial-Deployment-Features", "X-Dial-Override-Name", "X-Dial-Cache-Breakpoint-Path":
		default:
			if (own == name || own != "Api-Key") && !strings.HasPrefix(own, "X-Upstream-") && !strings.HasPrefix(own, "Anthropic-") && !strings.HasPrefix(own, "X-Stainless-") {
				out[name] = values
			}
		}
	}
	out.Set("User-Agent", translatorAgent)
	return out
}

// translatorAgent is what DIAL's translator calls itself; Core's operators may look for it.
const translatorAgent = "anthropicMessages-to-openaiChatCompletions-translator"

// get is ask for a GET. The request that first needs the answer may leave while others wait for it.
func (c *core) get(ctx context.Context, path, key string, into any) error {
	timed, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(timed, http.MethodGet, c.address(path), http.NoBody)
	if err != nil {
		return err
	}
	return c.ask(req, key, into)
}

// folder is where the caller's files go: the app data of the deployment, or the caller's own bucket.
func (c *core) folder(ctx context.Context, key string) (string, error) {
	return c.folders.get(ctx, sha256.Sum256([]byte(key)), func() (made[string], error) {
		var reply struct{ Bucket, AppData string }
		if err := c.get(ctx, "/v1/bucket", key, &reply); err != nil {
			return made[string]{}, err
		}
		folder := reply.AppData
		if folder == "" {
			folder = reply.Bucket
		}
		if folder == "" {
			return made[string]{}, errors.New("DIAL Core names no bucket")
		}
		return made[string]{folder, folderTTL}, nil
	})
}

// store puts a file into DIAL's storage and says where it is, "files/…". The same file of the same
// caller has the same place.
func (c *core) store(ctx context.Context, credentials http.Header, file llm.Blob) (string, error) {
	key := credentials.Get("Api-Key")
	if key == "" {
		return "", storeError("no Api-Key came with the request", nil)
	}
	data := file.Bytes
	if data == nil {
		var err error
		if data, err = base64.StdEncoding.DecodeString(file.Base64); err != nil {
			return "", storeError("the file is not base64", err)
		}
	}
	folder, err := c.folder(ctx, key)
	if err != nil {
		return "", storeError("the caller's bucket is not known", err)
	}
	sum := sha256.Sum256(data)
	name := hex.EncodeToString(sum[:]) + extension(file.MIME)
	path := "files/" + strings.Trim(folder, "/") + "/images/" + name
	body, contentType := form(name, file.MIME, data)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, c.address("/v1/"+path), body)
	if err != nil {
		return "", storeError("its address is not valid", err)
	}
	req.Header.Set("Content-Type", contentType)
	var reply struct{ URL string }
	if err := c.ask(req, key, &reply); err != nil {
		return "", storeError("it did not take the file", err)
	}
	if reply.URL == "" {
		return path, nil
	}
	return reply.URL, nil
}

// storeError is for the log: the file stays in the reply.
func storeError(why string, err error) error {
	if err == nil {
		return errors.New(why)
	}
	return fmt.Errorf("%s: %w", why, err)
}

// form is a multipart body with the field "file".
func form(name, media string, data []byte) (body *bytes.Buffer, contentType string) {
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	header := textproto.MIMEHeader{}
	header.Set("Content-Disposition", fmt.Sprintf(`form-data; name="file"; filename=%q`, name))
	if media != "" {
		header.Set("Content-Type", media)
	}
	// A bytes.Buffer takes everything.
	if part, err := w.CreatePart(header); err == nil {
		_, _ = part.Write(data)
	}
	_ = w.Close()
	return body, w.FormDataContentType()
}

// extension ends the names of files of a type. The system's own table differs from host to host.
func extension(media string) string {
	switch media {
	case "image/png":
		return ".png"
	case "image/jpeg":
		return ".jpeg"
	case "image/webp":
		return ".webp"
	case "image/gif":
		return ".gif"
	case "video/mp4":
		return ".mp4"
	default:
		return ""
	}
}
