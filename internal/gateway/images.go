package gateway

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
	"outcrop/internal/usage"
)

// handleImages makes images for a request whose body names the deployment.
func (g *Gateway) handleImages(x *exchange, r *http.Request, caller auth.Caller) error {
	return g.images(x, r, caller, "")
}

// handleImageEdits is handleImages for images that are made of others.
func (g *Gateway) handleImageEdits(x *exchange, r *http.Request, caller auth.Caller) error {
	return g.imageEdits(x, r, caller, "")
}

// images makes images of a text, in OpenAI's words.
func (g *Gateway) images(x *exchange, r *http.Request, caller auth.Caller, name string) error {
	x.fail, x.operation = openai.WriteImageError, usage.ImageGeneration
	body, release, err := g.readBody(x, r)
	if err != nil {
		return x.refuse(err)
	}
	defer release()
	req, shape, err := openai.DecodeImages(body)
	if err != nil {
		return x.refuse(err)
	}
	return g.draw(x, asked{r, caller, name}, req, shape)
}

// imageEdits makes images of others, which come in a form or, by their URLs, in JSON.
func (g *Gateway) imageEdits(x *exchange, r *http.Request, caller auth.Caller, name string) error {
	x.fail, x.operation = openai.WriteImageError, usage.ImageGeneration
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && media == "multipart/form-data" {
		req, shape, err := g.readForm(x, r, params["boundary"])
		if err != nil {
			return x.refuse(err)
		}
		return g.draw(x, asked{r, caller, name}, req, shape)
	}
	body, release, err := g.readBody(x, r)
	if e, ok := errors.AsType[*llm.Error](err); ok && e.Kind == llm.KindUnsupportedType && media != "application/json" {
		e.Message = "Only multipart/form-data and application/json are supported: set the Content-Type header."
	}
	if err != nil {
		return x.refuse(err)
	}
	defer release()
	req, shape, err := openai.DecodeImageEdit(body)
	if err != nil {
		return x.refuse(err)
	}
	return g.draw(x, asked{r, caller, name}, req, shape)
}

// draw is the rest of the path: an image model is a chat model that answers with files.
func (g *Gateway) draw(x *exchange, a asked, req *llm.ChatRequest, shape openai.ImageShape) error {
	c, err := g.callOf(x, a, nil, decoded{req, shape.Shape})
	if err != nil {
		return x.refuse(err)
	}
	if err := g.claim(a.r.Context(), x, need{images: max(1, c.shape.N)}); err != nil {
		return x.refuse(err)
	}
	if err := g.attach(a.r, linksOf(c.req), newBudget()); err != nil {
		return x.refuse(err)
	}
	if err := openai.ConvertMask(c.req); err != nil {
		return x.refuse(err)
	}
	reply := c.ask(a.r.Context())
	if shape.URL {
		reply = g.stored(x, a.r, reply)
	}
	write := openai.WriteImages
	if c.shape.Stream {
		write = openai.WriteImageStream
	}
	return write(x, reply, openai.ImageEnvelope{Envelope: c.envelope(x), URL: shape.URL, Edit: shape.Edit})
}

// readForm reads a form once, whole.
func (g *Gateway) readForm(x *exchange, r *http.Request, boundary string) (*llm.ChatRequest, openai.ImageShape, error) {
	if boundary == "" {
		return nil, openai.ImageShape{}, llm.Invalid("", "The Content-Type has no boundary: let the HTTP client set it.")
	}
	if err := x.openBody(r); err != nil {
		return nil, openai.ImageShape{}, err
	}
	body := &noting{Reader: http.MaxBytesReader(x, x.arriving(r), x.most)}
	req, shape, err := openai.DecodeImageForm(body, boundary)
	if body.err == nil && err == nil {
		_, _ = io.Copy(io.Discard, body) // what follows the form; that it fails is noted
	}
	if body.err != nil {
		return nil, openai.ImageShape{}, bodyError(r.Context(), body.err)
	}
	if err != nil {
		return nil, openai.ImageShape{}, err
	}
	return req, shape, x.allow(time.Time{})
}

// noting is a reader that remembers how it failed.
type noting struct {
	io.Reader
	err error
}

// Read implements io.Reader.
func (n *noting) Read(p []byte) (int, error) {
	count, err := n.Reader.Read(p)
	if err != nil && err != io.EOF {
		n.err = err
	}
	return count, err
}
