package onboard

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"outcrop/internal/bedrock"
	"outcrop/internal/secret"
)

// WhoamiInput is what the answer is made of.
type WhoamiInput struct {
	Getenv   func(string) string
	Process  *bedrock.Process // nil when the environment could not be read
	Settings bedrock.Settings // the flags
	Problem  error            // why it could not be read
	Now      time.Time
}

// Whoami is as whom AWS is called from here, and from which region.
type Whoami struct {
	Account     string      `json:"account,omitempty"`
	Principal   Principal   `json:"principal"`
	Credentials Credentials `json:"credentials"`
	APIKey      *APIKey     `json:"apiKey,omitempty"`
	Region      RegionTold  `json:"region"`
	Warnings    []Warning   `json:"warnings,omitempty"`
	Notes       []string    `json:"notes,omitempty"`
	// Problem is why it is not known who calls; nil when it is.
	Problem *Problem `json:"problem,omitempty"`
}

// Principal is who signs the calls.
type Principal struct {
	ARN  string `json:"arn,omitempty"`
	Kind string `json:"kind,omitempty"` // IAM user, EKS Pod Identity role, …
}

// Credentials say where the credentials come from.
type Credentials struct {
	Source      string     `json:"source,omitempty"`   // for people: variables, a file, an address
	Provider    string     `json:"provider,omitempty"` // as AWS's SDK calls it
	Roles       []string   `json:"roles,omitempty"`    // that are assumed with them, in their order
	AccessKeyID string     `json:"accessKeyId,omitempty"`
	LongLived   bool       `json:"longLived"`
	Expires     *time.Time `json:"expires,omitempty"`
	Created     *time.Time `json:"created,omitempty"`  // of a user's access key, where IAM tells
	LastUsed    *time.Time `json:"lastUsed,omitempty"` // likewise
}

// RegionTold is the region that counts, and all that were named.
type RegionTold struct {
	Region   string         `json:"region,omitempty"`
	Source   string         `json:"source,omitempty"`
	Injected bool           `json:"injected,omitempty"` // EKS seems to have set the variables
	All      []bedrock.Told `json:"all,omitempty"`
}

// Warning is something that may not be as it was meant.
type Warning struct {
	Code   string `json:"code"`
	Text   string `json:"text"`
	Remedy string `json:"remedy"`
	// Wrong says that calls go out as somebody else or elsewhere than was said, or not at all; otherwise
	// the warning is advice.
	Wrong bool `json:"wrong"`
}

// whoamiTimeout bounds each call: who asks this may have no network at all.
const whoamiTimeout = 15 * time.Second

// AskWhoami finds out who calls. What could not be found out is told in the answer.
func AskWhoami(ctx context.Context, in WhoamiInput) Whoami {
	w := Whoami{}
	var profileErr error
	w.Region.All, profileErr = bedrock.Regions(ctx, in.Getenv, in.Settings)
	if len(w.Region.All) > 0 {
		w.Region.Region, w.Region.Source = w.Region.All[0].Value, w.Region.All[0].Source
	}
	w.Region.Injected = injected(in.Getenv)
	w.regionWarnings()
	w.environmentWarnings(in.Getenv)
	switch {
	case in.Problem != nil:
		w.Problem = explain(in.Problem, call{})
	case profileErr != nil:
		w.Problem = explain(profileErr, call{})
	default:
		w.identify(ctx, in)
	}
	return w
}

// identify gets the credentials and asks STS whose they are.
func (w *Whoami) identify(ctx context.Context, in WhoamiInput) {
	settings := in.Settings
	account, err := Open(in.Process, settings)
	if errors.Is(err, bedrock.ErrNoRegion) {
		settings.Region = "us-east-1" // which is good enough to ask whose the credentials are
		account, err = Open(in.Process, settings)
	}
	if errors.Is(err, bedrock.ErrKeyOnly) {
		w.describeAPIKey(in)
		return
	}
	if err != nil {
		w.Problem = explain(err, call{})
		return
	}
	ctx, cancel := context.WithTimeout(ctx, whoamiTimeout)
	defer cancel()
	credentials, err := account.Config.Credentials.Retrieve(ctx)
	w.describe(in, account, credentials)
	if err != nil {
		w.Problem = explain(err, call{what: "getting credentials"})
		return
	}
	// Opened again, the account knows what the SDK found beneath its roles.
	if again, err := Open(in.Process, settings); err == nil && again.Identity.Provider != "" {
		w.Credentials.Provider = again.Identity.Provider
		w.Credentials.Source = sourceText(in, again.Identity.Provider, credentials)
	}
	out, err := sts.NewFromConfig(account.Config).GetCallerIdentity(ctx, nil)
	if err != nil {
		w.Problem = explain(err, call{what: "asking STS who calls", region: account.Config.Region})
		w.credentialWarnings(ctx, in, account)
		return
	}
	w.Account = aws.ToString(out.Account)
	w.Principal = Principal{ARN: aws.ToString(out.Arn), Kind: principalKind(aws.ToString(out.Arn), w.Credentials, in.Getenv)}
	w.credentialWarnings(ctx, in, account)
}

// describe tells of the credentials what they tell of themselves.
func (w *Whoami) describe(in WhoamiInput, account *Account, c aws.Credentials) {
	w.Credentials = Credentials{
		Source: sourceText(in, c.Source, c), Provider: c.Source, Roles: account.Identity.Roles, AccessKeyID: c.AccessKeyID,
		LongLived: c.AccessKeyID != "" && c.SessionToken == "",
	}
	if c.AccessKeyID == "" {
		w.Credentials.Source = account.Identity.Source
	}
	if c.CanExpire {
		expires := c.Expires.UTC()
		w.Credentials.Expires = &expires
	}
}

// describeAPIKey is for a process that has a Bedrock API key: AWS has no call that says whose it is.
func (w *Whoami) describeAPIKey(in WhoamiInput) {
	name, text := "AWS_BEARER_TOKEN_BEDROCK", in.Getenv("AWS_BEARER_TOKEN_BEDROCK")
	if text == "" {
		name = "AWS_BEARER_TOKEN_BEDROCK_FILE"
		data, err := os.ReadFile(in.Getenv(name))
		if err != nil {
			w.Problem = &Problem{Text: name + ": " + err.Error(), Remedy: "mount the file of the key, or name the file where it is"}
			return
		}
		text = string(data)
	}
	key := DecodeAPIKey(secret.New(text))
	key.Source = name
	w.APIKey, w.Account = &key, key.Account
	w.Credentials.Source = "Bedrock API key, " + name
	w.Principal.Kind = "Bedrock API key (" + key.Kind + ")"
	w.Notes = append(w.Notes, "AWS has no call that says whose an API key is. It calls models only: outcrop aws models, access and grant want an access key, a profile or a role.")
	w.keyWarnings(in.Now)
	if in.Getenv("AWS_ACCESS_KEY_ID") != "" {
		w.Notes = append(w.Notes, "AWS_ACCESS_KEY_ID is set too, but the API key goes first. To see whose the access key is: env -u "+name+" outcrop aws whoami")
	}
}

// keyWarnings compare an API key with the clock and the region.
func (w *Whoami) keyWarnings(now time.Time) {
	key := w.APIKey
	switch {
	case key.Kind == "unknown":
		w.warn(Warning{"api-key-form", key.Source + " begins like no Bedrock API key (bedrock-api-key-… or ABSK…)", "copy the whole key again, without quotes", true})
	case key.Kind == "long-term":
		w.warn(Warning{"api-key-long-term", "a long-term API key; AWS means those for trying things out", "in production use a role (IRSA, EKS Pod Identity): outcrop aws grant", false})
	case key.Expires == nil:
		w.warn(Warning{"api-key-form", key.Source + " holds a short-term key that cannot be read; it may be cut off", "copy the whole key again", true})
	case now.After(*key.Expires):
		w.warn(Warning{"api-key-expired", "the API key has expired at " + stamp(*key.Expires), "make a new one and replace " + key.Source, true})
	default:
		w.warn(Warning{"api-key-short-term", "the API key expires at " + stamp(*key.Expires) + ", or with the session that made it", "put it into a file that is renewed (AWS_BEARER_TOKEN_BEDROCK_FILE), or use a role", false})
	}
	if key.Region != "" && w.Region.Region != "" && key.Region != w.Region.Region {
		w.warn(Warning{"api-key-region", "the API key is good for " + key.Region + " only, but the region is " + w.Region.Region, "set AWS_REGION=" + key.Region + ", or make a key for " + w.Region.Region, true})
	}
}

func (w *Whoami) warn(x Warning) { w.Warnings = append(w.Warnings, x) }

// Wrong says whether a warning means that calls go out as somebody else or elsewhere than was said.
func (w *Whoami) Wrong() bool {
	for _, x := range w.Warnings {
		if x.Wrong {
			return true
		}
	}
	return false
}

// sourceText says for people where credentials come from.
func sourceText(in WhoamiInput, provider string, c aws.Credentials) string {
	name, file, _ := strings.Cut(provider, ": ")
	switch name {
	case "EnvConfigCredentials":
		return "environment: " + strings.Join(keyVariables(in.Getenv, c), ", ")
	case "SharedConfigCredentials":
		return "profile " + profileName(in) + " of " + file
	case "WebIdentityCredentials":
		return "web identity token file " + cmp.Or(in.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), "of profile "+profileName(in)) + roleText(in.Getenv("AWS_ROLE_ARN"))
	case "CredentialsEndpointProvider":
		return "container endpoint " + cmp.Or(in.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"), in.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"))
	case "EC2RoleProvider":
		return "instance metadata of EC2 (IMDS)"
	case "SSOProvider":
		return "IAM Identity Center (SSO), profile " + profileName(in)
	case "ProcessProvider":
		return "credential_process of profile " + profileName(in)
	case "AssumeRoleProvider":
		return "a role that profile " + profileName(in) + " assumes"
	}
	return provider
}

func roleText(arn string) string {
	if arn == "" {
		return ""
	}
	return ", role " + arn
}

// keyVariables are the variables that hold the key, aliases included.
func keyVariables(getenv func(string) string, c aws.Credentials) []string {
	var names []string
	for _, pair := range [][2]string{{"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"}, {"AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"}} {
		if getenv(pair[0]) != "" {
			names = append(names, pair[0])
		} else {
			names = append(names, pair[1])
		}
	}
	if c.SessionToken != "" {
		names = append(names, "AWS_SESSION_TOKEN")
	}
	return names
}

func profileName(in WhoamiInput) string {
	return cmp.Or(in.Settings.Profile, in.Getenv("AWS_PROFILE"), in.Getenv("AWS_DEFAULT_PROFILE"), "default")
}

// principalKind says what an ARN of GetCallerIdentity is.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
func principalKind(arn string, c Credentials, getenv func(string) string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return "unknown"
	}
	kind, rest, _ := strings.Cut(parts[5], "/")
	switch kind {
	case "root":
		return "root user"
	case "user":
		return "IAM user"
	case "federated-user":
		return "federated user"
	case "assumed-role":
		return roleKind(rest, c, getenv)
	}
	return kind
}

func roleKind(name string, c Credentials, getenv func(string) string) string {
	provider, _, _ := strings.Cut(c.Provider, ": ")
	switch {
	case len(c.Roles) > 0:
		return "assumed role"
	case strings.HasPrefix(name, "AWSReservedSSO_"):
		return "IAM Identity Center role"
	case provider == "WebIdentityCredentials" && strings.Contains(getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), "eks.amazonaws.com"):
		return "IRSA role (EKS service account)"
	case provider == "WebIdentityCredentials":
		return "assumed role (web identity)"
	case provider == "CredentialsEndpointProvider" && getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != "":
		return "ECS task role"
	case provider == "CredentialsEndpointProvider" && isPodIdentity(getenv):
		return "EKS Pod Identity role"
	case provider == "CredentialsEndpointProvider":
		return "role of a container endpoint"
	case provider == "EC2RoleProvider":
		return "EC2 instance role (of a node, when this is a pod)"
	}
	return "assumed role"
}

// isPodIdentity says whether the endpoint is that of EKS: CloudShell and others use the same variables.
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
func isPodIdentity(getenv func(string) string) bool {
	uri := getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	return strings.Contains(uri, "//169.254.170.23") || strings.Contains(uri, "//[fd00:ec2::23]") ||
		strings.Contains(getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), "pods.eks.amazonaws.com")
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
