package adapter

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"outcrop/internal/auth"
	"outcrop/internal/bedrock"
	"outcrop/internal/catalog"
	"outcrop/internal/fetch"
	"outcrop/internal/gateway"
	"outcrop/internal/llm"
	"outcrop/internal/usage"
)

// Options make an adapter. Client, Extra and Log are needed.
type Options struct {
	// Client makes the client of an upstream; equal settings are asked for once.
	Client func(bedrock.Settings) (*bedrock.Client, error)
	// Extra reads the text of X-Upstream-Extra-Data. Its error is for the client and quotes no value: an
	// *llm.Error whose Param is the field, with which its message begins, or any other.
	Extra func(doc string) (Upstream, error)

	// ClaudeClient is the choice of an upstream that makes none.
	ClaudeClient string
	// ClaudeMaxTokens is max_tokens of a request for Claude that has none; 0 leaves it to the model.
	ClaudeMaxTokens int
	// Compatible maps deployment ids to those of the models that they behave like.
	Compatible map[string]string

	// Tags are for the sessions of roles.
	Tags SessionTags
	// SessionName is what CloudTrail calls them when neither the upstream nor a tag says so.
	SessionName string
	// ProcessRole says that an upstream without credentials of its own is called with a role.
	ProcessRole bool

	// Core is the address of AI DIAL Core; nil without one. Then files stay in the replies.
	Core *url.URL
	// APIVersion is the api-version of chats that Core is asked.
	APIVersion string
	// CoreTransport reaches it; nil for a usual one.
	CoreTransport http.RoundTripper
	// Fetch gets the files that requests name by URL; its Origin is Core.
	Fetch fetch.Options

	// CacheSize is how many clients are kept, and how many upstreams, deployments and users; 0 means 512.
	CacheSize int
	Timeouts  catalog.Timeouts
	// Models are for the listing.
	Models []Model

	Log     *slog.Logger
	Version string
	// Load, Ready and Record are the gateway's.
	Load   *gateway.Load
	Ready  func() (reason string)
	Record func(usage.Entry)
}

// Model is a model of the listing.
type Model struct{ ID, Name string }

// usualCacheSize is that of DIAL's adapter.
const usualCacheSize = 512

// digest stands for a text that is not to be kept, or is too long for a key.
type digest = [sha256.Size]byte

// adapter finds callers and deployments in the headers of requests.
type adapter struct {
	Options

	region      string // of the process, "" for none
	salt        []byte // of callers' names
	listing     []*catalog.Deployment
	core        *core
	upstreams   *cache[digest, *Upstream]       // by the text of the header
	clients     *cache[digest, *bedrock.Client] // by their settings
	deployments *cache[deploymentKey, ready]    // of the header, the name and the session
	users       *cache[digest, any]             // what Core knows of a caller, by key; nil for nothing
	notices     *notices
}

// New returns the handler of the adapter. Its error says which option, or which setting of the process,
// is wrong. It calls nobody.
func New(o Options) (http.Handler, error) {
	a, err := newAdapter(o)
	if err != nil {
		return nil, err
	}
	if o.Tags.needsUser() && o.Core == nil {
		o.Log.Warn("session tags from UserInfo are skipped: DIAL_URL is not set")
	}
	o.Fetch.Origin = o.Core
	options := gateway.Options{
		Auth: a, Deployments: a, Log: o.Log, Version: o.Version, Fetch: fetch.New(o.Fetch),
		Load: o.Load, Ready: o.Ready, Record: o.Record,
	}
	if a.core != nil {
		options.Store, options.Core, options.CoreTimeouts = a.core.store, a.core.chat, o.Timeouts
	}
	return gateway.NewAdapter(options)
}

func newAdapter(o Options) (*adapter, error) {
	if o.CacheSize <= 0 {
		o.CacheSize = usualCacheSize
	}
	a := &adapter{
		Options: o, core: newCore(&o), salt: make([]byte, 16),
		upstreams: newCache[digest, *Upstream](o.CacheSize), clients: newCache[digest, *bedrock.Client](o.CacheSize),
		deployments: newCache[deploymentKey, ready](o.CacheSize),
		users:       newCache[digest, any](o.CacheSize), notices: newNotices(o.Log),
	}
	a.clients.drop = (*bedrock.Client).Close // requests that have it go on
	if _, err := rand.Read(a.salt); err != nil {
		return nil, err
	}
	return a, a.list()
}

// list makes what GET /openai/models shows, and finds out the region of the process.
func (a *adapter) list() error {
	client, err := a.client(context.Background(), bedrock.Settings{})
	if err == nil {
		a.region = client.Region()
	} else if client, err = a.Client(bedrock.Settings{Region: "us-east-1"}); err != nil {
		return fmt.Errorf("making a client for AWS: %w", err)
	} else {
		a.Log.Warn("no AWS region: only upstreams that name one in their extraData, or in an ARN, can be served; set AWS_DEFAULT_REGION")
	}
	seen := map[string]bool{}
	for _, m := range a.Models {
		d, err := a.deployment(client, m.ID, &Upstream{})
		if err != nil {
			return fmt.Errorf("listing %s: %w", m.ID, err)
		}
		d.Info.DisplayName = m.Name
		a.listing, seen[m.ID] = append(a.listing, d), true
	}
	for _, id := range sortedKeys(a.Compatible) {
		if seen[id] {
			a.Log.Warn("COMPATIBILITY_MAPPING names a model that needs no mapping", "model", id)
			continue
		}
		d, err := a.deployment(client, id, &Upstream{})
		if err != nil {
			return fmt.Errorf("COMPATIBILITY_MAPPING: %s: %w", id, err)
		}
		a.listing = append(a.listing, d)
	}
	return nil
}

// All implements gateway.Deployments: none is known before its request.
func (a *adapter) All() []*catalog.Deployment { return nil }

// Interceptor implements gateway.Deployments: they are DIAL Core's.
func (a *adapter) Interceptor(string) *catalog.Deployment { return nil }

// List implements gateway.Deployments: the models of the catalogue, which are not all that may be named.
func (a *adapter) List(auth.Caller) []*catalog.Deployment { return a.listing }

// deploymentRoutes is where the paths of DIAL's own routes begin, which need a key.
const deploymentRoutes = "/openai/deployments/"

// Authenticate implements gateway.Authenticator. The adapter stands behind Core, which knows the callers:
// here they are told apart by their keys, so that nothing of one is found by another.
func (a *adapter) Authenticate(r *http.Request) (auth.Caller, error) {
	key := r.Header.Get("Api-Key")
	if key == "" && strings.HasPrefix(r.URL.Path, deploymentRoutes) {
		return auth.Caller{}, &llm.Error{Kind: llm.KindInvalid, Message: "Api-Key header is required"}
	}
	identity := key + "\x00" + r.Header.Get("X-Api-Key") + "\x00" + r.Header.Get("Authorization")
	if len(identity) == len("\x00\x00") {
		return auth.Caller{Project: "nobody-" + rand.Text()[:12]}, nil // two of them may be two
	}
	sum := hmac.New(sha256.New, a.salt)
	sum.Write([]byte(identity))
	return auth.Caller{Project: "key-" + hex.EncodeToString(sum.Sum(nil)[:8])}, nil
}

// user is what Core knows of the caller, nil for nothing: the log then knows why.
func (a *adapter) user(ctx context.Context, header http.Header) any {
	key := header.Get("Api-Key")
	switch {
	case a.core == nil: // said at the start
		return nil
	case key == "":
		a.notices.warn("session tags from UserInfo are skipped: the request has no Api-Key")
		return nil
	}
	// Not by the token alone, although it outlives Core's keys: whatever stands between may give one to all
	// requests, and one user would be billed as another.
	user, err := a.users.get(ctx, sha256.Sum256([]byte(key+"\x00"+header.Get("Authorization"))), func() (made[any], error) {
		var user any
		if err := a.core.get(ctx, "/v1/user/info", key, &user); err != nil {
			a.notices.warn("session tags from UserInfo are skipped: GET /v1/user/info failed", "error", err)
			return made[any]{nil, userRetry}, nil
		}
		return made[any]{user, userTTL}, nil
	})
	if err != nil {
		return nil // the client has left
	}
	return user
}
