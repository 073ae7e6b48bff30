package bedrock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
)

// Identity says for the log as whom an upstream calls AWS. It holds no secret.
type Identity struct {
	// Source is where the credentials come from: "static keys", "web identity".
	Source string
	// Provider is how the SDK calls the source that it found in the default chain or in a profile, as
	// EC2RoleProvider; "" until credentials were got.
	Provider string
	// Roles are the ARNs of the roles that are assumed with them, in their order.
	Roles []string
	// Warning is why this may not be who was meant; "" for nothing.
	Warning string
}

// identity is what signs the calls of an upstream: an API key, or credentials in a wallet.
type identity struct {
	source   string
	bearer   *bearer
	wallet   *wallet
	base     *wallet // of the credentials that the roles are assumed with; nil when nobody asks for its provider
	roles    []string
	nodeRole bool
}

// describe is Client.Identity.
func (i identity) describe() Identity {
	out := Identity{Source: i.source, Roles: i.roles}
	if i.base == nil {
		return out
	}
	if now := i.base.current.Load(); now != nil {
		out.Provider = now.Source
	}
	if out.Provider == ec2rolecreds.ProviderName && i.nodeRole {
		out.Warning = "AWS_ROLE_ARN is set, but these are the credentials of the node's own role: there is no AWS_WEB_IDENTITY_TOKEN_FILE to assume the other with"
	}
	return out
}

// upstream is one upstream while its credentials are put together.
type upstream struct {
	Settings
	identity

	process *Process
	region  string
	variant variant
	caller  caller
}

// identify chooses the source: the upstream's own, else the process's; a role goes on top.
func (u *upstream) identify() error {
	own, err := u.own()
	switch {
	case err != nil || u.bearer != nil:
		return err
	case own == nil && u.AssumeRoleARN == "":
		if u.AssumeRoleARN = u.process.role; u.AssumeRoleARN == "" && u.process.bearer != nil {
			u.source, u.bearer = "the process's Bedrock API key", u.process.bearer
			return nil
		}
	}
	if own == nil {
		u.source, u.base, u.nodeRole = "default chain", u.process.chain, u.process.nodeRole
		own = u.base
	}
	u.wallet = own
	if u.WebIdentityTokenFile != "" { // which has assumed the first role
		return u.assume(u.chain()[1:])
	}
	return u.assume(u.chain())
}

// chain are the roles to assume.
func (u *upstream) chain() []string {
	if u.AssumeRoleARN == "" {
		return nil
	}
	return append(u.RoleChain[:len(u.RoleChain):len(u.RoleChain)], u.AssumeRoleARN)
}

// own is the wallet of the source that the settings name; nil when they name none, or an API key.
func (u *upstream) own() (*wallet, error) {
	switch {
	case !u.APIKey.IsZero():
		u.source, u.bearer = "Bedrock API key", newBearer(u.APIKey)
	case u.APIKeyFile != "":
		u.source, u.bearer = "Bedrock API key in a file", newBearerFile(u.APIKeyFile)
	case u.AccessKeyID != "":
		u.source = "static keys"
		return newWallet(credentials.NewStaticCredentialsProvider(u.AccessKeyID, u.SecretAccessKey.Reveal(), u.SessionToken.Reveal())), nil
	case u.Profile != "":
		u.source = "profile " + u.Profile
		cfg, err := u.process.sdk(context.Background(), u.caller.transport, u.region, config.WithSharedConfigProfile(u.Profile))
		if err != nil {
			return nil, fmt.Errorf("the profile %q: %w", u.Profile, err)
		}
		u.region = cmp.Or(u.region, cfg.Region) // the profile's, where neither the upstream nor the process has one
		u.base = newWallet(cfg.Credentials)
		return u.base, nil
	case u.WebIdentityTokenFile != "":
		u.source = "web identity"
		return u.webIdentity()
	case u.ContainerCredentialsURI != "":
		u.source = "container credentials"
		return newWallet(endpointcreds.New(u.ContainerCredentialsURI, func(o *endpointcreds.Options) {
			o.HTTPClient = u.caller
			if u.ContainerTokenFile != "" {
				o.AuthorizationTokenProvider = endpointcreds.TokenProviderFunc(u.containerToken)
			}
		})), nil
	}
	return nil, nil //nolint:nilnil // no source of its own is no mistake
}

// containerToken reads the token at each renewal, as EKS replaces it.
func (u *upstream) containerToken() (string, error) {
	token, err := os.ReadFile(u.ContainerTokenFile)
	if err != nil {
		return "", fmt.Errorf("the token for the container's credentials: %w", err)
	}
	return strings.TrimSpace(string(token)), nil
}

// webIdentity assumes the first role with the token.
func (u *upstream) webIdentity() (*wallet, error) {
	client, err := u.sts(aws.AnonymousCredentials{})
	if err != nil {
		return nil, err
	}
	first := u.chain()[0]
	u.roles = append(u.roles, first)
	return newWallet(stscreds.NewWebIdentityRoleProvider(client, first, stscreds.IdentityTokenFile(u.WebIdentityTokenFile),
		func(o *stscreds.WebIdentityRoleOptions) {
			o.RoleSessionName = u.sessionName()
			o.Duration = time.Hour
			if len(u.chain()) == 1 {
				o.Duration = u.duration()
			}
		})), nil
}

// assume puts a wallet for each role on top of the one that it is assumed with.
func (u *upstream) assume(roles []string) error {
	for i, arn := range roles {
		client, err := u.sts(u.wallet)
		if err != nil {
			return err
		}
		u.roles = append(u.roles, arn)
		last := i == len(roles)-1
		u.wallet = newWallet(stscreds.NewAssumeRoleProvider(client, arn, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName, o.Duration = u.sessionName(), time.Hour
			if !last {
				return
			}
			o.Duration = u.duration()
			if u.ExternalID != "" {
				o.ExternalID = &u.ExternalID
			}
			for _, tag := range u.Tags {
				o.Tags = append(o.Tags, types.Tag{Key: &tag.Key, Value: &tag.Value})
			}
		}))
	}
	return nil
}

func (u *upstream) sessionName() string {
	return cmp.Or(u.RoleSessionName, u.process.session, "outcrop")
}

// duration is an hour where nothing is said, which every role allows, also one that is assumed with
// another's credentials; the SDK's own default means four times as many calls of STS.
func (u *upstream) duration() time.Duration { return cmp.Or(u.Duration, time.Hour) }

// sts is STS as the upstream reaches it, called with those credentials.
func (u *upstream) sts(as aws.CredentialsProvider) (*sts.Client, error) {
	if u.region == "" {
		return nil, ErrNoRegion
	}
	if err := u.variant.own("AWS_ENDPOINT_URL_STS", cmp.Or(u.STSEndpoint, u.process.endpoints.sts)); err != nil {
		return nil, err
	}
	cfg := u.process.aws.Copy()
	cfg.Region, cfg.HTTPClient, cfg.Credentials = u.region, u.caller, as
	return sts.NewFromConfig(cfg, func(o *sts.Options) {
		if u.STSEndpoint != "" {
			o.BaseEndpoint = &u.STSEndpoint
		}
		o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateDisabled
		if u.variant.fips {
			o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled
		}
		o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateDisabled
		if u.variant.dualStack {
			o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
		}
	}), nil
}

// endpointClient has the default chain ask Pod Identity's agent through c.
func endpointClient(c caller) config.LoadOptionsFunc {
	return config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = c })
}

// Bounds of STS. https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
const (
	shortestSession = 15 * time.Minute
	longestSession  = 12 * time.Hour
	longestChained  = time.Hour
	maxTags         = 50
	maxTagKey       = 128 // characters
	maxTagValue     = 256
)

var (
	roleForm        = regexp.MustCompile(`^arn:aws(-[a-z-]+)?:iam::\d{12}:role/[\w+=,.@/-]{1,512}$`)
	sessionNameForm = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
)

func isRoleARN(s string) bool { return roleForm.MatchString(s) }

// check refuses settings that contradict themselves, and what STS would refuse.
func (s Settings) check() error {
	var sources []string
	for _, source := range []struct {
		name  string
		given bool
	}{
		{"an API key", !s.APIKey.IsZero()}, {"the file of an API key", s.APIKeyFile != ""}, {"static keys", s.AccessKeyID != ""},
		{"a profile", s.Profile != ""}, {"a web identity", s.WebIdentityTokenFile != ""}, {"a container's credentials", s.ContainerCredentialsURI != ""},
	} {
		if source.given {
			sources = append(sources, source.name)
		}
	}
	switch isKey := !s.APIKey.IsZero() || s.APIKeyFile != ""; {
	case len(sources) > 1:
		return errors.New(strings.Join(sources, " and ") + " together: which one counts? Remove one of them")
	case isKey && s.AssumeRoleARN != "":
		return errors.New("an API key and a role together: no role can be assumed with an API key. Remove one of the two")
	case s.WebIdentityTokenFile != "" && s.AssumeRoleARN == "":
		return errors.New("aws_web_identity_token_file without aws_assume_role_arn, the role that is assumed with the token")
	case len(s.RoleChain) > 0 && s.AssumeRoleARN == "":
		return errors.New("aws_role_chain without aws_assume_role_arn, the last role of the chain")
	case len(s.RoleChain) > 0 && s.Duration > longestChained:
		return errors.New("aws_role_duration: a role that is assumed with another role's credentials lasts an hour at most")
	case s.Duration != 0 && (s.Duration < shortestSession || s.Duration > longestSession):
		return errors.New("aws_role_duration: a session of STS lasts from 15 minutes to 12 hours")
	case s.RoleSessionName != "" && !sessionNameForm.MatchString(s.RoleSessionName):
		return errors.New("aws_role_session_name: 2 to 64 letters, digits and characters of _+=,.@-")
	case len(s.Tags) > 0 && s.WebIdentityTokenFile != "" && len(s.RoleChain) == 0:
		return errors.New("session tags and a role that is assumed with a web identity: STS takes tags for roles that are assumed with credentials")
	}
	for _, arn := range append(s.RoleChain[:len(s.RoleChain):len(s.RoleChain)], s.AssumeRoleARN) {
		if arn != "" && !isRoleARN(arn) {
			return errors.New("aws_assume_role_arn or aws_role_chain: this is not the ARN of a role, arn:aws:iam::<12 digits>:role/<name>")
		}
	}
	return errors.Join(s.checkTags(), s.checkContainer())
}

// https://docs.aws.amazon.com/STS/latest/APIReference/API_Tag.html
func (s Settings) checkTags() error {
	if len(s.Tags) > maxTags {
		return fmt.Errorf("%d session tags, STS takes %d", len(s.Tags), maxTags)
	}
	for i, tag := range s.Tags {
		if n := utf8.RuneCountInString(tag.Key); n == 0 || n > maxTagKey || utf8.RuneCountInString(tag.Value) > maxTagValue {
			return fmt.Errorf("session tag %d: a key has 1 to %d characters, a value at most %d", i+1, maxTagKey, maxTagValue)
		}
	}
	return nil
}

// checkContainer keeps the token from travelling in the clear to a stranger: over http only this
// machine and the agents of ECS and EKS are asked, as AWS's SDKs do.
func (s Settings) checkContainer() error {
	if s.ContainerCredentialsURI == "" {
		return nil
	}
	u, err := url.Parse(s.ContainerCredentialsURI)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("aws_container_credentials_full_uri must be an http or https URL")
	case u.Scheme == "https" || isLoopback(u.Hostname()):
		return nil
	}
	switch u.Hostname() {
	case "169.254.170.2", "169.254.170.23", "fd00:ec2::23":
		return nil
	}
	return errors.New("aws_container_credentials_full_uri: over http only this machine, 169.254.170.2, 169.254.170.23 and fd00:ec2::23 are asked")
}

// readable says why a file is not.
func readable(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	return f.Close()
}
