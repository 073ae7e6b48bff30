package iam

import (
	"cmp"
	"slices"
	"strings"
)

// Use is what one principal does at Bedrock, as plain values. The zero value does nothing.
type Use struct {
	// OnDemand are foundation models that are called by their own id.
	OnDemand []Model
	// Profiles are inference profiles, prompt routers too: what is called in place of a model and sends the
	// call on to models.
	Profiles []Profile
	// Resources are ARNs that are called and stand for themselves: provisioned, imported and custom models.
	Resources []Resource
	// Count are foundation models whose tokens CountTokens counts. Ids of profiles are refused there.
	Count []Model
	// LookUp are ARNs of which Outcrop asks which foundation model is behind them.
	LookUp     []string
	Guardrails []Guardrail
	// Mantle are regions in which models are called on the bedrock-mantle host.
	Mantle []Project
	// CountOnMantle are those in which tokens are counted there.
	CountOnMantle []Project
	// APIKey says that calls are made with a Bedrock API key of the principal.
	APIKey bool
	// Assume are ARNs of roles that the principal assumes.
	Assume []string
	// Marketplace adds what the first call of an account to a third party's model needs.
	Marketplace bool
	// Inspect adds what outcrop doctor and the other commands read.
	Inspect bool
}

// Model is a foundation model in a region. In the region "" it is the ARN without a region that calls to global
// profiles are judged by.
type Model struct {
	Region, ID string
	// Whole says that it is never asked for a stream.
	Whole bool
}

// Profile is what is called in place of a model.
type Profile struct {
	ARN    string
	Models []Model // behind it, in every region that it sends calls to
	Whole  bool
	// Router says that it is a prompt router: its models are called without a profile.
	Router bool
}

// Resource is what is called by its own ARN.
type Resource struct {
	ARN   string
	Whole bool
}

// Guardrail is a guardrail's ARN and, of a guardrail of many regions, the ARNs of its guardrail profile in each.
type Guardrail struct {
	ARN      string
	Profiles []string
}

// Project is an account's place for calls of bedrock-mantle in a region.
type Project struct{ Region, Account string }

// Partition is that of a region: aws, aws-cn, aws-us-gov and others.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
func Partition(region string) string {
	for _, p := range []struct{ prefix, partition string }{
		{"cn-", "aws-cn"}, {"us-gov-", "aws-us-gov"}, {"us-iso-", "aws-iso"}, {"us-isob-", "aws-iso-b"}, {"eusc-", "aws-eusc"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.partition
		}
	}
	return "aws"
}

// ARN is the model's.
func (m Model) ARN() string {
	return "arn:" + Partition(m.Region) + ":bedrock:" + m.Region + "::foundation-model/" + m.ID
}

// ARN is that of all projects: which one a call belongs to is said by the call.
func (p Project) ARN() string {
	return "arn:" + Partition(p.Region) + ":bedrock-mantle:" + p.Region + ":" + p.Account + ":project/*"
}

// Feature is a part of what Outcrop does that may be off for want of permissions.
type Feature string

// Features of a use. Only Serve has to be there.
const (
	Serve       Feature = "serving"
	Counting    Feature = "token counting"
	LookUps     Feature = "profile look-ups"
	OnMantle    Feature = "mantle"
	Marketplace Feature = "marketplace"
	Inspecting  Feature = "inspection"
)

// Off says what happens without a feature.
func (f Feature) Off() string {
	switch f {
	case Serve:
		return "models are refused with AccessDeniedException"
	case Counting:
		return "tokens of prompts are estimated"
	case LookUps:
		return "models behind ARNs are served as plain Converse, unless baseModel names them"
	case OnMantle:
		return "models on the bedrock-mantle host are refused; those on the runtime are served"
	case Marketplace:
		return "the account's first call to a third party's model is refused later on"
	case Inspecting:
		return "outcrop doctor, aws models and config import do not see the account's models"
	}
	return ""
}

// grant is one statement to be: what is allowed, on what, when and why.
type grant struct {
	sid, why  string
	feature   Feature
	actions   []string
	resources []string
	// keys are condition keys and what they equal.
	keys map[string][]string
}

var (
	invoke = []string{"bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"}
	whole  = []string{"bedrock:InvokeModel"}
)

func calls(isWhole bool) []string {
	if isWhole {
		return whole
	}
	return invoke
}

const (
	keyProfile = "bedrock:InferenceProfileArn"
	keyRegion  = "aws:RequestedRegion"
	// regionless is what keyRegion has for the ARN without a region of a global profile's model.
	regionless = "unspecified"
)

// grants are the statements of a use, in their order. Grants of equal actions and conditions are one.
func (u Use) grants() []grant {
	var all []grant
	add := func(g grant) {
		if len(g.resources) > 0 && len(g.actions) > 0 {
			all = append(all, g)
		}
	}
	for _, isWhole := range []bool{false, true} {
		suffix := ""
		if isWhole {
			suffix = "Whole"
		}
		add(grant{sid: "CallModels" + suffix, why: "These models are called by their own ids.", feature: Serve, actions: calls(isWhole), resources: modelARNs(u.OnDemand, isWhole)})
		add(grant{sid: "CallOwnModels" + suffix, why: "These are called by their own ARNs, which are no foundation models.", feature: Serve, actions: calls(isWhole), resources: resourceARNs(u.Resources, isWhole)})
		add(grant{sid: "CallProfiles" + suffix, why: "These profiles and routers are what is called: AWS first asks for the right to the profile itself.", feature: Serve, actions: calls(isWhole), resources: profileARNs(u.Profiles, isWhole)})
	}
	profiles := slices.Clone(u.Profiles)
	slices.SortStableFunc(profiles, func(a, b Profile) int { return cmp.Compare(a.ARN, b.ARN) })
	for _, p := range slices.CompactFunc(profiles, func(a, b Profile) bool { return a.ARN == b.ARN && a.Whole == b.Whole }) {
		for _, g := range p.grants() {
			add(g)
		}
	}
	for _, g := range u.others() {
		add(g)
	}
	return all
}

// grants are those for the models behind a profile.
// https://docs.aws.amazon.com/bedrock/latest/userguide/global-cross-region-inference.html
func (p Profile) grants() []grant {
	var regional, anywhere []string
	for _, m := range p.Models {
		if m.Region == "" {
			anywhere = append(anywhere, m.ARN())
		} else {
			regional = append(regional, m.ARN())
		}
	}
	name := camel(p.ARN)
	if p.Router {
		return []grant{{
			sid: "Behind" + name, feature: Serve, actions: calls(p.Whole), resources: sorted(regional),
			why: "The router " + last(p.ARN) + " chooses among these models.",
		}}
	}
	return []grant{{
		sid: "Behind" + name, feature: Serve, actions: calls(p.Whole), resources: sorted(regional), keys: map[string][]string{keyProfile: {p.ARN}},
		why: "The profile " + last(p.ARN) + " sends calls to its model in each of these regions, and AWS asks for the right there; the condition keeps the model from being called without the profile.",
	}, {
		sid: "Global" + name, feature: Serve, actions: calls(p.Whole), resources: sorted(anywhere), keys: map[string][]string{keyProfile: {p.ARN}, keyRegion: {regionless}},
		why: "A call to the global profile " + last(p.ARN) + " is judged a third time, on the model's ARN without a region, where aws:RequestedRegion is \"unspecified\".",
	}}
}

// others are the grants that are not for calling models on the runtime.
func (u Use) others() []grant {
	var guardrails, mantle, counted []string
	for _, g := range u.Guardrails {
		guardrails = append(append(guardrails, g.ARN), g.Profiles...)
	}
	for _, p := range u.Mantle {
		mantle = append(mantle, p.ARN())
	}
	for _, p := range u.CountOnMantle {
		counted = append(counted, p.ARN())
	}
	all := []grant{
		{sid: "CountTokens", feature: Counting, actions: []string{"bedrock:CountTokens"}, resources: modelARNs(u.Count, false, true),
			why: "Claude's tokens are counted by AWS, free of charge. Only ids of foundation models are counted for, never those of profiles."},
		{sid: "LookUpModels", feature: LookUps, actions: lookUpActions(u.LookUp), resources: sorted(u.LookUp),
			why: "These ARNs do not say which model is behind them, and no baseModel does: Outcrop asks AWS."},
		{sid: "ApplyGuardrails", feature: Serve, actions: []string{"bedrock:ApplyGuardrail"}, resources: sorted(guardrails),
			why: "Requests of this configuration pass these guardrails."},
		{sid: "CallOnMantle", feature: OnMantle, actions: []string{"bedrock-mantle:CreateInference", "bedrock-mantle:Get*", "bedrock-mantle:List*"}, resources: sorted(mantle),
			why: "Models of this configuration are served on the bedrock-mantle host, which has permissions of its own: on projects, not on models."},
		{sid: "CountOnMantle", feature: Counting, actions: []string{"bedrock-mantle:CountTokens"}, resources: sorted(counted),
			why: "Tokens of Claude's models on the bedrock-mantle host are counted there, free of charge."},
	}
	if u.APIKey {
		var actions []string
		if len(u.OnDemand)+len(u.Profiles)+len(u.Resources) > 0 {
			actions = append(actions, "bedrock:CallWithBearerToken")
		}
		if len(mantle) > 0 {
			actions = append(actions, "bedrock-mantle:CallWithBearerToken")
		}
		all = append(all, grant{sid: "UseAPIKey", feature: Serve, actions: actions, resources: []string{"*"},
			why: "Calls are made with a Bedrock API key, whose use is an action of its own. It has no resource."})
	}
	all = append(all, grant{sid: "AssumeRoles", feature: Serve, actions: []string{"sts:AssumeRole", "sts:TagSession"}, resources: sorted(u.Assume),
		why: "Upstreams name these roles. TagSession is needed as soon as the session has tags, which EKS Pod Identity hands on."})
	if u.Marketplace {
		all = append(all, grant{sid: "SubscribeToModels", feature: Marketplace, actions: []string{"aws-marketplace:Subscribe", "aws-marketplace:ViewSubscriptions"}, resources: []string{"*"},
			keys: map[string][]string{"aws:CalledViaLast": {"bedrock.amazonaws.com"}},
			why:  "The first call of an account to a third party's model subscribes to it; the condition allows it through Bedrock only. It is not needed afterwards."})
	}
	if u.Inspect {
		all = append(all, grant{sid: "Inspect", feature: Inspecting, actions: inspectActions(), resources: []string{"*"},
			why: "outcrop doctor and the commands of outcrop aws read these; serving does not need them."})
	}
	return all
}

func inspectActions() []string {
	return []string{
		"bedrock:GetFoundationModel", "bedrock:GetFoundationModelAvailability", "bedrock:GetGuardrail", "bedrock:GetInferenceProfile",
		"bedrock:GetUseCaseForModelAccess", "bedrock:ListFoundationModels", "bedrock:ListInferenceProfiles",
		"servicequotas:ListAWSDefaultServiceQuotas", "servicequotas:ListServiceQuotas",
	}
}

// lookUpActions are those of the kinds of ARNs.
func lookUpActions(arns []string) []string {
	var out []string
	for _, arn := range arns {
		switch kind, _, _ := strings.Cut(resourceOf(arn), "/"); kind {
		case "application-inference-profile", "inference-profile":
			out = append(out, "bedrock:GetInferenceProfile")
		case "provisioned-model":
			out = append(out, "bedrock:GetProvisionedModelThroughput")
		case "custom-model":
			out = append(out, "bedrock:GetCustomModel")
		}
	}
	return sorted(out)
}

func modelARNs(all []Model, isWhole ...bool) []string {
	var out []string
	for _, m := range all {
		if slices.Contains(isWhole, m.Whole) {
			out = append(out, m.ARN())
		}
	}
	return sorted(out)
}

func profileARNs(all []Profile, isWhole bool) []string {
	var out []string
	for _, p := range all {
		if p.Whole == isWhole {
			out = append(out, p.ARN)
		}
	}
	return sorted(out)
}

func resourceARNs(all []Resource, isWhole bool) []string {
	var out []string
	for _, r := range all {
		if r.Whole == isWhole {
			out = append(out, r.ARN)
		}
	}
	return sorted(out)
}

func sorted(all []string) []string { return slices.Compact(slices.Sorted(slices.Values(all))) }

// resourceOf is the sixth part of an ARN, regionOf its fourth.
func resourceOf(arn string) string { return part(arn, 5) }
func regionOf(arn string) string   { return part(arn, 3) }

func part(arn string, n int) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
		return parts[n]
	}
	return ""
}

// last is what follows the slash of an ARN.
func last(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// camel is the region and name of an ARN as a part of a Sid, which has letters and digits only. Ids that differ
// in other characters alone stay different.
func camel(arn string) string {
	var b strings.Builder
	up := true
	for _, c := range regionOf(arn) + "." + last(arn) {
		switch {
		case c >= 'a' && c <= 'z' && up:
			b.WriteRune(c - 'a' + 'A')
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			b.WriteRune(c)
		}
		up = !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9')
	}
	return b.String()
}
