package adapter

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/bedrock"
	"outcrop/internal/catalog"
	"outcrop/internal/llm"
)

// The headers by which Core tells of an upstream. X-Upstream-Endpoint is one more, and means nothing.
const (
	headerExtra = "X-Upstream-Extra-Data"
	headerKey   = "X-Upstream-Key"
)

const (
	// userTTL is how long Core's answer about a caller is good, and userRetry how long none is.
	userTTL   = 5 * time.Minute
	userRetry = 10 * time.Second
)

// Upstream is what X-Upstream-Extra-Data says.
type Upstream struct {
	Settings bedrock.Settings
	Model    bedrock.ModelOptions
	// ModelID is called in place of the deployment's id; "" for that.
	ModelID string
}

// deploymentKey tells deployments apart.
type deploymentKey struct {
	extra   digest // of the header's text
	name    string
	session digest // of the session's tags and name
}

// Resolve implements gateway.Deployments: the deployment is the model of that id, as the headers of the
// request want it called.
func (a *adapter) Resolve(r *http.Request, _ auth.Caller, name string) (*catalog.Deployment, error) {
	if _, given := r.Header[headerKey]; given {
		return nil, &llm.Error{
			Kind: llm.KindInvalid, Param: headerKey,
			Message: "X-Upstream-Key is refused: it asks for Anthropic's own API, and this adapter calls Amazon Bedrock only. Remove key from the upstream in DIAL Core's configuration; credentials of AWS belong into its extraData.",
		}
	}
	if len(r.Header[headerExtra]) > 1 {
		return nil, &llm.Error{
			Kind: llm.KindInvalid, Param: headerExtra,
			Message: "X-Upstream-Extra-Data came twice: DIAL Core sends it once, and what else there is may be a client's. Have what stands before Core remove it from requests.",
		}
	}
	key := deploymentKey{name: name}
	text := r.Header.Get(headerExtra)
	if text != "" {
		key.extra = sha256.Sum256([]byte(text))
	}
	var s session
	if len(a.Tags) > 0 {
		u, err := a.upstream(r.Context(), key.extra, text)
		if err != nil {
			return nil, explain(r.Context(), err)
		}
		if a.assumes(u) {
			s = a.session(r, name)
			key.session = sha256.Sum256(fmt.Appendf(nil, "%q %q", s.name, s.tags))
		}
	}
	found, err := a.deployments.get(r.Context(), key, func() (made[ready], error) {
		ctx := context.WithoutCancel(r.Context()) // others may wait for the same
		u, err := a.upstream(ctx, key.extra, text)
		if err != nil {
			return made[ready]{}, err
		}
		d, err := a.resolve(ctx, name, u, s)
		return made[ready]{value: d}, err
	})
	if err != nil {
		return nil, explain(r.Context(), err)
	}
	a.clients.touch(found.client)
	return found.Deployment, nil
}

// ready is a deployment beside the client that it calls.
type ready struct {
	*catalog.Deployment
	client digest
}

// explain is the error of a request that waited for what another one makes.
func explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &llm.Error{Kind: llm.KindCanceled, Message: "The client closed the request.", Err: ctx.Err()}
	}
	return err
}

// upstream is what the header says; it is read once.
func (a *adapter) upstream(ctx context.Context, key digest, text string) (*Upstream, error) {
	return a.upstreams.get(ctx, key, func() (made[*Upstream], error) {
		u := Upstream{}
		if text != "" {
			var err error
			if u, err = a.Extra(text); err != nil {
				return made[*Upstream]{}, extraError(err)
			}
		}
		return made[*Upstream]{value: &u}, nil
	})
}

// extraError names the header beside the field, with which the message begins.
func extraError(err error) error {
	e := llm.Error{Kind: llm.KindInvalid, Message: err.Error()}
	if own, ok := err.(*llm.Error); ok { //nolint:errorlint // what Extra promises
		e = *own
	}
	if e.Param == "" {
		e.Message, e.Param = headerExtra+": "+e.Message, headerExtra
	} else {
		e.Message, e.Param = headerExtra+"."+e.Message, headerExtra+"."+e.Param
	}
	return &e
}

// assumes says whether an upstream is called with the credentials of a role.
func (a *adapter) assumes(u *Upstream) bool {
	s := &u.Settings
	own := !s.APIKey.IsZero() || s.APIKeyFile != "" || s.AccessKeyID != "" || s.Profile != "" || s.WebIdentityTokenFile != "" || s.ContainerCredentialsURI != ""
	return s.AssumeRoleARN != "" || a.ProcessRole && !own
}

// session is what the role is assumed with for this request.
func (a *adapter) session(r *http.Request, name string) session {
	var user any
	if a.Tags.needsUser() {
		user = a.user(r.Context(), r.Header)
	}
	return a.Tags.resolve(name, user, func(t SessionTag) {
		a.notices.warn("a session tag is skipped: its source has no value", "tag", t.Key, "source", t.Source)
	})
}

// resolve makes a deployment.
func (a *adapter) resolve(ctx context.Context, name string, u *Upstream, s session) (ready, error) {
	settings := u.Settings
	if settings.Region == "" {
		settings.Region = arnRegion(u.modelID(name))
	}
	if settings.Region == "" && a.region == "" {
		return ready{}, &llm.Error{
			Kind:    llm.KindInternal,
			Message: "The adapter knows no AWS region for this deployment. Set region in the upstream's extraData, or AWS_DEFAULT_REGION for the adapter.",
			Err:     errNoRegion,
		}
	}
	if a.assumes(u) {
		settings.Tags = append(slices.Clip(settings.Tags), s.tags...)
		for _, name := range []string{s.name, a.SessionName} {
			if settings.RoleSessionName == "" {
				settings.RoleSessionName = name
			}
		}
	}
	client, err := a.client(ctx, settings)
	if err != nil {
		return ready{}, unusable(err)
	}
	d, err := a.deployment(client, name, u)
	if err != nil {
		return ready{}, &llm.Error{Kind: llm.KindInvalid, Message: fmt.Sprintf("The deployment cannot be served: %v.", err)}
	}
	return ready{d, settings.Key()}, nil
}

// client is the one of these settings.
func (a *adapter) client(ctx context.Context, s bedrock.Settings) (*bedrock.Client, error) {
	return a.clients.get(ctx, s.Key(), func() (made[*bedrock.Client], error) {
		client, err := a.Client(s)
		return made[*bedrock.Client]{value: client}, err
	})
}

// unusable is the error of settings that no client can be made of. What is wrong may name files and hosts
// of the operator's: it is for the log.
func unusable(err error) error {
	return &llm.Error{
		Kind: llm.KindInternal, Param: headerExtra, Err: err,
		Message: "The adapter cannot call AWS with what the upstream's extraData and its own environment say. Its log says why.",
	}
}

// modelID is what Bedrock is asked for.
func (u *Upstream) modelID(name string) string {
	if u.ModelID != "" {
		return u.ModelID
	}
	return name
}

// deployment is a model with all that it can do.
func (a *adapter) deployment(client *bedrock.Client, name string, u *Upstream) (*catalog.Deployment, error) {
	id, options := u.modelID(name), u.Model
	if options.BaseModel == "" {
		options.BaseModel = a.Compatible[name]
	}
	if options.BaseModel != "" && !client.Knows(options.BaseModel) {
		a.notices.warn("compatible_model_id, or COMPATIBILITY_MAPPING, names a model that is not known: its family alone says how it behaves", "model", options.BaseModel)
	}
	options.Claude = cmp.Or(options.Claude, a.ClaudeClient)
	model, err := client.Model(id, options)
	if err != nil {
		return nil, err
	}
	d := &catalog.Deployment{Name: name, Timeouts: a.Timeouts, Region: client.Region()}
	able(d, model, strings.HasPrefix(id, "arn:") && options.BaseModel == "")
	isClaude := strings.Contains(id, claudeIDs) || strings.Contains(options.BaseModel, claudeIDs)
	if isClaude && a.ClaudeMaxTokens > 0 {
		d.Info.Defaults = fmt.Appendf(nil, `{"max_tokens":%d}`, a.ClaudeMaxTokens)
	}
	return d, nil
}

// claudeIDs is a part of every id of Claude.
const claudeIDs = "anthropic.claude"

// The kinds of models that do not chat.
const (
	kindEmbedding = "embedding"
	kindRerank    = "rerank"
)

// able gives a deployment what its model can do. An ARN may stand for any kind, and only the first
// request finds out: what is not the model's business the model refuses.
func able(d *catalog.Deployment, m *bedrock.Model, veiled bool) {
	kind := string(m.Kind())
	if kind == kindEmbedding || veiled {
		d.Embed = m
	}
	if kind == kindRerank || veiled {
		d.Rerank = m
	}
	if kind == kindEmbedding || kind == kindRerank {
		return
	}
	d.Chat, d.Count, d.Configuration = m, m, m.Configuration
	if native, ok := any(m).(interface{ Native() llm.MessagesModel }); ok {
		d.Messages = native.Native
	}
}

// arnRegion is the region of an ARN of Bedrock's, "" for none: AWS answers for an ARN in its own region
// only. What is no region is a mistake of the ARN's, of which AWS tells.
func arnRegion(id string) string {
	parts := strings.SplitN(id, ":", 6)
	if len(parts) == 6 && parts[0] == "arn" && parts[2] == "bedrock" && bedrock.IsRegion(parts[3]) {
		return parts[3]
	}
	return ""
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
