package balance

// Cache says whether prompts stay with the upstream that has them in its cache.
type Cache uint8

// The kinds of cache: none, where the client says so (features.cacheSupported), or everywhere (autoCachingSupported).
const (
	NoCache Cache = iota
	ExplicitCache
	AutoCache
)

// Prompt is the beginnings of a request's prompt.
type Prompt struct{}
