package bedrock

import "time"

// Held is the state of what an upstream is called with.
type Held struct {
	Source   string    // as Identity's
	Expires  time.Time // zero when it does not expire, or has not been got yet
	Failures uint64    // attempts to get it that failed
}

// Held tells what the client holds now. It calls nobody.
func (c *Client) Held() Held {
	h := Held{Source: c.source}
	if c.wallet == nil {
		return h
	}
	h.Failures = c.wallet.failures.Load()
	if now := c.wallet.current.Load(); now != nil && now.CanExpire {
		h.Expires = now.Expires
	}
	return h
}
