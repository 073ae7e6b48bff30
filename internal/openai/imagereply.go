package openai

import (
	"encoding/base64"
	"errors"
	"iter"
	"net/http"
	"strconv"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/sse"
)

// ImageEnvelope is what a reply with images says beside them.
type ImageEnvelope struct {
	Envelope
	URL  bool // ImageShape.URL: of an image that is nowhere else, a data: URL
	Edit bool // ImageShape.Edit
}

// WriteImageError is WriteError for a request for images: the member that the error blames is written as
// that of such a request.
func WriteImageError(w http.ResponseWriter, err error) {
	if e, ok := errors.AsType[*llm.Error](err); ok && imagePath(e.Param) != e.Param {
		own := *e
		own.Param = imagePath(e.Param)
		err = &own
	}
	WriteError(w, err)
}

// WriteImages answers with the images of all choices, in their order. Its error is as WriteReply's.
func WriteImages(w http.ResponseWriter, seq iter.Seq2[llm.Event, error], env ImageEnvelope) error {
	choices, err := collect(seq, &env.Envelope)
	var images []llm.BlobOut
	for _, c := range choices {
		if images = append(images, c.Blobs...); len(c.Blobs) == 0 {
			err = noImage()
		}
	}
	if err != nil {
		WriteImageError(w, err)
		return err
	}
	buf := getBuffer()
	defer putBuffer(buf)
	*buf = append(*buf, `{"created":`...)
	*buf = strconv.AppendInt(*buf, env.Created.Unix(), 10)
	*buf = append(*buf, `,"data":[`...)
	for i := range images {
		*buf = env.appendImage(append(comma(*buf), '{'), &images[i])
		*buf = append(*buf, '}')
	}
	*buf = append(append(append(*buf, `],"output_format":"`...), formatOf(&images[0])...), "\"}\n"...)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(*buf)))
	env.setHeaders(h, choices[0].Start)
	if _, err := w.Write(*buf); err != nil {
		return clientGone(err)
	}
	return nil
}

func noImage() error {
	return &llm.Error{Kind: llm.KindUpstream, Message: "The model answered without an image."}
}

// formatOf is the word of output_format for an image.
func formatOf(out *llm.BlobOut) string {
	switch format, _ := strings.CutPrefix(out.Blob.MIME, "image/"); format {
	case "png", "jpeg", "webp", "gif":
		return format
	default:
		return "unknown"
	}
}

// appendImage appends the member b64_json or url.
func (env *ImageEnvelope) appendImage(dst []byte, out *llm.BlobOut) []byte {
	switch {
	case out.URL != "":
		return jsonscan.AppendString(append(dst, `"url":`...), out.URL)
	case env.URL:
		dst = append(append(append(dst, `"url":"data:image/`...), formatOf(out)...), ";base64,"...)
	default:
		dst = append(dst, `"b64_json":"`...)
	}
	if out.Blob.Base64 != "" {
		dst = append(dst, out.Blob.Base64...)
	} else {
		dst = base64.StdEncoding.AppendEncode(dst, out.Blob.Bytes)
	}
	return append(dst, '"')
}

// setHeaders is Envelope's with the paths of a request for images.
func (env *ImageEnvelope) setHeaders(h http.Header, start llm.Start) {
	paths := func(list []string) []string {
		out := make([]string, len(list))
		for i, path := range list {
			out[i] = imagePath(path)
		}
		return out
	}
	start.Ignored, start.Changed = paths(start.Ignored), paths(start.Changed)
	SetHeaders(h, &env.Envelope, &start)
}

// WriteImageStream answers with an event for each image, as soon as it is there. An error before the first
// is answered by WriteImageError, one after it becomes an event of the type error. Its error is as
// WriteStream's.
// https://platform.openai.com/docs/api-reference/images-streaming
func WriteImageStream(w http.ResponseWriter, seq iter.Seq2[llm.Event, error], env ImageEnvelope) error {
	s := imageStream{w: w, env: &env, unfinished: max(1, env.Choices)}
	for event, err := range seq {
		if err == nil {
			err = s.add(event)
		}
		if err != nil {
			return s.fail(err)
		}
	}
	switch {
	case s.unfinished > 0:
		return s.fail(unfinished())
	case !s.sent:
		return s.fail(noImage())
	}
	return nil
}

// imageStream is a stream of images on its way out.
type imageStream struct {
	w          http.ResponseWriter
	env        *ImageEnvelope
	start      llm.Start
	sent       bool
	unfinished int // choices
}

func (s *imageStream) add(event llm.Event) error {
	switch e := event.(type) {
	case llm.Start:
		s.start = e
	case llm.Finish:
		s.unfinished--
	case llm.BlobOut:
		return s.image(&e)
	}
	return nil
}

func (s *imageStream) image(out *llm.BlobOut) error {
	kind := "image_generation.completed"
	if s.env.Edit {
		kind = "image_edit.completed"
	}
	frame := append([]byte("event: "+kind+"\n"+sse.Data+`{"type":"`+kind+`",`), `"created_at":`...)
	frame = strconv.AppendInt(frame, s.env.Created.Unix(), 10)
	frame = append(append(append(frame, `,"output_format":"`...), formatOf(out)...), `","size":"auto","quality":"auto","background":"auto",`...)
	frame = append(s.env.appendImage(frame, out), '}')
	return s.write(append(frame, sse.End...))
}

// write sends a frame. Its error says that the client is gone.
func (s *imageStream) write(frame []byte) error {
	if !s.sent {
		s.sent = true
		h := s.w.Header()
		h.Set("Content-Type", sse.ContentType)
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no") // nginx would collect the frames
		s.env.setHeaders(h, s.start)
	}
	_, err := s.w.Write(frame)
	if err == nil {
		err = http.NewResponseController(s.w).Flush()
	}
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return clientGone(err)
	}
	return nil
}

// fail ends the stream with a failure and returns it.
func (s *imageStream) fail(err error) error {
	if !s.sent {
		WriteImageError(s.w, err)
		return err
	}
	if e := llm.AsError(err); e.Kind != llm.KindCanceled {
		body := appendError(nil, e)
		// {"error":{…}} becomes {"type":"error","error":{…}}.
		frame := append([]byte("event: error\n"+sse.Data+`{"type":"error",`), body[1:]...)
		_ = s.write(append(frame, sse.End...)) // err is why the reply ended, whether or not the client hears of it
	}
	return err
}
