package bedrock

import (
	"crypto/sha256"
	"fmt"
	"time"

	"outcrop/internal/secret"
)

// Settings are what one upstream says for itself. Credentials named here replace the process's as a
// whole: a role is never overruled by keys from the environment.
//
// At most one source stands here: an API key, static keys, a profile, a web identity or a container's
// credentials. A role is assumed with it, or with the process's own credentials where there is none.
type Settings struct {
	Region          string
	Endpoint        string // of the runtime
	MantleEndpoint  string
	ControlEndpoint string
	STSEndpoint     string

	APIKey          secret.String
	APIKeyFile      string // of the API key, read again when it changes
	AccessKeyID     string
	SecretAccessKey secret.String
	SessionToken    secret.String
	Profile         string // of AWS's configuration files
	// WebIdentityTokenFile holds an OpenID Connect token, with which the first role is assumed: the first
	// of RoleChain, else AssumeRoleARN. It is read again at each renewal.
	WebIdentityTokenFile string
	// ContainerCredentialsURI is where credentials are served, to who shows the token in
	// ContainerTokenFile: EKS Pod Identity, ECS.
	ContainerCredentialsURI string
	ContainerTokenFile      string

	// RoleChain are ARNs of roles that are assumed one with the other, before AssumeRoleARN.
	RoleChain     []string
	AssumeRoleARN string
	// ExternalID, Duration and Tags go with AssumeRoleARN, or with the process's AWS_ASSUME_ROLE_ARN.
	ExternalID string
	Duration   time.Duration // of the role's credentials; 0 means an hour
	Tags       []Tag         // of the role's session, none of them transitive
	// RoleSessionName is the name of every session; "" means the process's AWS_ROLE_SESSION_NAME, else
	// outcrop.
	RoleSessionName string

	Network Network
}

// Tag is a session tag of STS, as CloudTrail and policies see it.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
type Tag struct{ Key, Value string }

// Network is the way to AWS. Of each field the zero value means what the process's environment says.
type Network struct {
	Proxy     string // URL of a proxy for https, or "none"
	NoProxy   string // hosts that are asked without the proxy, as in NO_PROXY
	CABundle  string // file of PEM certificates that are trusted in place of the system's
	HTTP2     *bool
	FIPS      *bool
	DualStack *bool
}

// Key tells settings apart: equal settings, and only those, have the same one. It shows no secret.
func (s Settings) Key() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q %d %s",
		[]string{
			s.Region, s.Endpoint, s.MantleEndpoint, s.ControlEndpoint, s.STSEndpoint,
			s.APIKey.Reveal(), s.APIKeyFile, s.AccessKeyID, s.SecretAccessKey.Reveal(), s.SessionToken.Reveal(), s.Profile,
			s.WebIdentityTokenFile, s.ContainerCredentialsURI, s.ContainerTokenFile,
			s.AssumeRoleARN, s.ExternalID, s.RoleSessionName,
		}, s.RoleChain, s.Tags, s.Duration, s.Network.key()))
}

// key is Key for the network.
func (n Network) key() string {
	word := func(b *bool) string {
		if b == nil {
			return ""
		}
		return fmt.Sprint(*b)
	}
	return fmt.Sprintf("%q", []string{n.Proxy, n.NoProxy, n.CABundle, word(n.HTTP2), word(n.FIPS), word(n.DualStack)})
}
