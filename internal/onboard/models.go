package onboard

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrock"
	"github.com/aws/aws-sdk-go-v2/service/bedrock/types"

	"outcrop/internal/models"
)

// ModelsInput says which models are wanted.
type ModelsInput struct {
	Regions   []string // at least one
	Provider  string   // "" for all, else a provider's name or the beginning of its ids
	Kind      string   // "" for all, else a models.Kind
	Callable  bool     // only those that can be called
	Catalogue *models.Catalogue
	Now       time.Time
	Progress  func(text string) // nil for none
}

// Models is what can be called from an account.
type Models struct {
	Models   []ModelHere     `json:"models"`
	Warnings []Warning       `json:"warnings,omitempty"`
	Problems []RegionProblem `json:"problems,omitempty"` // of regions that could not be asked
	Regions  []string        `json:"regions"`            // that were asked
}

// RegionProblem is why something is not known of a region.
type RegionProblem struct {
	Region string `json:"region"`
	What   string `json:"what"` // the call that failed
	*Problem
}

// ModelHere is a foundation model as it can be called from one region.
type ModelHere struct {
	ID       string   `json:"id"` // of the foundation model
	Name     string   `json:"name"`
	Provider string   `json:"provider"`
	Kind     string   `json:"kind"`
	Region   string   `json:"region"`
	Call     []string `json:"call"` // the ids to call: the base id, or profiles, or both
	Access   Access   `json:"access"`
	Callable bool     `json:"callable"`

	Input           []string       `json:"input,omitempty"`
	Output          []string       `json:"output,omitempty"`
	InferenceTypes  []string       `json:"inferenceTypes,omitempty"`
	Streaming       bool           `json:"streaming"`
	ContextWindow   int            `json:"contextWindow,omitempty"`   // tokens
	MaxOutputTokens int            `json:"maxOutputTokens,omitempty"` // tokens
	Prices          *models.Prices `json:"prices,omitempty"`          // USD, of the first id to call
	Lifecycle       Lifecycle      `json:"lifecycle"`
}

// Lifecycle is how long a model lives; dates are "2026-01-31", "" for none.
type Lifecycle struct {
	Status    string `json:"status"` // ACTIVE or LEGACY
	Start     string `json:"start,omitempty"`
	Legacy    string `json:"legacy,omitempty"`
	Extended  string `json:"extendedAccess,omitempty"`
	EndOfLife string `json:"endOfLife,omitempty"`
}

// endIsNear is how long before a model's end it is warned of.
const endIsNear = 90 * 24 * time.Hour

// ListModels asks every region what can be called from it. A region that cannot be asked is among the
// problems, and the rest is there.
func ListModels(ctx context.Context, a *Account, in ModelsInput) Models {
	out := Models{Models: []ModelHere{}, Regions: in.Regions}
	found := make([]Models, len(in.Regions))
	questions := make(chan struct{}, concurrentCalls)
	var all sync.WaitGroup
	for i, region := range in.Regions {
		all.Go(func() { found[i] = listRegion(ctx, a.In(region), in, questions) })
	}
	all.Wait()
	for _, f := range found {
		out.Models = append(out.Models, f.Models...)
		out.Problems = append(out.Problems, f.Problems...)
	}
	slices.SortStableFunc(out.Models, func(a, b ModelHere) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Provider), strings.ToLower(b.Provider)), cmp.Compare(a.ID, b.ID))
	})
	out.lifecycleWarnings(in.Now)
	return out
}

// concurrentCalls bounds the questions that are out at a time, over all regions.
const concurrentCalls = 8

// regionView is a region while it is asked.
type regionView struct {
	in        ModelsInput
	region    string
	client    *bedrock.Client
	profiles  map[string][]string // base id → ids of profiles
	questions chan struct{}
	out       Models

	noProfiles *Problem // why the profiles are not known; nil when they are
}

func listRegion(ctx context.Context, a *Account, in ModelsInput, questions chan struct{}) Models {
	v := &regionView{in: in, region: a.Config.Region, client: a.ControlPlane(), profiles: map[string][]string{}, questions: questions}
	v.progress("asking " + v.region)
	listed, err := v.client.ListFoundationModels(ctx, nil)
	if err != nil {
		v.problem("ListFoundationModels", err)
		return v.out
	}
	v.listProfiles(ctx)
	for _, m := range listed.ModelSummaries {
		here := v.model(m)
		if v.wanted(here) {
			v.out.Models = append(v.out.Models, here)
		}
	}
	v.access(ctx)
	if in.Callable {
		v.out.Models = slices.DeleteFunc(v.out.Models, func(m ModelHere) bool { return !m.Callable })
	}
	return v.out
}

func (v *regionView) progress(text string) {
	if v.in.Progress != nil {
		v.in.Progress(text)
	}
}

func (v *regionView) problem(what string, err error) {
	v.out.Problems = append(v.out.Problems, RegionProblem{v.region, what, explain(err, call{action: "bedrock:" + what, region: v.region})})
}

// listProfiles reads the profiles of all pages; without them, models are listed by their base ids.
func (v *regionView) listProfiles(ctx context.Context) {
	pages := bedrock.NewListInferenceProfilesPaginator(v.client, &bedrock.ListInferenceProfilesInput{
		MaxResults: aws.Int32(1000), TypeEquals: types.InferenceProfileTypeSystemDefined})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			v.problem("ListInferenceProfiles", err)
			v.noProfiles = v.out.Problems[len(v.out.Problems)-1].Problem
			return
		}
		for _, p := range page.InferenceProfileSummaries {
			v.profile(p)
		}
	}
}

// profile files a profile under the models whose ARNs it has; one of them may have no region.
func (v *regionView) profile(p types.InferenceProfileSummary) {
	if p.Status != types.InferenceProfileStatusActive {
		return
	}
	id := aws.ToString(p.InferenceProfileId)
	for _, m := range p.Models {
		base, _ := models.Base(aws.ToString(m.ModelArn))
		if base != "" && !slices.Contains(v.profiles[base], id) {
			v.profiles[base] = append(v.profiles[base], id)
		}
	}
}

// model joins what AWS lists with what the catalogue knows.
func (v *regionView) model(m types.FoundationModelSummary) ModelHere {
	id := aws.ToString(m.ModelId)
	here := ModelHere{
		ID: id, Name: aws.ToString(m.ModelName), Provider: aws.ToString(m.ProviderName), Region: v.region,
		Call: []string{}, Streaming: aws.ToBool(m.ResponseStreamingSupported),
		Input: lower(m.InputModalities), Output: lower(m.OutputModalities), Lifecycle: lifecycle(m.ModelLifecycle),
	}
	for _, t := range m.InferenceTypesSupported {
		here.InferenceTypes = append(here.InferenceTypes, string(t))
	}
	if slices.Contains(here.InferenceTypes, "ON_DEMAND") {
		here.Call = append(here.Call, id)
	}
	here.Call = append(here.Call, v.profiles[id]...)
	v.facts(&here)
	return here
}

// facts adds the catalogue's.
func (v *regionView) facts(here *ModelHere) {
	here.Kind = kindOf(here.Output)
	known, ok := v.in.Catalogue.Family(here.ID)
	if !ok {
		return
	}
	here.Kind = string(known.Kind)
	here.ContextWindow, here.MaxOutputTokens = known.ContextWindow, known.MaxOutputTokens
	here.Lifecycle.EndOfLife = cmp.Or(here.Lifecycle.EndOfLife, known.Lifecycle.EOL)
	if len(here.Input) <= len(known.Input) { // the catalogue's are finer: a PDF is text to AWS
		here.Input = known.Input
	}
	for _, id := range append(slices.Clone(here.Call), here.ID) {
		if m, ok := v.in.Catalogue.Lookup(id); ok && m.Prices != nil {
			here.Prices = m.Prices
			return
		}
	}
}

func kindOf(output []string) string {
	for _, kind := range []models.Kind{models.Embedding, models.Image, models.Video, models.Speech} {
		if slices.Contains(output, string(kind)) {
			return string(kind)
		}
	}
	return string(models.Chat)
}

func lower(in []types.ModelModality) []string {
	var out []string
	for _, m := range in {
		out = append(out, strings.ToLower(string(m)))
	}
	return out
}

func lifecycle(l *types.FoundationModelLifecycle) Lifecycle {
	if l == nil {
		return Lifecycle{Status: models.Active}
	}
	return Lifecycle{
		Status: cmp.Or(string(l.Status), models.Active), Start: day(l.StartOfLifeTime), Legacy: day(l.LegacyTime),
		Extended: day(l.PublicExtendedAccessTime), EndOfLife: day(l.EndOfLifeTime),
	}
}

func day(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

// wanted says whether a model passes the filters that need no question.
func (v *regionView) wanted(m ModelHere) bool {
	if p := v.in.Provider; p != "" {
		vendor, _, _ := strings.Cut(m.ID, ".")
		if !strings.EqualFold(p, vendor) && !strings.EqualFold(p, m.Provider) && !strings.HasPrefix(strings.ToLower(m.Provider), strings.ToLower(p)+" ") {
			return false
		}
	}
	return v.in.Kind == "" || v.in.Kind == m.Kind
}

// lifecycleWarnings name models that end soon, once each.
func (m *Models) lifecycleWarnings(now time.Time) {
	told := map[string]bool{}
	for _, here := range m.Models {
		end, err := time.Parse(time.DateOnly, here.Lifecycle.EndOfLife)
		dated := err == nil && end.Sub(now) < endIsNear
		if told[here.ID] || !dated {
			continue
		}
		told[here.ID] = true
		text := here.ID + " ends on " + here.Lifecycle.EndOfLife
		if end.Before(now) {
			text = here.ID + " has ended on " + here.Lifecycle.EndOfLife
		}
		m.Warnings = append(m.Warnings, Warning{Code: "end-of-life", Text: text, Remedy: "move to a newer model"})
	}
}

// Regions where Amazon Bedrock is, of the partition that a region belongs to.
// https://docs.aws.amazon.com/general/latest/gr/bedrock.html
func Regions(like string) []string {
	switch {
	case strings.HasPrefix(like, "us-gov-"):
		return []string{"us-gov-east-1", "us-gov-west-1"}
	case strings.HasPrefix(like, "cn-"), strings.HasPrefix(like, "eusc-"), strings.Contains(like, "-iso"):
		return []string{like}
	}
	return strings.Fields(`us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 ca-west-1 mx-central-1 sa-east-1
		eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3
		ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1 ap-southeast-2
		ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 il-central-1 me-central-1 me-south-1 af-south-1`)
}
