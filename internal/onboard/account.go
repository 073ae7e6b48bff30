package onboard

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"outcrop/internal/bedrock"
)

// Account is AWS as seen with one identity, from one region.
type Account struct {
	// Config is for AWS's control-plane clients: iam.NewFromConfig(a.Config).
	Config   aws.Config
	Identity bedrock.Identity
}

// Open is the account that the settings lead to: the process's own with the zero Settings. It calls nobody.
func Open(p *bedrock.Process, s bedrock.Settings) (*Account, error) {
	cfg, identity, err := p.SDK(s)
	if err != nil {
		return nil, err
	}
	return &Account{Config: cfg, Identity: identity}, nil
}

// In is the same account seen from another region.
func (a *Account) In(region string) *Account {
	out := *a
	out.Config = a.Config.Copy()
	out.Config.Region = region
	return &out
}
