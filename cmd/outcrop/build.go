package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"outcrop/internal/auth"
	"outcrop/internal/balance"
	"outcrop/internal/bedrock"
	"outcrop/internal/catalog"
	"outcrop/internal/config"
	"outcrop/internal/fetch"
	"outcrop/internal/gateway"
	"outcrop/internal/limit"
	"outcrop/internal/models"
	"outcrop/internal/proxy"
	"outcrop/internal/sandbox"
	"outcrop/internal/usage"
)

// parts are what a configuration is served with.
type parts struct {
	upstreams  *upstreams
	remotes    http.RoundTripper // to other servers
	fetch      *fetch.Fetcher
	log        *slog.Logger
	ready      func() (reason string)
	record     func(usage.Entry)
	before     *gateway.Gateway      // in whose place this one comes, or nil
	callers    gateway.Authenticator // in place of the configuration's keys, or nil
	passes     *auth.Passes
	tokens     *auth.Tokens // nil for none
	consents   gateway.Consents
	operations gateway.Operations // for administrators, or nil
	buckets    *gateway.Buckets   // nil for names that are not secret
	settings   *config.Settings   // never nil
	hold       func() (release func())
	common     common // with other replicas; see share
	limits     *limit.Limiter
	load       *gateway.Load
	ledger     gateway.Ledger     // nil for none
	retriable  []int              // statuses that another upstream is asked for, besides the usual: of one configuration
	catalogue  *models.Catalogue  // of prices; nil for none but the configuration's
	prompts    *gateway.PromptLog // nil for no prompt log
	balancers  *balance.Registry  // nil keeps nothing of upstreams when the configuration changes
	traces     *gateway.Traces    // nil for none
}

// passLifetime is how long a per-request key is good that nobody takes back, unless the settings say otherwise.
const passLifetime = 30 * time.Minute

// newParts are those that know no metrics. allow are networks that files may be fetched from although they are
// not public.
func newParts(u *upstreams, allow []netip.Prefix, log *slog.Logger) parts {
	settings, _ := config.LoadSettings("", nil) // what is built in
	p := parts{upstreams: u, fetch: fetch.New(fetch.Options{Allow: allow}), log: log, consents: consentsInMemory()}
	p.settle(settings)
	return p
}

// settle puts what the settings say in the place of what is built in.
func (p *parts) settle(settings *config.Settings) {
	p.settings = settings
	p.remotes = proxy.NewTransportWithin(settings.ConnectTimeout)
	p.passes = auth.NewPasses(cmp.Or(settings.PassLifetime, passLifetime))
	p.limits = limit.New(limiterOptions(settings, limit.NewMemory(nil), p.log))
}

// bucketsOf gives buckets the names that the settings' secret makes; nil for names that are not secret.
func bucketsOf(settings *config.Settings) (*gateway.Buckets, error) {
	e := settings.Encryption
	if e.Secret.IsZero() && e.Key.IsZero() {
		return nil, nil //nolint:nilnil // the gateway has names of its own
	}
	return gateway.NewBuckets(e.Secret.Reveal(), e.Key.Reveal())
}

// build maps a configuration to what serves it.
func build(cfg *config.Config, p parts) (*gateway.Gateway, []*catalog.Deployment, error) {
	p.retriable = cfg.RetriableErrorCodes
	deployments, err := deploymentsFor(cfg, p)
	if err != nil {
		return nil, nil, err
	}
	bar(deployments, cfg, p.processRegion())
	setPrices(deployments, cfg, p.catalogue)
	visible, err := catalog.New(deployments)
	if err != nil {
		return nil, nil, err
	}
	if p.callers == nil {
		if p.callers, err = callersOf(cfg, p); err != nil {
			return nil, nil, err
		}
	}
	rules := rulesOf(cfg)
	rules.Concurrent = p.settings.Limits.Concurrent
	routes, err := routesOf(cfg, p)
	if err != nil {
		return nil, nil, err
	}
	g, err := gateway.New(gateway.Options{
		Auth: p.callers, Deployments: gateway.Fixed(visible), Log: p.log, Version: version(), Fetch: p.fetch,
		Load: p.load, Limits: p.limits, Rules: rules, Ledger: p.ledger,
		Metadata: true, Ready: p.ready, Record: p.record, PromptLog: p.prompts, Traces: p.traces, Before: p.before, Passes: p.passes,
		MaxBody: p.settings.MaxBody, MaxUpload: p.settings.MaxUpload,
		Routes: routes, Consents: p.consents, Operations: p.operations, Buckets: p.buckets,
		Shared: p.common.store, SharedLists: p.common.lists, Bus: p.common.bus,
		Secret: sealingSecret(p.settings), Hold: p.hold, BackgroundLifetime: p.settings.BackgroundTTL, BackgroundPoll: p.settings.BackgroundPoll,
	})
	if err == nil {
		p.limits.Keep(scheduleOf(cfg))
	}
	return g, deployments, err
}

// sealingSecret is what ids of responses and thinking that clients keep are sealed with: of the settings, so that they
// are good after a restart too; nil without any.
func sealingSecret(s *config.Settings) []byte {
	if s.Encryption.Secret.IsZero() {
		return nil
	}
	return []byte(s.Encryption.Secret.Reveal() + "\x00" + s.Encryption.Key.Reveal())
}

func callersOf(cfg *config.Config, p parts) (gateway.Authenticator, error) {
	keys := make([]auth.Key, 0, len(cfg.Keys))
	for _, k := range cfg.Keys {
		keys = append(keys, authKey(k))
	}
	callers, err := auth.New(auth.Options{Keys: keys, Passes: p.passes, Tokens: p.tokens, Proxies: p.settings.ProxyCount})
	if err != nil || len(cfg.ClosedRoles) == 0 {
		return callers, err
	}
	return closedRoles{callers, cfg.ClosedRoles}, nil
}

func deployment(m config.Model, p parts) (*catalog.Deployment, *balance.Group, error) {
	asked := m.Active()
	behind := balanced{name: m.Name, models: make([]*bedrock.Model, 0, len(asked))}
	for _, upstream := range asked {
		client, err := p.upstreams.client(settings(upstream, m.Region(upstream)))
		if err != nil {
			return nil, nil, err
		}
		if m.Region(upstream) == "" {
			p.upstreams.region = client.Region()
		}
		model, err := client.Model(m.ModelID(upstream), modelOptions(m, upstream))
		if err != nil {
			return nil, nil, err
		}
		p.upstreams.models = append(p.upstreams.models, named{m.Name, model})
		behind.add(client, model)
	}
	behind.group = p.groupOf(m, asked, &behind)
	d := &catalog.Deployment{Name: m.Name, Roles: m.UserRoles, Info: info(m), Timeouts: timeouts(m.Timeouts), Region: behind.region()}
	d.Info.Defaults = m.DefaultsOf(ownInterface(m))
	behind.patient(&d.Timeouts)
	return d, behind.group, able(d, m.Type, &behind)
}

// processRegion is the region of upstreams that state none, "" when there are none such.
func (p parts) processRegion() string {
	if p.upstreams == nil {
		return ""
	}
	return p.upstreams.region
}

// ownInterface is the one that a model of this process is asked in before all.
func ownInterface(m config.Model) config.Interface {
	if m.Type == config.TypeEmbedding {
		return config.Embeddings
	}
	return config.ChatCompletions
}

// able gives a deployment what its type says that the models do.
func able(d *catalog.Deployment, kind string, behind *balanced) error {
	for _, model := range behind.models {
		does := map[models.Kind]string{models.Embedding: config.TypeEmbedding, models.Rerank: config.TypeRerank}[model.Kind()]
		if does != "" && kind != does {
			return fmt.Errorf("the model makes no answers of type %s: its type is %s", kind, does)
		}
	}
	switch kind {
	case config.TypeEmbedding:
		d.Embed = behind.embed()
	case config.TypeRerank:
		d.Rerank = behind.rerank()
	default:
		d.Chat, d.Count, d.Configuration = behind.chat(), behind.count(), behind.models[0].Configuration
		d.Messages, d.NativeResponses = behind.messages(), behind.responses()
	}
	return nil
}

// settings are how an upstream is reached; region "" is the process's.
func settings(u config.Upstream, region string) bedrock.Settings {
	return bedrock.Settings{
		Region:                  region,
		Endpoint:                u.Network.Runtime,
		MantleEndpoint:          u.Network.Mantle,
		ControlEndpoint:         u.Network.Control,
		STSEndpoint:             u.Network.STS,
		APIKey:                  u.Key,
		APIKeyFile:              u.KeyFile,
		AccessKeyID:             u.AccessKeyID,
		SecretAccessKey:         u.SecretAccessKey,
		SessionToken:            u.SessionToken,
		Profile:                 u.Profile,
		WebIdentityTokenFile:    u.WebIdentityTokenFile,
		ContainerCredentialsURI: u.ContainerCredentialsURI,
		ContainerTokenFile:      u.ContainerTokenFile,
		RoleChain:               u.RoleChain,
		AssumeRoleARN:           u.AssumeRoleARN,
		ExternalID:              u.ExternalID,
		Duration:                u.RoleDuration,
		RoleSessionName:         u.RoleSessionName,
		Network: bedrock.Network{
			Proxy: u.Network.Proxy, NoProxy: u.Network.NoProxy, CABundle: u.Network.CABundle,
			HTTP2: u.Network.HTTP2, FIPS: u.Network.FIPS, DualStack: u.Network.DualStack,
		},
	}
}

func timeouts(t config.Timeouts) catalog.Timeouts {
	return catalog.Timeouts{FirstToken: t.FirstToken, InterToken: t.InterToken, Total: t.Total, Heartbeat: t.Heartbeat}
}

func modelOptions(m config.Model, u config.Upstream) bedrock.ModelOptions {
	o := bedrock.ModelOptions{BaseModel: u.BaseModel, Surface: u.Surface, Claude: u.ClaudeClient}
	if m.Timeouts.Connect < config.LongestConnect { // which is the transport's own
		o.Connect = m.Timeouts.Connect
	}
	if g := u.Guardrail; g.ID != "" {
		o.Guardrail = &bedrock.Guardrail{ID: g.ID, Version: g.Version, Trace: g.Trace, StreamProcessingMode: g.StreamProcessingMode}
	}
	return o
}

func info(m config.Model) catalog.Info {
	return catalog.Info{
		DisplayName: m.DisplayName, DisplayVersion: m.DisplayVersion, Description: m.Description,
		DescriptionKeywords: m.DescriptionKeywords, IconURL: m.IconURL, Reference: m.Reference,
		TokenizerModel: m.TokenizerModel, CreatedAt: m.CreatedAt / 1000, UpdatedAt: m.UpdatedAt / 1000,
		InputAttachmentTypes: m.InputAttachmentTypes, MaxInputAttachments: m.MaxInputAttachments,
		Intro: m.Intro, ResponsesDefaults: m.ResponsesDefaults, Dependencies: m.Dependencies,
		InterfaceConfigs:    interfaceConfigs(m),
		EmbeddingDimensions: m.EmbeddingDimensions, MaxRetryAttempts: m.MaxRetryAttempts, Defaults: m.Defaults,
		Limits: catalog.Limits{
			MaxTotalTokens:      int(m.Limits.MaxTotalTokens),
			MaxPromptTokens:     int(m.Limits.MaxPromptTokens),
			MaxCompletionTokens: int(m.Limits.MaxCompletionTokens),
		},
		Pricing: catalog.Pricing{
			Unit: m.Pricing.Unit, Prompt: m.Pricing.Prompt, Completion: m.Pricing.Completion,
			CacheRead: m.Pricing.CacheRead, CacheWrite: m.Pricing.CacheWrite,
		},
		Features: features(m.Features),
	}
}

// interfaceConfigs are what single interfaces of a model have of their own.
func interfaceConfigs(m config.Model) (out []catalog.InterfaceConfig) {
	for i := range catalog.Interface(catalog.Interfaces) {
		own, ok := m.Interfaces[config.Interface(i.String())]
		if !ok || own.Defaults == nil && own.Features == nil {
			continue
		}
		c := catalog.InterfaceConfig{Interface: i, Defaults: own.Defaults}
		if own.Features != nil {
			c.Features = new(features(*own.Features))
		}
		out = append(out, c)
	}
	return out
}

func features(f config.Features) catalog.Features {
	return catalog.Features{
		Rate:         f.RateEndpoint != "", // tokenize, truncate_prompt and configuration are told by what the deployment has
		SystemPrompt: f.SystemPromptSupported, Tools: f.ToolsSupported, Seed: f.SeedSupported,
		URLAttachments: f.URLAttachmentsSupported, FolderAttachments: f.FolderAttachmentsSupported,
		AllowResume: f.AllowResume, AccessibleByPerRequestKey: f.AccessibleByPerRequestKey,
		ContentParts: f.ContentPartsSupported, Temperature: f.TemperatureSupported, CustomTemperature: f.CustomTemperatureSupported,
		ParallelToolCalls: f.ParallelToolCallsSupported, Cache: f.CacheSupported, AutoCaching: f.AutoCachingSupported,
		MaxTokens: f.MaxTokensSupported, MaxCompletionTokens: f.MaxCompletionTokensSupported,
		AssistantAttachmentsInRequest: f.AssistantAttachmentsInRequest, SkillsSupported: f.SkillsSupported,
		ReasoningEfforts: f.ReasoningEfforts,
	}
}

// upstreams makes the clients of Bedrock; equal settings share one, and so its credentials.
type upstreams struct {
	make    func(bedrock.Settings) (*bedrock.Client, error)
	clients map[[sha256.Size]byte]*bedrock.Client
	models  []named
	added   []*bedrock.Client // of clients, those that no configuration had before
	region  string            // of those that state none; "" when all do
}

// named is the model of a deployment.
type named struct {
	deployment string
	model      *bedrock.Model
}

// newClients chooses between AWS and a sandbox in this process, which stop ends.
func newClients(ctx context.Context, inSandbox bool, catalogue *models.Catalogue, log *slog.Logger) (create func(bedrock.Settings) (*bedrock.Client, error), stop func(), err error) {
	if inSandbox {
		url, stop, err := startSandbox(ctx, log)
		if err != nil {
			return nil, nil, err
		}
		transport := bedrock.NewTransport()
		return func(bedrock.Settings) (*bedrock.Client, error) {
			return bedrock.New(bedrock.Options{
				Region: "us-east-1", Endpoint: url, Transport: transport, Catalogue: catalogue,
				Credentials: credentials.NewStaticCredentialsProvider("sandbox", sandboxSecret, ""),
			})
		}, stop, nil
	}
	process, warnings, err := bedrock.Load(ctx, getenv, catalogue)
	for _, warning := range warnings {
		log.Warn("AWS settings", "warning", warning)
	}
	if err != nil {
		return nil, nil, err
	}
	return process.Client, func() {}, nil
}

// sandboxPace is the time between two tokens of the built-in sandbox: fast for a model, and still seen to stream.
const sandboxPace = 5 * time.Millisecond

// sandboxSecret is the built-in sandbox's and its only client's, no secret to anybody, but long enough for an HMAC in FIPS mode.
const sandboxSecret = "sandbox-in-this-process"

// startSandbox serves a sandbox on a port of the loopback that nobody else knows.
func startSandbox(ctx context.Context, log *slog.Logger) (url string, stop func(), err error) {
	handler, err := sandbox.New(sandbox.Options{Pace: sandboxPace, Credentials: []sandbox.Credential{{AccessKeyID: "sandbox", SecretAccessKey: sandboxSecret}}})
	if err != nil {
		return "", nil, err
	}
	listener, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := newServer(handler, log)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the sandbox stopped", "error", err)
		}
	}()
	stop = func() {
		if err := server.Close(); err != nil {
			log.Warn("stopping the sandbox", "error", err)
		}
	}
	return "http://" + listener.Addr().String(), stop, nil
}

func (u *upstreams) client(s bedrock.Settings) (*bedrock.Client, error) {
	key := s.Key()
	if client, ok := u.clients[key]; ok {
		return client, nil
	}
	client, err := u.make(s)
	if err == nil {
		u.clients[key] = client
	}
	return client, err
}

// check does at the start what the first requests would otherwise meet: it looks for the credentials,
// and for the models behind ARNs.
func (u *upstreams) check(ctx context.Context, log *slog.Logger) {
	u.checkCredentials(ctx, log)
	for _, m := range u.models {
		if err := m.model.Resolve(ctx); err != nil && ctx.Err() == nil {
			log.Warn("the ARN does not tell its model and AWS could not be asked: the deployment is served as plain Converse until it can; name the model in the upstream's baseModel, or allow bedrock:GetInferenceProfile",
				"deployment", m.deployment, "error", err)
		}
	}
}

// checkCredentials looks for the credentials of every upstream that is new, so that the log names a missing one
// before a client meets it. Serving goes on: they may come later.
func (u *upstreams) checkCredentials(ctx context.Context, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for _, client := range u.added {
		if err := client.Ready(ctx); err != nil {
			log.Error("cannot get AWS credentials for an upstream, its requests fail until then: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or AWS_BEARER_TOKEN_BEDROCK, or give the pod a role",
				"region", client.Region(), "source", client.Identity().Source, "error", err)
			continue
		}
		who := client.Identity()
		log.Info("AWS credentials of an upstream", "region", client.Region(), "source", who.Source, "provider", who.Provider, "roles", who.Roles)
		if who.Warning != "" {
			log.Warn("AWS credentials that may not be the ones that were meant", "region", client.Region(), "warning", who.Warning)
		}
	}
}
