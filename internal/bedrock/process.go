package bedrock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"outcrop/internal/models"
	"outcrop/internal/secret"
)

// Process is what the process's environment and AWS files say: read once, used by every upstream
// that does not say otherwise.
type Process struct {
	aws        aws.Config
	region     string
	endpoints  endpoints
	network    network
	bearer     *bearer // of AWS_BEARER_TOKEN_BEDROCK; nil without one
	role       string  // AWS_ASSUME_ROLE_ARN
	session    string  // AWS_ROLE_SESSION_NAME
	nodeRole   bool    // AWS_ROLE_ARN is set, and nothing to assume it with
	chain      *wallet // of AWS's default chain
	transports *transports
	local      http.RoundTripper
	catalogue  *models.Catalogue
}

// Load reads the environment through getenv and the AWS configuration files. It calls nobody. The
// warnings are sentences for the operator.
func Load(ctx context.Context, getenv func(string) string, catalogue *models.Catalogue) (*Process, []string, error) {
	return load(ctx, getenv, catalogue, newTransports())
}

func load(ctx context.Context, getenv func(string) string, catalogue *models.Catalogue, t *transports) (*Process, []string, error) {
	region, warnings := Region(getenv)
	warnings = append(warnings, credentialWarnings(getenv)...)
	p := &Process{
		region:     region,
		endpoints:  environmentEndpoints(getenv),
		network:    environmentNetwork(getenv),
		bearer:     environmentBearer(getenv),
		role:       getenv("AWS_ASSUME_ROLE_ARN"),
		session:    getenv("AWS_ROLE_SESSION_NAME"),
		nodeRole:   isNodeRole(getenv),
		transports: t,
		local:      newLocal(),
		catalogue:  catalogue,
	}
	if p.role != "" && !isRoleARN(p.role) {
		return nil, warnings, errors.New("AWS_ASSUME_ROLE_ARN is not the ARN of a role, arn:aws:iam::<12 digits>:role/<name>")
	}
	if err := checkAddress(p.endpoints.sts); err != nil {
		return nil, warnings, fmt.Errorf("AWS_ENDPOINT_URL_STS or AWS_ENDPOINT_URL: %w", err)
	}
	transport, _, err := t.get(p.network.route) // and never released: it is the process's
	if err != nil {
		return nil, warnings, fmt.Errorf("the process's way to AWS: %w", err)
	}
	p.aws, err = p.sdk(ctx, transport, region)
	if err != nil {
		return nil, warnings, fmt.Errorf("reading the AWS configuration: %w", err)
	}
	p.region, p.chain = p.aws.Region, newWallet(p.aws.Credentials)
	return p, warnings, nil
}

// sdk reads the AWS configuration as the SDK does; more options go first.
func (p *Process) sdk(ctx context.Context, transport http.RoundTripper, region string, more ...func(*config.LoadOptions) error) (aws.Config, error) {
	client := caller{transport: transport, local: p.local}
	options := slices.Concat(more, []func(*config.LoadOptions) error{
		config.WithLogger(logging.Nop{}), // what the SDK would print to standard error comes back as an error anyway
		config.WithCredentialsCacheOptions(func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 0 }), // the wallet has one
	})
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	// Pod Identity's agent is on the link, where no proxy leads.
	cfg, err := config.LoadDefaultConfig(ctx, append(options, config.WithHTTPClient(client), endpointClient(client))...)
	if err == nil {
		return cfg, nil
	}
	// Where the environment or the profile names a CA bundle, the SDK takes no other HTTP client than its
	// own, which reads the environment like ours.
	own, ownErr := config.LoadDefaultConfig(ctx, append(options, endpointClient(client))...)
	if ownErr != nil {
		return aws.Config{}, noProfile(ownErr)
	}
	own.HTTPClient = client
	return own, nil
}

// Region is the region that the environment names: AWS_REGION, then AWS_DEFAULT_REGION, then
// DEFAULT_REGION, which no AWS tool reads but DIAL's deployment guide sets.
func Region(getenv func(string) string) (region string, warnings []string) {
	var from string
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "DEFAULT_REGION"} {
		value := getenv(name)
		switch {
		case value == "":
		case region == "":
			region, from = value, name
		case value != region:
			warnings = append(warnings, fmt.Sprintf("%s=%s is not used: %s=%s goes first", name, value, from, region))
		}
	}
	if from == "DEFAULT_REGION" {
		warnings = append(warnings, "the region comes from DEFAULT_REGION, which AWS's own tools do not read: set AWS_REGION")
	}
	return region, warnings
}

// environmentBearer is the process's Bedrock API key; nil without one.
func environmentBearer(getenv func(string) string) *bearer {
	if key := strings.TrimSpace(getenv("AWS_BEARER_TOKEN_BEDROCK")); key != "" {
		return newBearer(secret.New(key))
	}
	if file := getenv("AWS_BEARER_TOKEN_BEDROCK_FILE"); file != "" {
		return newBearerFile(file)
	}
	return nil
}

// credentialWarnings are about variables that do not do what they seem to.
func credentialWarnings(getenv func(string) string) (warnings []string) {
	set := func(name string) bool { return getenv(name) != "" }
	warn := func(text string) { warnings = append(warnings, text) }
	if set("AWS_ASSUME_ROLE_ARN") {
		for _, name := range []string{"AWS_BEARER_TOKEN_BEDROCK", "AWS_BEARER_TOKEN_BEDROCK_FILE"} {
			if set(name) {
				warn(name + " is not used: AWS_ASSUME_ROLE_ARN goes first")
			}
		}
		if set("AWS_ACCESS_KEY_ID") {
			warn("AWS_ASSUME_ROLE_ARN is assumed with AWS_ACCESS_KEY_ID; DIAL's adapter would use the key and leave the role out")
		}
	} else if set("AWS_BEARER_TOKEN_BEDROCK") && set("AWS_BEARER_TOKEN_BEDROCK_FILE") {
		warn("AWS_BEARER_TOKEN_BEDROCK_FILE is not used: AWS_BEARER_TOKEN_BEDROCK goes first")
	}
	if id, key := "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"; set(id) != set(key) {
		if set(key) {
			id, key = key, id
		}
		warn(id + " is set without " + key + ", so AWS's tools leave it out and go on to the next source of credentials")
	}
	switch {
	case isNodeRole(getenv):
		warn("AWS_ROLE_ARN is set without AWS_WEB_IDENTITY_TOKEN_FILE, so AWS's tools leave the role out: on a node of AWS the node's own role would be used. Give the pod's service account the role again, or set AWS_EC2_METADATA_DISABLED=true to be safe from that")
	case set("AWS_WEB_IDENTITY_TOKEN_FILE") && !set("AWS_ROLE_ARN"):
		warn("AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN, the role that is assumed with the token")
	case set("AWS_WEB_IDENTITY_TOKEN_FILE") && set("AWS_ACCESS_KEY_ID"):
		warn("AWS_WEB_IDENTITY_TOKEN_FILE and its role are not used: AWS_ACCESS_KEY_ID goes first")
	case set("AWS_WEB_IDENTITY_TOKEN_FILE"):
		if err := readable(getenv("AWS_WEB_IDENTITY_TOKEN_FILE")); err != nil {
			warn("AWS_WEB_IDENTITY_TOKEN_FILE cannot be read, so the role cannot be assumed until it can: " + err.Error())
		}
	}
	return warnings
}

// isNodeRole says whether AWS_ROLE_ARN stands there without anything to assume it with. AWS's tools
// then go on to the next source, which on a node of EKS or EC2 is the node's role.
func isNodeRole(getenv func(string) string) bool {
	return getenv("AWS_ROLE_ARN") != "" && getenv("AWS_WEB_IDENTITY_TOKEN_FILE") == ""
}

// endpoints are overrides of AWS's addresses; "" for none.
type endpoints struct{ runtime, mantle, control, sts string }

// environmentEndpoints reads AWS_ENDPOINT_URL and its forms for one service.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
func environmentEndpoints(getenv func(string) string) (e endpoints) {
	if strings.EqualFold(getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true") {
		return e
	}
	all := getenv("AWS_ENDPOINT_URL")
	return endpoints{
		runtime: cmp.Or(getenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME"), all),
		mantle:  cmp.Or(getenv("AWS_ENDPOINT_URL_BEDROCK_MANTLE"), all),
		control: cmp.Or(getenv("AWS_ENDPOINT_URL_BEDROCK"), all),
		sts:     cmp.Or(getenv("AWS_ENDPOINT_URL_STS"), all),
	}
}

// Client makes the upstream. It calls nobody. Whoever makes many of them closes those that are no
// longer needed.
func (p *Process) Client(s Settings) (*Client, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	way := p.network.with(s.Network)
	transport, release, err := p.transports.get(way.route)
	if err != nil {
		return nil, err
	}
	c, err := p.client(s, way.variant, transport)
	if err != nil {
		release()
		return nil, err
	}
	c.release = release
	return c, nil
}

func (p *Process) client(s Settings, v variant, transport http.RoundTripper) (*Client, error) {
	u := &upstream{Settings: s, process: p, region: cmp.Or(s.Region, p.region), variant: v, caller: caller{transport, p.local}}
	if err := u.identify(); err != nil {
		return nil, err
	}
	return New(Options{
		Region:          u.region,
		Endpoint:        cmp.Or(s.Endpoint, p.endpoints.runtime),
		MantleEndpoint:  cmp.Or(s.MantleEndpoint, p.endpoints.mantle),
		ControlEndpoint: cmp.Or(s.ControlEndpoint, p.endpoints.control),
		FIPS:            v.fips,
		DualStack:       v.dualStack,
		Transport:       transport,
		Catalogue:       p.catalogue,
		identity:        u.identity,
	})
}
