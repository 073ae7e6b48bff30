package balance

import (
	"time"

	"outcrop/internal/llm"
)

// Quota is what an upstream may use in a minute, as AWS counts it; 0 is not stated.
// https://docs.aws.amazon.com/bedrock/latest/userguide/quotas-token-burndown.html
type Quota struct {
	TokensPerMinute, RequestsPerMinute int64
	// Burndown is how many tokens of the quota one token of an answer takes; 0 is 1.
	Burndown int
	// MaxOutput is what AWS reserves for an answer whose request states no max_tokens.
	MaxOutput int
}

func (q Quota) limits() bool { return q.TokensPerMinute > 0 || q.RequestsPerMinute > 0 }

// Need is about what a request takes of a quota, in tokens.
type Need struct {
	Prompt int
	Output int // the most; 0 is not stated
}

// reserved is what AWS holds back of the quota while the request runs.
func (q Quota) reserved(a *Ask) float64 {
	switch {
	case a.Free:
		return 0
	case a.Need.Output == 0:
		return float64(a.Need.Prompt + q.MaxOutput)
	}
	return float64(a.Need.Prompt + a.Need.Output)
}

// asked is what the prompt alone takes.
func (q Quota) asked(a *Ask) float64 {
	if a.Free {
		return 0
	}
	return float64(a.Need.Prompt)
}

// spent is what it took in the end. What came from the cache is not counted.
func (q Quota) spent(u llm.Usage) float64 {
	return float64(u.Input + u.CacheWrite + u.Output*max(1, q.Burndown))
}

// bucket is a quota that is filled as time goes by.
type bucket struct {
	quota    Quota
	tokens   float64 // that are left; below 0 more was spent than reserved
	requests float64
	part     float64 // of the quota that is believed to be there, after refusals
	at       time.Time

	spentTokens, spentRequests float64 // that other replicas have not been told of
}

func newBucket(q Quota, now time.Time) bucket {
	return bucket{quota: q, tokens: float64(q.TokensPerMinute), requests: float64(q.RequestsPerMinute), part: 1, at: now}
}

const (
	// refusal is how much of a quota is believed after a throttle that it did not foresee, down to leastPart.
	refusal, leastPart = 0.9, 0.3
	// margin is for what is guessed of a request.
	margin = 1.25
	// recovery is how much of the whole quota is believed again in a second.
	recovery = 0.001
)

// fill lets the time go by.
func (b *bucket) fill(now time.Time) {
	passed := now.Sub(b.at).Seconds()
	if passed <= 0 {
		return
	}
	b.at, b.part = now, min(1, b.part+recovery*passed)
	b.tokens = min(b.tokens+passed/60*b.part*float64(b.quota.TokensPerMinute), b.part*float64(b.quota.TokensPerMinute))
	b.requests = min(b.requests+passed/60*b.part*float64(b.quota.RequestsPerMinute), b.part*float64(b.quota.RequestsPerMinute))
}

// fits says whether there is room for a request.
func (b *bucket) fits(now time.Time, a *Ask) bool {
	if !b.quota.limits() {
		return true
	}
	b.fill(now)
	return (b.quota.TokensPerMinute <= 0 || b.tokens >= margin*b.quota.reserved(a)) && (b.quota.RequestsPerMinute <= 0 || b.requests >= 1)
}

// left is the part of the quota that is left, 1 without one.
func (b *bucket) left(now time.Time) float64 {
	if !b.quota.limits() {
		return 1
	}
	b.fill(now)
	part := 1.0
	if b.quota.TokensPerMinute > 0 {
		part = b.tokens / float64(b.quota.TokensPerMinute)
	}
	if b.quota.RequestsPerMinute > 0 {
		part = min(part, b.requests/float64(b.quota.RequestsPerMinute))
	}
	return part
}

func (b *bucket) reserve(now time.Time, a *Ask) {
	if !b.quota.limits() {
		return
	}
	b.fill(now)
	b.take(b.quota.reserved(a), 1)
}

// settle gives back what was reserved and not spent, or takes what was spent beyond it.
func (b *bucket) settle(a *Ask, spent float64) {
	if b.quota.limits() {
		b.take(spent-b.quota.reserved(a), 0)
	}
}

func (b *bucket) take(tokens, requests float64) {
	b.tokens, b.requests = b.tokens-tokens, b.requests-requests
	b.spentTokens, b.spentRequests = b.spentTokens+tokens, b.spentRequests+requests
}

// refused learns from a throttle: there was less than was believed.
func (b *bucket) refused(now time.Time) {
	if !b.quota.limits() {
		return
	}
	b.fill(now)
	b.part = max(leastPart, b.part*refusal)
	b.tokens, b.requests = min(b.tokens, 0), min(b.requests, 0)
}
