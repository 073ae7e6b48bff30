package bedrock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
	"outcrop/internal/models"
	"outcrop/internal/secret"
	"outcrop/internal/sigv4"
)

// Options make a Client.
type Options struct {
	Region   string // AWS region, "us-east-1"
	Endpoint string // "https://host[:port]" of the runtime; "" means AWS's host of the region
	// MantleEndpoint and ControlEndpoint are the same for the bedrock-mantle host and the control plane.
	// "" means AWS's hosts too, or Endpoint where that is http, which AWS never is: then one emulator
	// serves all three.
	MantleEndpoint  string
	ControlEndpoint string
	// FIPS and DualStack choose among AWS's hosts; not together with an address of one's own.
	FIPS, DualStack bool
	// APIKey is a Bedrock API key. When it is set, calls are not signed.
	APIKey secret.String
	// Credentials sign the calls; needed when APIKey is empty.
	Credentials aws.CredentialsProvider
	Transport   http.RoundTripper
	Catalogue   *models.Catalogue

	identity identity // in place of APIKey and Credentials, from a Process
}

// Client is one upstream: a region, called with one identity.
type Client struct {
	base    string // of the runtime
	mantle  string
	control string
	region  string
	identity
	signers   map[string]*sigv4.Signer // by service; each keeps the derived key of this upstream's credentials and day
	transport http.RoundTripper
	catalogue *models.Catalogue
	release   func() // gives the transport back; nil where it is somebody else's
}

// ErrNoRegion is for an upstream without one.
var ErrNoRegion = errors.New("no AWS region: set AWS_REGION, or the upstream's extraData.region")

// regionPattern is the shape of a region, eusc-de-east-1 included.
var regionPattern = regexp.MustCompile(`^[a-z]{2,5}(-[a-z]+)+-\d{1,2}$`)

// IsRegion says whether a text has the shape of a region's name.
func IsRegion(name string) bool { return regionPattern.MatchString(name) }

// New checks the options; it calls nobody.
func New(o Options) (*Client, error) {
	if o.identity.wallet == nil && o.identity.bearer == nil {
		switch {
		case !o.APIKey.IsZero():
			o.identity = identity{source: "Bedrock API key", bearer: newBearer(o.APIKey)}
		case o.Credentials != nil:
			o.identity = identity{source: "credentials", wallet: newWallet(o.Credentials)}
		default:
			return nil, errors.New("neither an API key nor credentials")
		}
	}
	if o.Region == "" {
		return nil, ErrNoRegion
	}
	if !IsRegion(o.Region) {
		return nil, fmt.Errorf("%q is not an AWS region, which looks like us-east-1", o.Region)
	}
	c := &Client{
		region:   o.Region,
		identity: o.identity,
		signers: map[string]*sigv4.Signer{
			serviceBedrock: {Service: serviceBedrock, Region: o.Region},
			serviceMantle:  {Service: serviceMantle, Region: o.Region},
		},
		transport: o.Transport,
		catalogue: o.Catalogue,
	}
	if err := c.setHosts(o); err != nil {
		return nil, err
	}
	return c, nil
}

// Region is the region of the upstream.
func (c *Client) Region() string { return c.region }

// Knows says whether the catalogue has a model, by its id with or without a regional prefix.
func (c *Client) Knows(modelID string) bool {
	_, ok := c.catalogue.Family(modelID)
	return ok
}

// Identity says as whom the upstream calls AWS.
func (c *Client) Identity() Identity { return c.describe() }

// Ready gets the credentials, so that a missing one is known before the first request.
func (c *Client) Ready(ctx context.Context) error {
	if c.bearer != nil {
		_, err := c.bearer.get()
		return err
	}
	_, err := c.wallet.get(ctx)
	return err
}

// Close gives up what the client holds. Calls that are still under way end as they would have.
func (c *Client) Close() {
	if c.release != nil {
		c.release()
	}
}

// ModelOptions say what an operator knows of a model and wants of it.
type ModelOptions struct {
	// BaseModel is the foundation model behind an ARN that does not name it: an application profile,
	// a provisioned, imported or custom model.
	BaseModel string
	// Guardrail checks every request of this model; a client can neither remove nor replace it.
	Guardrail *Guardrail
	// Surface is where the model is called: "" for the usual one, or one of Surfaces.
	Surface string
	// Claude is DIAL's choice of a client for Claude models, where Surface is "": ClaudeLegacy or "" for
	// Converse, and InvokeModel for bodies of Anthropic's API; ClaudeMantle, ClaudeConverse for these alone.
	// Other models are not concerned.
	Claude string
	// Connect is how long a call may wait for its connection; 0 leaves it to the transport (10 s).
	Connect time.Duration
}

// Model returns the model of that id or ARN. It calls nobody.
func (c *Client) Model(modelID string, o ModelOptions) (*Model, error) {
	if err := CheckModelID(modelID); err != nil {
		return nil, err
	}
	v, err := c.view(modelID, traitsOf(c.catalogue, modelID, o.BaseModel), o)
	if err != nil {
		return nil, err
	}
	m := &Model{client: c, id: modelID, options: o}
	m.current.Store(v)
	if o.BaseModel == "" {
		m.behind = newLookup(c, modelID)
	}
	return m, nil
}

// Model is one model behind a client, with everything about it that no request changes.
type Model struct {
	client  *Client
	id      string
	options ModelOptions
	current atomic.Pointer[view]
	behind  *lookup // what finds the model behind an ARN; nil when the id says it
	counts  counter
	// uncached says that the account has no prompt caching for the model: no cache points are placed
	// that nobody asked for.
	uncached atomic.Bool
}

// Chat implements llm.ChatModel.
func (m *Model) Chat(ctx context.Context, req *llm.ChatRequest) iter.Seq2[llm.Event, error] {
	return func(yield func(llm.Event, error) bool) {
		v := m.known(ctx)
		if req.Picture != nil && v.dialect != speaksStability && v.dialect != speaksNoMore {
			yield(nil, llm.Invalid("model", "This model makes no images: name a deployment of one that does."))
			return
		}
		call := m.converse
		if v.dialect != speaksConverse {
			call = m.elsewhere
		}
		for again := true; again; {
			if m.uncached.Load() && !req.NoAutoCache {
				plain := *req
				plain.NoAutoCache = true
				req = &plain
			}
			again = call(ctx, v, req, yield)
		}
	}
}

// converse makes one call of Converse and yields its answer. It asks to be called again, without having
// yielded anything, when the account has no prompt caching and the cache points were nobody's wish.
func (m *Model) converse(ctx context.Context, v *view, req *llm.ChatRequest, yield func(llm.Event, error) bool) (again bool) {
	call, err := build(req, &v.traits)
	if err != nil {
		yield(nil, err)
		return false
	}
	to, read := v.stream, (*answer).readStream
	if call.whole {
		to, read = v.whole, (*answer).readWhole
	}
	resp, err := m.client.send(ctx, to, call.body, nil)
	if err != nil {
		yield(nil, err)
		return false
	}
	defer resp.Body.Close()
	a := &answer{
		req: call.req, places: call.places, decoder: decoder{names: call.names, titles: call.files.titles}, yield: call.decorate(yield), model: m,
		start: call.start(resp.Header.Get("X-Amzn-Requestid"), m.id), length: resp.ContentLength, asked: resp.Request,
	}
	if resp.StatusCode == http.StatusOK {
		read(a, ctx, resp.Body)
		return false
	}
	err = refusal(resp)
	if call.autoCached && isNoCache(err) {
		m.uncached.Store(true)
		return true
	}
	a.refuse(err)
	return false
}

// answer is Bedrock's answer to one request on its way up.
type answer struct {
	req     *llm.ChatRequest
	places  []place
	start   llm.Start
	decoder decoder
	yield   func(llm.Event, error) bool
	model   *Model
	length  int64                        // of the body, -1 when nobody knows
	asked   *http.Request                // whose credentials are nobody's to read
	param   func(cause *awsError) string // the client's name of a field of a surface other than Converse
}

// refuse ends the answer with an error of AWS, which may blame a field of Converse: the client is told
// which of its own that is.
func (a *answer) refuse(err error) {
	e, ok := errors.AsType[*llm.Error](err)
	if !ok {
		a.yield(nil, err)
		return
	}
	cause, blames := errors.AsType[*awsError](e.Err)
	switch {
	case e.Kind != llm.KindInvalid || e.Param != "":
	case a.param == nil:
		e.Param = locate(a.req, a.places, e.Message)
	case blames:
		e.Param = a.param(cause)
	}
	a.yield(nil, a.model.advise(e))
}

// readStream yields the events of a ConverseStream answer.
func (a *answer) readStream(ctx context.Context, body io.Reader) {
	a.readFrames(ctx, body, (*answer).event)
}

func (a *answer) event(fr frame) (llm.Event, error) { return a.decoder.event(fr.eventType, fr.payload) }

// readFrames yields the events of an answer in AWS's frames, each read by read.
func (a *answer) readFrames(ctx context.Context, body io.Reader, read func(*answer, frame) (llm.Event, error)) {
	frames := frameReader{r: body}
	begun := false
	for {
		fr, ok, err := frames.next()
		if err == nil && !ok {
			if ok, err = frames.more(); ok {
				continue // what is there already goes on its way together
			}
		}
		if err == nil && !ok {
			if begun && !a.yield(llm.Pause{}, nil) {
				return
			}
			if err = frames.fill(); err == nil {
				continue
			}
		}
		if err != nil {
			a.end(ctx, err)
			return
		}
		if fr.messageType != "event" {
			a.refuse(exception(fr, a.start.ID, a.asked))
			return
		}
		if !begun {
			begun = true
			if !a.yield(a.start, nil) {
				return
			}
		}
		event, err := read(a, fr)
		if err != nil {
			a.yield(nil, broken(ctx, contentMessage(err), err))
			return
		}
		for ; event != nil; event = a.decoder.more() {
			if !a.yield(event, nil) {
				return
			}
		}
	}
}

// end closes a stream that gives no more frames: well, if the body ended after messageStop (the
// usage may then be missing, the answer is not), else with an error.
func (a *answer) end(ctx context.Context, err error) {
	switch {
	case err != io.EOF: //nolint:errorlint // only a bare io.EOF is an end in good order; one that is wrapped is a failure
		a.yield(nil, broken(ctx, textBroken, err))
	case !a.decoder.stopped:
		a.yield(nil, broken(ctx, textIncomplete, errNoMessageStop))
	default:
		a.yield(a.decoder.close(), nil)
	}
}

var errNoMessageStop = errors.New("the stream ended without messageStop")

// maxReply is the longest whole answer that is read, in bytes.
const maxReply = 64 << 20

// readWhole yields the events of a Converse answer.
func (a *answer) readWhole(ctx context.Context, body io.Reader) {
	data, err := readAll(body, a.length)
	if err != nil {
		a.yield(nil, broken(ctx, textBroken, err))
		return
	}
	events, err := a.decoder.reply(data)
	if err != nil {
		a.yield(nil, broken(ctx, contentMessage(err), err))
		return
	}
	a.yieldWhole(events)
}

// readAll is io.ReadAll, of maxReply at most, of what is announced to be so long, in bytes; -1 is not known.
func readAll(r io.Reader, length int64) ([]byte, error) {
	if length <= 0 || length > trustedLength {
		return io.ReadAll(io.LimitReader(r, maxReply))
	}
	data := make([]byte, 0, length+1) // the last one is for the end
	for {
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case err == io.EOF:
			return data, nil
		case err != nil:
			return data, err
		case len(data) == cap(data): // longer than announced, which net/http does not let happen
			rest, err := io.ReadAll(io.LimitReader(r, maxReply))
			return append(data, rest...), err
		}
	}
}

// trustedLength is how much is allocated for an answer before it has come, in bytes.
const trustedLength = 1 << 20

// yieldWhole yields an answer that came in one piece.
func (a *answer) yieldWhole(events []llm.Event) {
	if !a.yield(a.start, nil) {
		return
	}
	for _, event := range events {
		if !a.yield(event, nil) {
			return
		}
	}
}

// contentMessage tells a client apart what we cannot carry, what broke off, and what makes no sense.
func contentMessage(err error) string {
	if unknown, ok := errors.AsType[*unknownContent](err); ok {
		return "The model answered with " + unknown.Error() + ", which this version cannot pass on."
	}
	syntax, ok := errors.AsType[*jsonscan.Error](err)
	if errors.Is(err, errNoAnswer) || ok && !syntax.Mismatch {
		return textIncomplete
	}
	return textUnreadable
}
