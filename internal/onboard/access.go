package onboard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrock"
	"github.com/aws/aws-sdk-go-v2/service/bedrock/types"

	"outcrop/internal/models"
)

// ControlPlane is Bedrock's control plane, called with the account's credentials. Left to itself the SDK
// would take the API key of AWS_BEARER_TOKEN_BEDROCK before the profile that was asked for.
func (a *Account) ControlPlane() *bedrock.Client {
	return bedrock.NewFromConfig(a.Config, func(o *bedrock.Options) {
		o.BearerAuthTokenProvider, o.AuthSchemePreference = nil, nil
	})
}

// AccessInput says to which models access is wanted.
type AccessInput struct {
	Models    []string // ids of models or profiles, or their ARNs
	Form      *UseCaseForm
	Catalogue *models.Catalogue
}

// AccessPlan is what stands between an account and some models, and what would be done about it.
type AccessPlan struct {
	Region string      `json:"region"`
	Form   *FormPlan   `json:"form,omitempty"` // nil where no model of Anthropic waits for it
	Models []ModelPlan `json:"models"`
	// Applied says that the steps were taken.
	Applied bool `json:"applied"`

	client *bedrock.Client
}

// FormPlan is the use-case form that is missing.
type FormPlan struct {
	Send    *UseCaseForm `json:"send,omitempty"` // nil: there is none to send
	Sent    bool         `json:"sent"`
	Problem *Problem     `json:"problem,omitempty"`
}

// ModelPlan is one model.
type ModelPlan struct {
	ID       string   `json:"id"`    // of the foundation model
	Asked    []string `json:"asked"` // as it was given
	Name     string   `json:"name"`
	Provider string   `json:"provider"`
	Access   Access   `json:"access"`
	Offer    *Offer   `json:"offer,omitempty"` // that will be agreed to
	Agreed   bool     `json:"agreed"`          // the agreement was made now
	Problem  *Problem `json:"problem,omitempty"`
	Note     string   `json:"note,omitempty"` // about the profile that was asked for
}

// Offer is what there is to agree to.
type Offer struct {
	ID           string  `json:"id"`
	Legal        string  `json:"legal"` // address of the terms
	Refund       string  `json:"refund,omitempty"`
	Duration     string  `json:"duration,omitempty"` // of the agreement, ISO 8601
	RateCard     []Price `json:"rateCard,omitempty"`
	Alternatives int     `json:"alternatives,omitempty"` // other offers, private ones for example

	token string
}

// Price is a line of a rate card; the price is in USD.
type Price struct {
	Dimension   string `json:"dimension"`
	Price       string `json:"price"`
	Unit        string `json:"unit,omitempty"`
	Description string `json:"description,omitempty"`
}

// PlanAccess finds out what has to be done. It writes nothing.
func PlanAccess(ctx context.Context, a *Account, in AccessInput) (*AccessPlan, error) {
	client := a.ControlPlane()
	listed, err := client.ListFoundationModels(ctx, nil)
	if err != nil {
		return nil, explain(err, call{what: "listing the models of " + a.Config.Region, action: "bedrock:ListFoundationModels", region: a.Config.Region})
	}
	p := &AccessPlan{Region: a.Config.Region, client: client}
	var unknown []error
	for _, asked := range in.Models {
		if err := p.add(asked, listed.ModelSummaries); err != nil {
			unknown = append(unknown, whereElse(ctx, a, in.Catalogue, asked, listed.ModelSummaries))
		}
	}
	if len(unknown) > 0 {
		return nil, errors.Join(unknown...)
	}
	p.look(ctx)
	p.noteProfiles(ctx)
	for _, m := range p.Models {
		if m.Access.State == AccessForm {
			p.Form = &FormPlan{Send: in.Form}
		}
	}
	return p, nil
}

var errNotListed = errors.New("not listed")

// add puts the model behind an id or ARN into the plan.
func (p *AccessPlan) add(asked string, listed []types.FoundationModelSummary) error {
	base, _ := models.Base(asked)
	if at := slices.IndexFunc(p.Models, func(m ModelPlan) bool { return m.ID == base }); at >= 0 {
		p.Models[at].Asked = append(p.Models[at].Asked, asked)
		return nil
	}
	at := slices.IndexFunc(listed, func(m types.FoundationModelSummary) bool { return aws.ToString(m.ModelId) == base })
	if at < 0 {
		return errNotListed
	}
	p.Models = append(p.Models, ModelPlan{
		ID: base, Asked: []string{asked}, Name: aws.ToString(listed[at].ModelName), Provider: aws.ToString(listed[at].ProviderName),
	})
	return nil
}

// look asks for the state of each model, and for the offers of those that need an agreement.
func (p *AccessPlan) look(ctx context.Context) {
	form := sync.OnceValue(func() formState { return askForm(ctx, p.client) })
	var all sync.WaitGroup
	for i := range p.Models {
		m := &p.Models[i]
		all.Go(func() {
			m.Access = askAccess(ctx, p.client, m.ID, form)
			if m.todo() {
				m.offers(ctx, p.client)
			}
		})
	}
	all.Wait()
}

// noteProfiles says which profiles of a model can be called from here, where one was asked for that cannot.
func (p *AccessPlan) noteProfiles(ctx context.Context) {
	v := &regionView{region: p.Region, client: p.client, profiles: map[string][]string{}}
	for i := range p.Models {
		m := &p.Models[i]
		for _, asked := range m.Asked {
			id := asked[strings.LastIndex(asked, "/")+1:]
			if _, geo := models.Base(id); geo == "" {
				continue
			}
			if len(v.profiles) == 0 {
				if v.listProfiles(ctx); len(v.out.Problems) > 0 {
					return // whoever may not list profiles may have access all the same
				}
			}
			if here := v.profiles[m.ID]; !slices.Contains(here, id) {
				m.Note = id + " cannot be called from " + p.Region + "; the profiles of this model here: " + cmp.Or(strings.Join(here, ", "), "none")
			}
		}
	}
}

// todo says whether an agreement is to be made.
func (m *ModelPlan) todo() bool {
	return slices.Contains([]string{AccessForm, AccessAgreement, AccessFailed, AccessNotEntitled}, m.Access.State)
}

// offers takes the first offer, which is the public one.
func (m *ModelPlan) offers(ctx context.Context, client *bedrock.Client) {
	out, err := client.ListFoundationModelAgreementOffers(ctx, &bedrock.ListFoundationModelAgreementOffersInput{ModelId: &m.ID, OfferType: types.OfferTypeAll})
	if err != nil {
		m.Problem = explain(err, call{what: "listing its offers", action: "bedrock:ListFoundationModelAgreementOffers"})
		return
	}
	if len(out.Offers) == 0 {
		m.Problem = &Problem{Kind: ProblemOther, Text: "there is no offer for it", Remedy: "ask AWS Support why the account is offered none"}
		return
	}
	first := out.Offers[0]
	offer := &Offer{ID: aws.ToString(first.OfferId), Alternatives: len(out.Offers) - 1, token: aws.ToString(first.OfferToken)}
	if t := first.TermDetails; t != nil {
		offer.terms(t)
	}
	m.Offer = offer
}

func (o *Offer) terms(t *types.TermDetails) {
	if t.LegalTerm != nil {
		o.Legal = aws.ToString(t.LegalTerm.Url)
	}
	if t.SupportTerm != nil {
		o.Refund = aws.ToString(t.SupportTerm.RefundPolicyDescription)
	}
	if t.ValidityTerm != nil {
		o.Duration = aws.ToString(t.ValidityTerm.AgreementDuration)
	}
	if t.UsageBasedPricingTerm == nil {
		return
	}
	for _, r := range t.UsageBasedPricingTerm.RateCard {
		o.RateCard = append(o.RateCard, Price{aws.ToString(r.Dimension), aws.ToString(r.Price), aws.ToString(r.Unit), aws.ToString(r.Description)})
	}
}

// Done says whether all models can be called.
func (p *AccessPlan) Done() bool {
	return !slices.ContainsFunc(p.Models, func(m ModelPlan) bool { return m.Access.State != AccessAvailable })
}

// Pending says whether some agreement is being made.
func (p *AccessPlan) Pending() bool {
	return slices.ContainsFunc(p.Models, func(m ModelPlan) bool { return m.Access.State == AccessPending })
}

// NeedsForm says whether a form has to be sent and there is none.
func (p *AccessPlan) NeedsForm() bool { return p.Form != nil && p.Form.Send == nil }

// Apply sends the form where it is missing and makes the agreements. What fails is told in the plan.
func (p *AccessPlan) Apply(ctx context.Context) {
	p.Applied = true
	if p.Form != nil {
		p.sendForm(ctx)
	}
	for i := range p.Models {
		m := &p.Models[i]
		if !m.todo() || m.Offer == nil || m.Access.State == AccessForm && !p.Form.Sent {
			continue
		}
		_, err := p.client.CreateFoundationModelAgreement(ctx, &bedrock.CreateFoundationModelAgreementInput{ModelId: &m.ID, OfferToken: &m.Offer.token})
		conflict, exists := errors.AsType[*types.ConflictException](err)
		switch {
		case err == nil:
			m.Agreed, m.Access.State, m.Access.Why = true, AccessPending, ""
		case exists && conflict != nil: // somebody else has made it meanwhile
			m.Access.State, m.Access.Why = AccessPending, ""
		default:
			m.Problem = explain(err, call{what: "making the agreement", action: "bedrock:CreateFoundationModelAgreement"})
		}
	}
}

func (p *AccessPlan) sendForm(ctx context.Context) {
	body, err := p.Form.Send.body()
	if err == nil {
		_, err = p.client.PutUseCaseForModelAccess(ctx, &bedrock.PutUseCaseForModelAccessInput{FormData: body})
	}
	if err != nil {
		p.Form.Problem = explain(err, call{what: "sending the use-case form", action: "bedrock:PutUseCaseForModelAccess"})
		return
	}
	p.Form.Sent = true
}

// Look asks again for the state of the models that are pending.
func (p *AccessPlan) Look(ctx context.Context) {
	form := sync.OnceValue(func() formState { return askForm(ctx, p.client) })
	for i := range p.Models {
		if m := &p.Models[i]; m.Access.State == AccessPending {
			m.Access = askAccess(ctx, p.client, m.ID, form)
		}
	}
}

// whereElse says of an id that the region does not list where it is, or what was meant.
func whereElse(ctx context.Context, a *Account, catalogue *models.Catalogue, asked string, listed []types.FoundationModelSummary) error {
	base, geo := models.Base(asked)
	region := a.Config.Region
	if base == "" {
		return fmt.Errorf("%s: the ARN does not name a foundation model or a system-defined profile; give the id of the model behind it", asked)
	}
	if known, ok := catalogue.Family(base); ok {
		if known.Lifecycle.Status == models.EndOfLife {
			return fmt.Errorf("%s has reached the end of its life%s. outcrop aws models --provider %s lists what follows it", asked, since(known.Lifecycle.EOL), known.Provider)
		}
		if found := regionsWith(ctx, a, base); len(found) > 0 {
			return fmt.Errorf("%s is not offered in %s. It is in %s: outcrop aws access %s --region %s",
				asked, region, strings.Join(found, ", "), asked, found[0])
		}
	}
	var ids []string
	for _, m := range listed {
		id := aws.ToString(m.ModelId)
		if geo != "" {
			id = geo + "." + id
		}
		ids = append(ids, id)
	}
	text := fmt.Sprintf("%s: %s has no model of this id", asked, region)
	if near := nearIDs(asked, ids); len(near) > 0 {
		text += ". Near to it: " + strings.Join(near, ", ")
	}
	return errors.New(text + ". outcrop aws models lists what there is")
}

func since(day string) string {
	if day == "" {
		return ""
	}
	return " on " + day
}

// regionsWith asks the other regions for a model; it is for a message, so what does not answer is left out.
func regionsWith(ctx context.Context, a *Account, base string) []string {
	regions := slices.DeleteFunc(Regions(a.Config.Region), func(r string) bool { return r == a.Config.Region })
	has := make([]bool, len(regions))
	questions := make(chan struct{}, concurrentCalls)
	var all sync.WaitGroup
	for i, region := range regions {
		all.Go(func() {
			questions <- struct{}{}
			defer func() { <-questions }()
			_, err := a.In(region).ControlPlane().GetFoundationModel(ctx, &bedrock.GetFoundationModelInput{ModelIdentifier: &base})
			has[i] = err == nil
		})
	}
	all.Wait()
	var found []string
	for i, region := range regions {
		if has[i] {
			found = append(found, region)
		}
	}
	return found
}
