package bedrock

import (
	"cmp"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// ErrKeyOnly is for an upstream with an API key where somebody wants to ask AWS for more than models.
var ErrKeyOnly = errors.New("a Bedrock API key calls models and nothing else: AWS's other services want an access key, a profile or a role")

// SDK is the configuration of AWS's own clients for what an upstream with these settings is, and as whom
// they call. Overrides of endpoints are those that the process's environment has. It calls nobody.
func (p *Process) SDK(s Settings) (aws.Config, Identity, error) {
	if err := s.check(); err != nil {
		return aws.Config{}, Identity{}, err
	}
	way := p.network.with(s.Network)
	transport, _, err := p.transports.get(way.route) // and never released: commands end with their process
	if err != nil {
		return aws.Config{}, Identity{}, err
	}
	u := &upstream{Settings: s, process: p, region: cmp.Or(s.Region, p.region), variant: way.variant, caller: caller{transport, p.local}}
	switch err := u.identify(); {
	case err != nil:
		return aws.Config{}, Identity{}, err
	case u.region == "":
		return aws.Config{}, u.describe(), ErrNoRegion
	case u.wallet == nil:
		return aws.Config{}, u.describe(), ErrKeyOnly
	}
	cfg := p.aws.Copy()
	cfg.Region, cfg.HTTPClient, cfg.Credentials = u.region, u.caller, u.wallet
	return cfg, u.describe(), nil
}
