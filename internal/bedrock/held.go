package bedrock

import "time"

// Held is the state of what an upstream is called with.
type Held struct {
	Source string // as Identity's
	// Expires is zero when it does not expire or has not been got yet. It is zero too once it is time to renew
	// what nobody has needed since: so what is told is near only where the renewal fails.
	Expires  time.Time
	Failures uint64 // attempts to get it that failed
}

// Held tells what the client holds now. It calls nobody.
func (c *Client) Held() Held {
	h := Held{Source: c.source}
	if c.wallet == nil {
		return h
	}
	h.Failures = c.wallet.failures.Load()
	now := c.wallet.current.Load()
	if now != nil && now.CanExpire && (c.wallet.failing.Load() || time.Now().Before(now.renewAt)) {
		h.Expires = now.Expires
	}
	return h
}

func (w *wallet) failed() {
	w.failures.Add(1)
	w.failing.Store(true)
}
