package adapter

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"outcrop/internal/bedrock"
	"outcrop/internal/catalog"
)

// Variable is a variable of the environment that DIAL's adapter reads, and what it means here.
type Variable struct {
	Name string // one that ends in * stands for all that begin so
	// Honoured is false for one without meaning here. Then Note says why, and the start logs it if it is
	// set to something else than None.
	Honoured bool
	Note     string
	None     string
}

// Variables are all of them, in the order of docs/adapter.md.
func Variables() []Variable {
	honoured := func(name, note string) Variable { return Variable{Name: name, Honoured: true, Note: note} }
	return []Variable{
		honoured("DEFAULT_REGION", "wins over the two below, as there; a warning says so"),
		honoured("AWS_DEFAULT_REGION", "region of the upstreams that name none; wins over `AWS_REGION`, as there"),
		honoured("AWS_REGION", "the same, in AWS's newer name, which EKS sets"),
		honoured("AWS_ACCESS_KEY_ID", "with the next one or two: credentials of the upstreams that name none"),
		honoured("AWS_SECRET_ACCESS_KEY", ""),
		honoured("AWS_SESSION_TOKEN", ""),
		honoured("AWS_ASSUME_ROLE_ARN", "role of the upstreams that name no credentials"),
		honoured("AWS_BEARER_TOKEN_BEDROCK", "Bedrock API key of the upstreams that name no credentials"),
		honoured("AWS_CLAUDE_DEFAULT_CLIENT", "`legacy`, `mantle` or `converse`, see [Claude](#claude)"),
		honoured("AWS_SESSION_TAGS", "see [Session tags](#session-tags)"),
		honoured("DIAL_URL", "DIAL Core: files of its storage, images into it, `UserInfo` of session tags, `/to-chat-completions`"),
		honoured("DIAL_API_VERSION", "`api-version` of `/to-chat-completions`"),
		honoured("LOG_LEVEL", "`DEBUG`, `INFO`, `WARNING`, `ERROR`, `CRITICAL`; bodies are logged at none of them"),
		honoured("TIMEOUT_KEEP_ALIVE", "seconds until an idle connection is closed, 300 unless set; a warning below 65, because Core keeps its own for 60"),
		honoured("COMPATIBILITY_MAPPING", "JSON object of deployment ids and the ids of models that they behave like"),
		honoured("CLAUDE_DEFAULT_MAX_TOKENS", "`max_tokens` of requests for Claude that have none; not 1536 unless set: the model's own limit"),
		honoured("REQUEST_TIMEOUT_SECONDS", "how long a model may be silent, and how long an answer that is not a stream may take; 600 unless set. Too late is 504, which Core tries elsewhere"),
		honoured("CLIENT_CACHE_MAX_SIZE", "how many clients, deployments and users are remembered, 512 unless set"),
		honoured("AWS_ENDPOINT_URL*", "`AWS_ENDPOINT_URL`, and those of `_BEDROCK_RUNTIME`, `_BEDROCK_MANTLE`, `_BEDROCK`, `_STS`"),
		{Name: "BOTOCORE_MAX_RETRY_ATTEMPTS", None: "0", Note: "a call is tried once: DIAL Core balances and tries elsewhere"},
		{Name: "ANTHROPIC_MAX_RETRY_ATTEMPTS", None: "0", Note: "as above"},
		{Name: "AWS_MAX_ATTEMPTS", None: "1", Note: "as above; the calls for credentials heed it"},
		{Name: "ANTHROPIC_MAX_CONNECTIONS", Note: "connections are not limited"},
		{Name: "ANTHROPIC_MAX_KEEPALIVE_CONNECTIONS", Note: "as above"},
		{Name: "BOTOCORE_CLIENT_MAX_POOL_CONNECTIONS", Note: "as above"},
		{Name: "THREAD_POOL_SIZE", Note: "a request needs no thread"},
		{Name: "WEB_CONCURRENCY", None: "1", Note: "one process uses all processors"},
		{Name: "ANTHROPIC_BEDROCK_BASE_URL", Note: "set `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`"},
		{Name: "ANTHROPIC_BEDROCK_MANTLE_BASE_URL", Note: "set `AWS_ENDPOINT_URL_BEDROCK_MANTLE`"},
		{Name: "ANTHROPIC_AWS_API_KEY", Note: "set `AWS_BEARER_TOKEN_BEDROCK`"},
		{Name: "ANTHROPIC_LOG", Note: "set `LOG_LEVEL`"},
		{Name: "DIAL_SDK_*", Note: "set `LOG_LEVEL`, and `--log` for the format"},
	}
}

// Environment is what the variables say.
type Environment struct {
	// Options has what the variables say of the adapter; the rest of it is for others to fill in.
	Options Options
	Region  string // "" for none
	// KeepAlive is how long an idle connection is kept; 0 when nothing is said.
	KeepAlive time.Duration
	Level     slog.Level
	// Warnings are sentences for the operator. Meaningless are the variables that are set in vain.
	Warnings    []string
	Meaningless []Variable
}

const (
	// usualTimeout is REQUEST_TIMEOUT_SECONDS.
	usualTimeout = 10 * time.Minute
	// longestAnswer ends a stream that goes on and on.
	longestAnswer = time.Hour
	// heartbeat is after how much silence a stream gets a comment, so that nothing between closes it.
	heartbeat = 15 * time.Second
	// shortKeepAlive is what Core's own keep-alive of 60 s may outlast.
	shortKeepAlive = 65 * time.Second
	// usualSessionName is that of DIAL's adapter, which trust policies may ask for.
	usualSessionName  = "BedrockAccessSession"
	usualAPIVersion   = "2025-01-01-preview"
	mappingForExample = `{"my-claude":"anthropic.claude-sonnet-4-5-20250929-v1:0"}`
)

// ReadEnvironment reads what os.Environ returns. Its error has a line for each wrong value, with the
// variable and the remedy.
func ReadEnvironment(environ []string) (*Environment, error) {
	v := variables{values: map[string]string{}}
	for _, pair := range environ {
		if name, value, _ := strings.Cut(pair, "="); value != "" {
			v.values[name] = value
		}
	}
	e := &Environment{KeepAlive: v.seconds("TIMEOUT_KEEP_ALIVE", 0), Level: v.level()}
	timeout := v.seconds("REQUEST_TIMEOUT_SECONDS", usualTimeout)
	e.Options = Options{
		ClaudeClient: v.claudeClient(), ClaudeMaxTokens: v.number("CLAUDE_DEFAULT_MAX_TOKENS"), Compatible: v.compatible(),
		Tags: v.tags(), SessionName: v.get("AWS_ROLE_SESSION_NAME", usualSessionName), ProcessRole: v.values["AWS_ASSUME_ROLE_ARN"] != "",
		Core: v.address("DIAL_URL"), APIVersion: v.get("DIAL_API_VERSION", usualAPIVersion), CacheSize: v.number("CLIENT_CACHE_MAX_SIZE"),
		Timeouts: catalog.Timeouts{FirstToken: timeout, InterToken: timeout, Whole: timeout, Total: max(longestAnswer, timeout), Heartbeat: heartbeat},
	}
	e.Region = v.region()
	if e.KeepAlive > 0 && e.KeepAlive < shortKeepAlive {
		v.warn("TIMEOUT_KEEP_ALIVE: %v is shorter than the 60 s for which DIAL Core keeps its connections: it will meet closed ones; use 70 or more", e.KeepAlive)
	}
	e.Warnings, e.Meaningless = v.warnings, v.meaningless()
	return e, errors.Join(v.mistakes...)
}

// variables are the environment while it is read.
type variables struct {
	values   map[string]string
	warnings []string
	mistakes []error
}

func (v *variables) warn(format string, args ...any) {
	v.warnings = append(v.warnings, fmt.Sprintf(format, args...))
}

func (v *variables) wrong(name, remedy string) {
	v.mistakes = append(v.mistakes, fmt.Errorf("%s %s", name, remedy))
}

func (v *variables) get(name, otherwise string) string {
	if value := strings.TrimSpace(v.values[name]); value != "" {
		return value
	}
	return otherwise
}

// seconds reads a duration, which may have a fraction.
func (v *variables) seconds(name string, otherwise time.Duration) time.Duration {
	text := v.get(name, "")
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0 && n <= 1e6) {
		v.wrong(name, "must be a number of seconds above 0, such as 600")
		return otherwise
	}
	return time.Duration(n * float64(time.Second))
}

// number reads a whole number; 0 when there is none.
func (v *variables) number(name string) int {
	text := v.get(name, "")
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1e7 {
		v.wrong(name, "must be a whole number of at least 1, such as 512")
		return 0
	}
	return n
}

func (v *variables) level() slog.Level {
	switch strings.ToUpper(v.get("LOG_LEVEL", "INFO")) {
	case "DEBUG", "NOTSET":
		return slog.LevelDebug
	case "INFO":
		return slog.LevelInfo
	case "WARNING", "WARN":
		return slog.LevelWarn
	case "ERROR", "CRITICAL", "FATAL":
		return slog.LevelError
	}
	v.wrong("LOG_LEVEL", "must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL")
	return slog.LevelInfo
}

func (v *variables) claudeClient() string {
	client := v.get("AWS_CLAUDE_DEFAULT_CLIENT", bedrock.ClaudeLegacy)
	switch client {
	case bedrock.ClaudeLegacy, bedrock.ClaudeMantle, bedrock.ClaudeConverse:
	default:
		v.wrong("AWS_CLAUDE_DEFAULT_CLIENT", "must be one of legacy, mantle, converse")
	}
	return client
}

func (v *variables) compatible() map[string]string {
	text := v.get("COMPATIBILITY_MAPPING", "")
	if text == "" {
		return nil
	}
	members, err := stringMembers(text)
	if err != nil {
		v.wrong("COMPATIBILITY_MAPPING", "must be a JSON object of strings, such as "+mappingForExample)
		return nil
	}
	mapping := make(map[string]string, len(members))
	for _, m := range members {
		mapping[m[0]] = m[1]
	}
	return mapping
}

func (v *variables) tags() SessionTags {
	tags, warnings, err := ParseSessionTags(v.get("AWS_SESSION_TAGS", ""))
	if err != nil {
		v.wrong("AWS_SESSION_TAGS", "is "+err.Error())
	}
	for _, warning := range warnings {
		v.warn("AWS_SESSION_TAGS: %s", warning)
	}
	return tags
}

// address reads a URL; nil when there is none.
func (v *variables) address(name string) *url.URL {
	text := v.get(name, "")
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		v.wrong(name, "must be a URL such as http://dial-core:80")
		return nil
	}
	return u
}

// region is in the order of DIAL's adapter, in which AWS_REGION has no place: EKS may set that one to the
// cluster's region while the operator sets another.
func (v *variables) region() string {
	region, from := "", ""
	for _, name := range []string{"DEFAULT_REGION", "AWS_DEFAULT_REGION", "AWS_REGION"} {
		switch value := v.get(name, ""); {
		case value == "":
		case region == "":
			region, from = value, name
		case value != region:
			v.warn("%s=%s is not used: %s=%s goes first", name, value, from, region)
		}
	}
	if region != "" && !bedrock.IsRegion(region) {
		v.wrong(from, "must be the name of an AWS region, such as eu-west-1")
	}
	if from == "DEFAULT_REGION" {
		v.warn("the region comes from DEFAULT_REGION, which is an old name: set AWS_DEFAULT_REGION")
	}
	return region
}

// meaningless are the variables that are set in vain.
func (v *variables) meaningless() (set []Variable) {
	for _, known := range Variables() {
		if known.Honoured {
			continue
		}
		start, many := strings.CutSuffix(known.Name, "*")
		var names []string
		for name, value := range v.values {
			if (name == known.Name || many && strings.HasPrefix(name, start)) && value != known.None {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			known.Name = name
			set = append(set, known)
		}
	}
	return set
}
