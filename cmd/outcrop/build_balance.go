package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"outcrop/internal/balance"
	"outcrop/internal/bedrock"
	"outcrop/internal/catalog"
	"outcrop/internal/config"
	"outcrop/internal/llm"
	"outcrop/internal/models"
)

// balanced are the models of Bedrock behind one deployment, one of each upstream that is not disabled.
type balanced struct {
	name    string
	models  []*bedrock.Model
	regions []string
	group   *balance.Group
	// patience is how long one of several upstreams may say nothing before the next one is asked; 0 is without bound.
	patience time.Duration
}

// patient lets each of several upstreams have the deployment's first-token timeout for itself.
func (b *balanced) patient(t *catalog.Timeouts) {
	if b.group.Several() {
		b.patience, t.FirstToken = t.FirstToken, 0
	}
}

func (b *balanced) add(client *bedrock.Client, model *bedrock.Model) {
	b.models, b.regions = append(b.models, model), append(b.regions, client.Region())
}

// region is that of all upstreams, "" when they differ.
func (b *balanced) region() string {
	for _, region := range b.regions {
		if region != b.regions[0] {
			return ""
		}
	}
	return b.regions[0]
}

func (b *balanced) chat() llm.ChatModel {
	return balance.Chat(b.group, each(b.models, func(m *bedrock.Model) llm.ChatModel { return balance.Patient(m, b.patience) }))
}

func (b *balanced) count() llm.TokenCounter {
	return balance.Counter(b.group, each(b.models, func(m *bedrock.Model) llm.TokenCounter { return m }))
}

func (b *balanced) embed() llm.EmbedModel {
	return balance.Embed(b.group, each(b.models, func(m *bedrock.Model) llm.EmbedModel { return m }))
}

func (b *balanced) rerank() llm.RerankModel {
	return balance.Rerank(b.group, each(b.models, func(m *bedrock.Model) llm.RerankModel { return m }))
}

// messages gives the models' own answers once all of them have some: a request is written for one kind of answer.
func (b *balanced) messages() func() llm.MessagesModel {
	return func() llm.MessagesModel {
		native := each(b.models, (*bedrock.Model).Native)
		for i, m := range native {
			if m == nil {
				return nil
			}
			native[i] = balance.PatientMessages(m, b.patience)
		}
		if b.group.Alone() {
			return native[0]
		}
		return balance.Messages(b.group, native)
	}
}

// responses is messages for the Responses API.
func (b *balanced) responses() func() llm.ResponsesModel {
	return func() llm.ResponsesModel {
		native := each(b.models, (*bedrock.Model).NativeResponses)
		for i, m := range native {
			if m == nil {
				return nil
			}
			native[i] = balance.PatientResponses(m, b.patience)
		}
		if b.group.Alone() {
			return native[0]
		}
		return balance.Responses(b.group, native)
	}
}

func each[A, B any](from []A, to func(A) B) []B {
	out := make([]B, len(from))
	for i := range from {
		out[i] = to(from[i])
	}
	return out
}

// groupOf is how the upstreams of a deployment are chosen; behind are its models of Bedrock, nil of another server's.
func (p parts) groupOf(m config.Model, upstreams []config.Upstream, behind *balanced) *balance.Group {
	o := balance.Options{Name: "model:" + m.Name, Attempts: m.MaxRetryAttempts, Retriable: p.retriable}
	switch {
	case m.Features.AutoCachingSupported:
		o.Cache = balance.AutoCache
	case m.Features.CacheSupported:
		o.Cache = balance.ExplicitCache
	}
	for i, u := range upstreams {
		up := upstreamOf(u)
		if behind != nil {
			model := behind.models[i]
			up.Region, up.Mark = behind.regions[i], markOf(model.ID(), up.Mark, settings(u, behind.regions[i]).Key())
			up.Quota.Burndown = models.Burndown(model.Base())
			if known, ok := lookUp(p.catalogue, model.Base()); ok {
				up.Quota.MaxOutput = known.MaxOutputTokens
			}
		}
		o.Upstreams = append(o.Upstreams, up)
	}
	return p.group(o)
}

func lookUp(c *models.Catalogue, id string) (*models.Model, bool) {
	if c == nil {
		return nil, false
	}
	return c.Lookup(id)
}

// group is the one that there was before the configuration changed, when nothing about it has.
func (p parts) group(o balance.Options) *balance.Group {
	if p.balancers == nil {
		return balance.New(o)
	}
	return p.balancers.Group(o)
}

func upstreamOf(u config.Upstream) balance.Upstream {
	return balance.Upstream{
		ID: u.ID, Endpoint: u.Endpoint, Tier: u.Tier, Weight: u.Weight,
		Quota: balance.Quota{TokensPerMinute: u.Quota.TokensPerMinute, RequestsPerMinute: u.Quota.RequestsPerMinute},
		Mark:  markOf(u.Endpoint, u.BaseURL, u.ResponsesEndpoint, u.Key.Reveal(), u.Foreign.Reveal()),
	}
}

// markOf is a digest of values that tells nothing of them.
func markOf(values ...any) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", values))
	return hex.EncodeToString(sum[:12])
}
