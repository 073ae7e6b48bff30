package bedrock

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"outcrop/internal/models"
	"outcrop/internal/secret"
)

// Process is what the process's environment and AWS files say: read once, used by every upstream
// that does not say otherwise.
type Process struct {
	aws       aws.Config
	region    string
	endpoints endpoints
	apiKey    secret.String
	transport http.RoundTripper
	catalogue *models.Catalogue
}

// Load reads the environment through getenv and the AWS configuration files. It calls nobody. The
// warnings are sentences for the operator.
func Load(ctx context.Context, getenv func(string) string, catalogue *models.Catalogue) (*Process, []string, error) {
	region, warnings := Region(getenv)
	// What the SDK would print to standard error comes back as an error anyway.
	options := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, warnings, fmt.Errorf("reading the AWS configuration: %w", err)
	}
	return &Process{
		aws:       cfg,
		region:    cfg.Region,
		endpoints: environmentEndpoints(getenv),
		apiKey:    secret.New(strings.TrimSpace(getenv("AWS_BEARER_TOKEN_BEDROCK"))),
		transport: NewTransport(),
		catalogue: catalogue,
	}, warnings, nil
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

// endpoints are overrides of AWS's addresses; "" for none.
type endpoints struct{ runtime, mantle, control string }

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
	}
}

// Client makes the upstream. It calls nobody.
func (p *Process) Client(s Settings) (*Client, error) {
	o := Options{
		Region:          cmp.Or(s.Region, p.region),
		Endpoint:        cmp.Or(s.Endpoint, p.endpoints.runtime),
		MantleEndpoint:  cmp.Or(s.MantleEndpoint, p.endpoints.mantle),
		ControlEndpoint: cmp.Or(s.ControlEndpoint, p.endpoints.control),
		Transport:       p.transport,
		Catalogue:       p.catalogue,
	}
	switch {
	case !s.APIKey.IsZero():
		o.APIKey = s.APIKey
	case s.AssumeRoleARN != "":
		o.Credentials = p.assume(s, o.Region)
	case s.AccessKeyID != "":
		o.Credentials = static(s)
	case !p.apiKey.IsZero():
		o.APIKey = p.apiKey
	default:
		o.Credentials = p.aws.Credentials
	}
	return New(o)
}

func static(s Settings) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(s.AccessKeyID, s.SecretAccessKey.Reveal(), s.SessionToken.Reveal())
}

// assume gets a role's credentials from STS, asked as the upstream's own keys or as the process.
func (p *Process) assume(s Settings, region string) aws.CredentialsProvider {
	cfg := p.aws.Copy()
	cfg.Region = region
	if s.AccessKeyID != "" {
		cfg.Credentials = static(s)
	}
	return stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), s.AssumeRoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = cmp.Or(s.RoleSessionName, "outcrop")
		if s.ExternalID != "" {
			o.ExternalID = &s.ExternalID
		}
	})
}

// dnsSuffix is the domain of a region's partition.
// https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
func dnsSuffix(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "amazonaws.com.cn"
	case strings.HasPrefix(region, "us-iso-"):
		return "c2s.ic.gov"
	case strings.HasPrefix(region, "us-isob-"):
		return "sc2s.sgov.gov"
	case strings.HasPrefix(region, "us-isof-"):
		return "csp.hci.ic.gov"
	case strings.HasPrefix(region, "eu-isoe-"):
		return "cloud.adc-e.uk"
	case strings.HasPrefix(region, "eusc-"):
		return "amazonaws.eu"
	default:
		return "amazonaws.com"
	}
}

// apiSuffix is the domain of a region's newer hosts, bedrock-mantle's among them.
func apiSuffix(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "api.amazonwebservices.com.cn"
	}
	return "api.aws"
}
