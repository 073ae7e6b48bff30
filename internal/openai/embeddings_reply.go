package openai

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"net/http"
	"slices"
	"strconv"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// EmbedEnvelope is what a reply with vectors says beside them.
type EmbedEnvelope struct {
	Model   string   // the deployment's name, as the client knows it
	Base64  bool     // EmbedShape.Base64
	Ignored []string // EmbedShape.Ignored; those of the Embeddings are added
	Changed []string // as in Envelope
}

// embedPiece is from how many bytes on a reply is written in pieces: it is many times as long as its
// vectors, and nothing in it can fail any more.
const embedPiece = 32 << 10

// WriteEmbeddings answers with vectors, as numbers or as base64 of little-endian float32. It returns
// the error that the client was told instead, or KindCanceled when the reply could not be written.
func WriteEmbeddings(w http.ResponseWriter, out *llm.Embeddings, env EmbedEnvelope) error {
	if !env.Base64 && !areNumbers(out.Vectors) {
		err := &llm.Error{Kind: llm.KindUpstream, Message: "The model's vectors have numbers that JSON cannot write. Ask for encoding_format base64."}
		WriteError(w, err)
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	SetReport(h, slices.Concat(env.Ignored, out.Ignored), slices.Concat(env.Changed, out.Changed))
	buf := getBuffer()
	defer putBuffer(buf)
	written := false
	*buf = append(*buf, `{"object":"list","data":[`...)
	for i, vector := range out.Vectors {
		*buf = appendEmbedding(*buf, i, vector, env.Base64)
		if len(*buf) < embedPiece {
			continue
		}
		if _, err := w.Write(*buf); err != nil {
			return clientGone(err)
		}
		*buf, written = (*buf)[:0], true
	}
	*buf = appendEmbedTail(*buf, out, &env)
	if !written {
		h.Set("Content-Length", strconv.Itoa(len(*buf)))
	}
	if _, err := w.Write(*buf); err != nil {
		return clientGone(err)
	}
	return nil
}

func appendEmbedTail(dst []byte, out *llm.Embeddings, env *EmbedEnvelope) []byte {
	dst = append(dst, `],"model":`...)
	dst = jsonscan.AppendString(dst, env.Model)
	dst = append(dst, `,"usage":{"prompt_tokens":`...)
	dst = strconv.AppendInt(dst, int64(out.Usage.Prompt()), 10)
	dst = append(dst, `,"total_tokens":`...)
	dst = strconv.AppendInt(dst, int64(out.Usage.Total()), 10)
	return append(dst, "}}\n"...)
}

// areNumbers reports whether JSON has a word for each of the numbers.
func areNumbers(vectors [][]float32) bool {
	const special = 0xff << 23 // the exponent of infinities and what is no number
	for _, vector := range vectors {
		for _, f := range vector {
			if math.Float32bits(f)&special == special {
				return false
			}
		}
	}
	return true
}

func appendEmbedding(dst []byte, index int, vector []float32, encoded bool) []byte {
	if index > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, `{"object":"embedding","index":`...)
	dst = strconv.AppendInt(dst, int64(index), 10)
	if encoded {
		dst = append(dst, `,"embedding":"`...)
		dst = appendVector64(dst, vector)
		return append(dst, `"}`...)
	}
	dst = append(dst, `,"embedding":[`...)
	for i, f := range vector {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendFloat(dst, float64(f), 'g', -1, 32)
	}
	return append(dst, "]}"...)
}

// appendVector64 appends the base64 of a vector, some numbers at a time: as many bytes as base64 takes
// without padding in between.
func appendVector64(dst []byte, vector []float32) []byte {
	var raw [3 * 256]byte
	for len(vector) > 0 {
		some := vector[:min(len(vector), len(raw)/4)]
		vector = vector[len(some):]
		for i, f := range some {
			binary.LittleEndian.PutUint32(raw[4*i:], math.Float32bits(f))
		}
		dst = base64.StdEncoding.AppendEncode(dst, raw[:4*len(some)])
	}
	return dst
}
