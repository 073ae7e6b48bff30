package bedrock

// betaPerTurn lets a message of the conversation carry an effort of its own.
const betaPerTurn = "per-turn-control-2026-07-01"

// betaRule is what becomes of a flag of anthropic-beta on Bedrock.
type betaRule struct {
	flag string
	as   string // AWS's name for it; "" when Bedrock does not have it
	on   string // the one surface that this is so on; "" for both
}

// nativeBetas lists the flags that Bedrock refuses ("invalid beta flag") and those that it names otherwise.
// Every flag that is not here passes: it may be of tomorrow.
func nativeBetas() [17]betaRule {
	return [...]betaRule{
		// Those that DIAL's adapter, which has served Claude on Bedrock for years, takes out on both surfaces.
		{flag: "claude-code-20250219"}, // says who the client is
		{flag: "oauth-2025-04-20"},     // Anthropic's own accounts
		{flag: "redact-thinking-2026-02-12"},
		{flag: "thinking-token-count-2026-05-13"},
		{flag: "prompt-caching-scope-2026-01-05"},
		{flag: "advisor-tool-2026-03-01"},
		// Bedrock has these without a flag.
		// https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
		{flag: "prompt-caching-2024-07-31"},
		{flag: "extended-cache-ttl-2025-04-11"},
		{flag: "pdfs-2024-09-25"},
		{flag: "structured-outputs-2025-11-13"},
		{flag: "structured-outputs-2025-12-15"},
		// APIs beside the messages; the SDKs send the first with every count, the second with every batch.
		{flag: "token-counting-2024-11-01"},
		{flag: "message-batches-2024-09-24"},
		{flag: "files-api-2025-04-14"},
		// Claude Code 2.1.330 sends these three to Anthropic's API. Where it calls Bedrock it sends neither of the
		// first two, and AWS's own name for the third, on both surfaces (seen 2026-11).
		{flag: betaPerTurn},
		{flag: "mid-conversation-tool-changes-2026-07-01"},
		{flag: "advanced-tool-use-2025-11-20", as: "tool-search-tool-2025-10-19"},
	}
}

// betaOn is the name under which a surface takes a flag; ok is false when it takes none.
func betaOn(surface, flag string) (as string, ok bool) {
	for _, r := range nativeBetas() {
		if r.flag == flag && (r.on == "" || r.on == surface) {
			return r.as, r.as != ""
		}
	}
	return flag, true
}
