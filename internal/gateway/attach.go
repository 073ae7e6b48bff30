package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"outcrop/internal/fetch"
	"outcrop/internal/llm"
)

const (
	// maxLinks is how many files a request may name by their URLs: as many as the model that takes the
	// most images. The server makes no more requests than that for anybody's one.
	maxLinks = 100
	// maxLinked is how many bytes they may be together, as many as a request that has them in it.
	maxLinked = maxBody
	// fetchesAtOnce is how many files of a request are fetched at the same time.
	fetchesAtOnce = 8
	// attachTimeout is how long all of them may take.
	attachTimeout = 2 * time.Minute
)

// link is a part of a request whose file is elsewhere, and where its bytes are to be put.
type link struct {
	llm.Link
	part  *llm.Part
	param string
}

// attach replaces the files that a request names by URL with what is there, under the caller's rights
// and as long as the budget of the request lasts. URLs of s3: are not among its links: only the model
// knows who may read them.
func (g *Gateway) attach(r *http.Request, links []link, b *budget) error {
	if len(links) == 0 {
		return nil
	}
	ctx := r.Context()
	if over := b.takeLinks(len(links)); over > 0 {
		return llm.Invalid(links[len(links)-over].param, fmt.Sprintf("A request may name at most %d files by their URLs.", maxLinks))
	}
	if g.fetch == nil {
		return llm.Invalid(links[0].param, "This server fetches no files: send the data itself, as a data: URL.")
	}
	timed, cancel := context.WithTimeoutCause(ctx, attachTimeout, errSlowFiles)
	defer cancel()
	credentials := credentialsOf(r.Header)
	groups := byURL(links)
	err := sideBySide(timed, len(groups), fetchesAtOnce, func(ctx context.Context, i int) error {
		same := groups[i]
		file, err := g.fetch.Get(ctx, same[0].URL, credentials)
		if err != nil {
			return attachError(err, same[0].param)
		}
		if !b.takeBytes(len(file.Bytes)) {
			return &llm.Error{Kind: llm.KindTooLarge, Param: same[0].param, Message: "The files that the request names by URL are larger than 64 MiB together."}
		}
		for _, l := range same {
			*l.part = blob(l.Link, file)
		}
		return nil
	})
	if ctx.Err() != nil {
		return gone(ctx)
	}
	return err
}

// blob is the file of a link. What the client says of it is about this file; what its server says is
// about all its files.
func blob(l llm.Link, file fetch.File) llm.Blob {
	b := llm.Blob{MIME: l.MIME, Name: l.Name, Bytes: file.Bytes, At: l.At}
	if b.MIME == "" {
		b.MIME = file.MIME
	}
	if b.Name == "" {
		b.Name = file.Name
	}
	if b.Bytes == nil {
		b.Bytes = []byte{}
	}
	return b
}

// linksOf finds the files of a chat that are to be fetched. Those of the assistant are not: no model takes
// them. A model that reads the last message alone answers although an earlier picture of its is gone.
func linksOf(req *llm.ChatRequest) (links []link) {
	for i := range req.Messages {
		m := &req.Messages[i]
		if m.Role == llm.RoleAssistant {
			continue
		}
		links = appendLinks(links, m.Index, m.Parts)
		for _, p := range m.Parts {
			if result, ok := p.(llm.ToolResult); ok {
				links = appendLinks(links, m.Index, result.Parts)
			}
		}
	}
	return links
}

func appendLinks(links []link, message int, parts []llm.Part) []link {
	for i, p := range parts {
		l, ok := p.(llm.Link)
		if !ok || isS3(l.URL) {
			continue
		}
		param := "messages[" + strconv.Itoa(message) + "]"
		if l.At == "" {
			param += ".content"
		} else {
			param += "." + string(l.At)
		}
		links = append(links, link{l, &parts[i], param})
	}
	return links
}

func isS3(url string) bool {
	scheme, _, ok := strings.Cut(url, ":")
	return ok && strings.EqualFold(scheme, "s3")
}

// byURL puts links to the same file together, in the order of the request.
func byURL(links []link) [][]link {
	groups := make([][]link, 0, len(links))
	places := make(map[string]int, len(links))
	for _, l := range links {
		place, ok := places[l.URL]
		if !ok {
			place = len(groups)
			places[l.URL] = place
			groups = append(groups, nil)
		}
		groups[place] = append(groups[place], l)
	}
	return groups
}

// credentialsOf are those that the caller came with, for the storage that knows the same callers.
func credentialsOf(header http.Header) http.Header {
	out := http.Header{}
	for _, name := range []string{"Api-Key", "Authorization"} {
		if values := header.Values(name); len(values) > 0 {
			out[name] = values
		}
	}
	return out
}

// attachError is why a file did not come, as the client's error. That its URL leads nowhere is the
// client's mistake, as far as anybody here can tell.
func attachError(err error, param string) error {
	e, ok := err.(*fetch.Error) //nolint:errorlint // what Get promises
	if !ok {
		return err
	}
	kind, message := llm.KindInvalid, e.Message
	switch {
	case errors.Is(e, errSlowFiles):
		message = errSlowFiles.Error()
	case e.Reason == fetch.TooLarge:
		kind = llm.KindTooLarge
	}
	return &llm.Error{Kind: kind, Message: message, Param: param, Err: e}
}

var errSlowFiles = errors.New("The files that the request names by URL did not all come within 2 minutes.") //nolint:revive,staticcheck // a client reads it

// gone is the error of a request whose client has left.
func gone(ctx context.Context) error {
	return &llm.Error{Kind: llm.KindCanceled, Message: "The client closed the request.", Err: ctx.Err()}
}

// budget is what all files of a request may be together.
type budget struct {
	mu           sync.Mutex
	links, bytes int // that are left
}

func newBudget() *budget { return &budget{links: maxLinks, bytes: maxLinked} }

// takeLinks returns how many of n are too many.
func (b *budget) takeLinks(n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	over := min(n, max(0, n-b.links))
	b.links = max(0, b.links-n)
	return over
}

func (b *budget) takeBytes(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes -= n
	return b.bytes >= 0
}

// sideBySide does n pieces of work, at most so many at once. The first error cancels the others and
// is returned after they have ended; so does a panic, which goes on in the caller's goroutine.
func sideBySide(ctx context.Context, n, atOnce int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		work  sync.WaitGroup
		first sync.Once
		err   error
		fault any // what a piece of work panicked with
		turns = make(chan struct{}, atOnce)
	)
	for i := range n {
		turns <- struct{}{}
		if ctx.Err() != nil {
			first.Do(func() { err = context.Cause(ctx) })
			break
		}
		work.Go(func() {
			defer func() { <-turns }()
			defer func() {
				if p := recover(); p != nil {
					first.Do(func() {
						fault = fmt.Sprintf("%v\n\n%s", p, debug.Stack())
						cancel(nil)
					})
				}
			}()
			if failed := do(ctx, i); failed != nil {
				first.Do(func() {
					err = failed
					cancel(failed)
				})
			}
		})
	}
	work.Wait()
	if fault != nil {
		panic(fault)
	}
	return err
}
