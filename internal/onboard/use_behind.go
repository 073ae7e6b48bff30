package onboard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsbedrock "github.com/aws/aws-sdk-go-v2/service/bedrock"
	"github.com/aws/smithy-go"

	"outcrop/internal/config"
	"outcrop/internal/iam"
	"outcrop/internal/models"
)

// behind are the models behind a profile or router as AWS said, or why it did not.
type behind struct {
	models []iam.Model
	err    error
}

// errNotAsked: there are no credentials, or they are another account's.
var errNotAsked = errors.New("AWS was not asked")

// systemProfile adds a cross-region profile of AWS's.
func (g *gatherer) systemProfile(ctx context.Context, t target, id string, whole bool, use *iam.Use) error {
	if err := g.needsAccount(t, "its inference profile "+id); err != nil {
		return err
	}
	account := t.account
	if own := arnPart(t.id, 4); own != "" {
		account = own
	}
	p := iam.Profile{ARN: fmt.Sprintf("arn:%s:bedrock:%s:%s:inference-profile/%s", iam.Partition(t.region), t.region, account, id), Whole: whole}
	base, geo := models.Base(id)
	if geo != "" && !models.Reaches(geo, t.region) {
		g.note("%s cannot be called from %s, as far as this program knows.", id, t.region)
	}
	var err error
	// profiles of AWS's are the same in every account, so anybody's credentials may ask
	if p.Models, err = g.ask(ctx, t.region, id, g.profileModels); err != nil {
		if geo == "" {
			return fmt.Errorf("which models are behind %s is not known (%w): write the id with its geography, such as us.%s, or give credentials that may call bedrock:GetInferenceProfile", id, err, base)
		}
		p.Models = g.geography(t.region, id)
		if geo != "global" { // which is the same everywhere
			g.note("Destination regions are those that AWS documents for each geography, not the account's own (%s). A model's profile may have fewer; the condition on the profile keeps the others closed.", reason(err))
		}
	}
	// AWS asks for the right in the source region, whatever the profile lists
	p.Models = append(p.Models, iam.Model{Region: t.region, ID: base})
	use.Profiles = append(use.Profiles, p)
	return nil
}

// geography are the models behind a cross-region profile by AWS's documentation.
func (g *gatherer) geography(region, id string) []iam.Model {
	base, geo := models.Base(id)
	var out []iam.Model
	for _, destination := range models.Destinations(geo, region) {
		out = append(out, iam.Model{Region: destination, ID: base})
	}
	return out
}

// applicationProfile adds a profile that somebody made in the account.
func (g *gatherer) applicationProfile(ctx context.Context, t target, u config.Upstream, whole bool, use *iam.Use) (found string, err error) {
	p := iam.Profile{ARN: t.id, Whole: whole}
	if arnPart(t.id, 4) == g.options.AccountID {
		p.Models, err = g.ask(ctx, t.region, t.id, g.profileModels)
	} else {
		err = fmt.Errorf("%w: the profile is in account %s", errNotAsked, arnPart(t.id, 4))
	}
	switch {
	case err == nil && len(p.Models) > 0:
		found = p.Models[0].ID
	case u.BaseModel == "":
		return "", fmt.Errorf("which model is behind the application profile is not known (%s): write the profile's model into the upstream, such as baseModel: %q, or give credentials of account %s that may call bedrock:GetInferenceProfile",
			reason(err), "us.anthropic.claude-sonnet-4-5-20250929-v1:0", arnPart(t.id, 4))
	default:
		p.Models = g.behindBase(t.region, u.BaseModel)
		g.note("The models behind %s are those of its baseModel %s (%s).", t.id, u.BaseModel, reason(err))
	}
	use.Profiles = append(use.Profiles, p)
	return found, nil
}

// behindBase are the models behind an application profile that was made of baseModel: a model, a cross-region
// profile, or a model that exists behind those only.
func (g *gatherer) behindBase(region, id string) []iam.Model {
	base, geo := models.Base(id)
	if geo != "" {
		return append(g.geography(region, id), iam.Model{Region: region, ID: base})
	}
	out := []iam.Model{{Region: region, ID: base}}
	known, ok := g.options.Catalogue.Lookup(base)
	if !ok || !known.ProfileOnly() {
		g.note("baseModel %s has no geography: if the application profile was made of a cross-region profile, write that profile's id as baseModel.", id)
		return out
	}
	for _, m := range g.options.Catalogue.All() {
		if m.Geo != "" && m.Base == base && models.Reaches(m.Geo, region) {
			out = append(out, g.geography(region, m.ID)...)
		}
	}
	return out
}

// router adds a prompt router.
func (g *gatherer) router(ctx context.Context, t target, u config.Upstream, use *iam.Use) error {
	list, err := g.ask(ctx, t.region, t.id, g.routerModels)
	if err != nil && u.BaseModel != "" {
		list, err = g.behindBase(t.region, u.BaseModel), nil
		g.note("The models behind the router %s are taken to be its baseModel %s alone; it may choose others, which then are refused.", t.id, u.BaseModel)
	}
	if err != nil {
		return fmt.Errorf("which models the prompt router chooses among is not known (%s): give credentials that may call bedrock:GetPromptRouter, or write one of its models as the upstream's baseModel", reason(err))
	}
	router := iam.Profile{ARN: t.id, Router: true}
	for _, m := range list {
		if _, geo := models.Base(m.ID); geo == "" {
			router.Models = append(router.Models, m)
			continue
		}
		through := target{id: m.ID, region: m.Region, account: arnPart(t.id, 4)}
		if err := g.systemProfile(ctx, through, m.ID, false, use); err != nil {
			return err
		}
	}
	use.Profiles = append(use.Profiles, router)
	return nil
}

// guardrail adds an upstream's guardrail, and its profiles where it is one of many regions.
func (g *gatherer) guardrail(ctx context.Context, t target, u config.Upstream, use *iam.Use) error {
	id := u.Guardrail.ID
	if id == "" {
		return nil
	}
	one := iam.Guardrail{ARN: id}
	if arnPart(id, 5) == "" {
		if err := g.needsAccount(t, "its guardrail"); err != nil {
			return err
		}
		one.ARN = fmt.Sprintf("arn:%s:bedrock:%s:%s:guardrail/%s", iam.Partition(t.region), t.region, t.account, id)
	}
	profile, err := g.guardrailProfile(ctx, t.region, u.Guardrail)
	if err != nil {
		g.note("Whether guardrail %s spans regions is not known (%s): if it does, allow bedrock:ApplyGuardrail on its guardrail-profile ARNs, too.", id, reason(err))
	}
	if profile != "" {
		geo, _, _ := strings.Cut(strings.TrimPrefix(arnPart(profile, 5), "guardrail-profile/"), ".")
		for _, region := range models.Destinations(geo, t.region) {
			one.Profiles = append(one.Profiles, strings.Replace(profile, ":"+arnPart(profile, 3)+":", ":"+region+":", 1))
		}
	}
	use.Guardrails = append(use.Guardrails, one)
	return nil
}

// guardrailProfile is the ARN of the profile of a guardrail of many regions, "" of one of a single region.
func (g *gatherer) guardrailProfile(ctx context.Context, region string, r config.Guardrail) (string, error) {
	if g.options.Account == nil {
		return "", errNotAsked
	}
	client := awsbedrock.NewFromConfig(g.options.Account.In(region).Config)
	out, err := client.GetGuardrail(ctx, &awsbedrock.GetGuardrailInput{GuardrailIdentifier: &r.ID, GuardrailVersion: &r.Version})
	if err != nil || out.CrossRegionDetails == nil {
		return "", err
	}
	return aws.ToString(out.CrossRegionDetails.GuardrailProfileArn), nil
}

// ask asks the account once.
func (g *gatherer) ask(ctx context.Context, region, id string, question func(context.Context, *awsbedrock.Client, string) ([]iam.Model, error)) ([]iam.Model, error) {
	if g.options.Account == nil {
		return nil, errNotAsked
	}
	key := region + " " + id
	if b, ok := g.asked[key]; ok {
		return slices.Clone(b.models), b.err
	}
	var b behind
	b.models, b.err = question(ctx, awsbedrock.NewFromConfig(g.options.Account.In(region).Config), id)
	g.asked[key] = b
	return slices.Clone(b.models), b.err
}

// profileModels asks for a profile's models.
func (g *gatherer) profileModels(ctx context.Context, client *awsbedrock.Client, id string) ([]iam.Model, error) {
	out, err := client.GetInferenceProfile(ctx, &awsbedrock.GetInferenceProfileInput{InferenceProfileIdentifier: &id})
	if err != nil {
		return nil, err
	}
	var list []iam.Model
	for _, m := range out.Models {
		list = append(list, modelOf(aws.ToString(m.ModelArn)))
	}
	if len(list) == 0 {
		return nil, errors.New("the profile has no models")
	}
	return list, nil
}

func (g *gatherer) routerModels(ctx context.Context, client *awsbedrock.Client, arn string) ([]iam.Model, error) {
	out, err := client.GetPromptRouter(ctx, &awsbedrock.GetPromptRouterInput{PromptRouterArn: &arn})
	if err != nil {
		return nil, err
	}
	var list []iam.Model
	for _, m := range out.Models { // foundation models and, of AWS's own routers, cross-region profiles
		arn := aws.ToString(m.ModelArn)
		list = append(list, iam.Model{Region: arnPart(arn, 3), ID: arn[strings.LastIndexByte(arn, '/')+1:]})
	}
	return list, nil
}

// modelOf is the foundation model of an ARN.
func modelOf(arn string) iam.Model {
	base, _ := models.Base(arn)
	return iam.Model{Region: arnPart(arn, 3), ID: base}
}

// reason is an error of AWS in few words.
func reason(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode() + ": " + e.ErrorMessage()
	}
	if err == nil {
		return "AWS named none"
	}
	return err.Error()
}
