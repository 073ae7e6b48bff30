package onboard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"outcrop/internal/bedrock"
	"outcrop/internal/config"
	"outcrop/internal/iam"
	"outcrop/internal/models"
)

// UseOptions say from where a configuration is looked at.
type UseOptions struct {
	Catalogue *models.Catalogue
	// Region is the process's, for upstreams that name none.
	Region string
	// AccountID is that of the process's identity, and of every upstream that names no role. "" is not known.
	AccountID string
	// Account is asked for what is behind profiles and guardrails; nil asks nobody.
	Account     *Account
	Marketplace bool
	Inspect     bool
}

// Uses are what the principals of a configuration do at Bedrock.
type Uses struct {
	Principals []UsePrincipal
	// Notes are sentences about what had to be taken for granted.
	Notes []string
}

// UsePrincipal is one that calls AWS, with what it does there.
type UsePrincipal struct {
	// Name says in words who it is: the process's own identity, a role, an API key.
	Name string
	// Role is the ARN of a role that upstreams name, "" for others.
	Role string
	// Deployments are names of models that need it, in the order of the configuration.
	Deployments []string
	Use         iam.Use
}

// UsesOf is what a configuration's upstreams do, for each principal: the process's own identity is first. An
// error has one line for each model that cannot be told about, with what to type.
func UsesOf(ctx context.Context, cfg *config.Config, o UseOptions) (*Uses, error) {
	g := &gatherer{options: o, asked: map[string]behind{}, out: &Uses{}}
	var wrong []error
	for _, m := range cfg.Models {
		if m.Bedrock == "" || m.NotServed() != "" {
			continue
		}
		upstreams := m.Upstreams
		if len(upstreams) == 0 {
			upstreams = []config.Upstream{{Weight: 1}}
		}
		for i, u := range upstreams {
			if u.Weight <= 0 {
				continue
			}
			if err := g.upstream(ctx, m, u); err != nil {
				place := "models." + m.Name
				if len(m.Upstreams) > 1 {
					place += fmt.Sprintf(".upstreams[%d]", i)
				}
				wrong = append(wrong, fmt.Errorf("%s: %w", place, err))
			}
		}
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	slices.SortStableFunc(g.out.Principals, func(a, b UsePrincipal) int { return cmp.Compare(rank(a), rank(b)) })
	for i := range g.out.Principals {
		u := &g.out.Principals[i].Use
		calls := len(u.OnDemand)+len(u.Profiles)+len(u.Resources)+len(u.Mantle) > 0
		u.Marketplace, u.Inspect = o.Marketplace && calls, o.Inspect && calls
	}
	return g.out, nil
}

// OwnIdentity is the name of the principal that the process is without more: the pod's role, the user's keys.
const OwnIdentity = "the process's own identity"

func rank(p UsePrincipal) int {
	switch {
	case p.Name == OwnIdentity:
		return 0
	case p.Role == "":
		return 1
	}
	return 2
}

// gatherer collects the uses of upstreams.
type gatherer struct {
	options UseOptions
	asked   map[string]behind // what AWS said of profiles, by region and id
	out     *Uses
}

// use is the principal of that name.
func (g *gatherer) use(name, role, deployment string) *iam.Use {
	i := slices.IndexFunc(g.out.Principals, func(p UsePrincipal) bool { return p.Name == name })
	if i < 0 {
		g.out.Principals = append(g.out.Principals, UsePrincipal{Name: name, Role: role})
		i = len(g.out.Principals) - 1
	}
	p := &g.out.Principals[i]
	if !slices.Contains(p.Deployments, deployment) {
		p.Deployments = append(p.Deployments, deployment)
	}
	return &p.Use
}

func (g *gatherer) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(g.out.Notes, text) {
		g.out.Notes = append(g.out.Notes, text)
	}
}

// target is where an upstream's calls go, as policies name it.
type target struct {
	id, region, account string
}

// upstream adds what one upstream does.
func (g *gatherer) upstream(ctx context.Context, m config.Model, u config.Upstream) error {
	t := target{id: m.ModelID(u), region: cmp.Or(m.Region(u), g.options.Region), account: g.options.AccountID}
	if t.region == "" {
		return errors.New("its region is not known: write extraData.region into the upstream, or give --region")
	}
	role := ""
	if chain := roles(u); len(chain) > 0 {
		role = chain[len(chain)-1]
		t.account = arnPart(role, 4)
	}
	// what the model does is found out first, so that a model with a mistake leaves nothing behind
	var use iam.Use
	if err := g.model(ctx, t, u, &use); err != nil {
		return err
	}
	g.chain(m, u)
	to := g.use(principal(m, u), role, m.Name)
	to.OnDemand = append(to.OnDemand, use.OnDemand...)
	to.Profiles = append(to.Profiles, use.Profiles...)
	to.Resources = append(to.Resources, use.Resources...)
	to.Count = append(to.Count, use.Count...)
	to.LookUp = append(to.LookUp, use.LookUp...)
	to.Guardrails = append(to.Guardrails, use.Guardrails...)
	to.Mantle = append(to.Mantle, use.Mantle...)
	to.CountOnMantle = append(to.CountOnMantle, use.CountOnMantle...)
	to.APIKey = to.APIKey || !u.Key.IsZero() || u.KeyFile != ""
	return nil
}

// roles are those that an upstream assumes, in order.
func roles(u config.Upstream) []string {
	if u.AssumeRoleARN == "" {
		return nil
	}
	return append(slices.Clone(u.RoleChain), u.AssumeRoleARN)
}

// principal is the name of who calls Bedrock for an upstream.
func principal(m config.Model, u config.Upstream) string {
	if chain := roles(u); len(chain) > 0 {
		return "role " + chain[len(chain)-1]
	}
	return Source(m, u)
}

// Source is the name, as of a principal, of whose credentials an upstream begins with.
func Source(m config.Model, u config.Upstream) string {
	switch {
	case !u.Key.IsZero():
		return "the owner of the API key of models." + m.Name
	case u.KeyFile != "":
		return "the owner of the API key in " + u.KeyFile
	case u.AccessKeyID != "":
		return "the owner of the access key of models." + m.Name
	case u.Profile != "":
		return "profile " + u.Profile
	case u.ContainerCredentialsURI != "":
		return "the role behind " + u.ContainerCredentialsURI
	}
	return OwnIdentity
}

// chain adds that each one on the way assumes the next. A role that is assumed with a web identity needs no
// policy of anybody for that: its trust says it.
func (g *gatherer) chain(m config.Model, u config.Upstream) {
	from := Source(m, u)
	fromRole := ""
	for i, role := range roles(u) {
		if i > 0 || u.WebIdentityTokenFile == "" {
			use := g.use(from, fromRole, m.Name)
			use.Assume = append(use.Assume, role)
		}
		from, fromRole = "role "+role, role
	}
}

// calls says how Bedrock is asked for an upstream's model, with the model that is behind it if that is known.
func (g *gatherer) calls(t target, base string, u config.Upstream) (bedrock.Calls, error) {
	client, err := bedrock.New(bedrock.Options{Region: t.region, Credentials: aws.AnonymousCredentials{}, Catalogue: g.options.Catalogue})
	if err != nil {
		return bedrock.Calls{}, err
	}
	model, err := client.Model(t.id, bedrock.ModelOptions{BaseModel: base, Surface: u.Surface, Claude: u.ClaudeClient})
	if err != nil {
		return bedrock.Calls{}, err
	}
	return model.Calls(), nil
}

// model adds what calling an upstream's model takes.
func (g *gatherer) model(ctx context.Context, t target, u config.Upstream, use *iam.Use) error {
	calls, err := g.calls(t, u.BaseModel, u)
	if err != nil {
		return err
	}
	if calls.LookUp {
		use.LookUp = append(use.LookUp, t.id)
	}
	if calls.Mantle {
		if err := g.needsAccount(t, "its projects on bedrock-mantle"); err != nil {
			return err
		}
		project := iam.Project{Region: t.region, Account: t.account}
		use.Mantle = append(use.Mantle, project)
		if calls.Count {
			use.CountOnMantle = append(use.CountOnMantle, project)
		}
		return g.guardrail(ctx, t, u, use)
	}
	found, err := g.resource(ctx, t, u, use, !calls.Stream)
	if err != nil {
		return err
	}
	if calls.Base == "" && found != "" {
		if calls, err = g.calls(t, found, u); err != nil {
			return err
		}
	}
	if calls.Count {
		use.Count = append(use.Count, iam.Model{Region: t.region, ID: calls.Base})
	}
	return g.guardrail(ctx, t, u, use)
}

func (g *gatherer) needsAccount(t target, what string) error {
	if t.account != "" {
		return nil
	}
	return fmt.Errorf("the ARN of %s has the account's number, which is not known: give --account <12 digits>, or credentials", what)
}

// resource adds what is called, by the kind of its id. found is the foundation model behind an ARN, if AWS was
// asked.
func (g *gatherer) resource(ctx context.Context, t target, u config.Upstream, use *iam.Use, whole bool) (found string, err error) {
	kind, name, _ := strings.Cut(arnPart(t.id, 5), "/")
	base, geo := models.Base(t.id)
	switch {
	case kind == "" && geo == "", kind == "foundation-model":
		if known, ok := g.options.Catalogue.Lookup(base); ok && known.ProfileOnly() {
			g.note("%s is served through inference profiles only: AWS will refuse calls by its own id.", base)
		}
		use.OnDemand = append(use.OnDemand, iam.Model{Region: t.region, ID: base, Whole: whole})
		return "", nil
	case kind == "", kind == "inference-profile":
		return "", g.systemProfile(ctx, t, cmp.Or(name, t.id), whole, use)
	case kind == "application-inference-profile":
		return g.applicationProfile(ctx, t, u, whole, use)
	case kind == "prompt-router", kind == "default-prompt-router":
		return "", g.router(ctx, t, u, use)
	case kind == "prompt":
		g.note("%s is a prompt of Prompt Management: allow bedrock:RenderPrompt on it and the model that it names, too.", t.id)
	case strings.Contains(t.id, ":sagemaker:"):
		g.note("%s is an endpoint of SageMaker: allow sagemaker:InvokeEndpoint on it, too.", t.id)
	}
	use.Resources = append(use.Resources, iam.Resource{ARN: t.id, Whole: whole})
	return "", nil
}

// arnPart is the nth part of an ARN, from 0; "" of what is none.
func arnPart(arn string, n int) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" {
		return ""
	}
	return parts[n]
}
