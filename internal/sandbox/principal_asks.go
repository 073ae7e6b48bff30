package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"outcrop/internal/iam"
	"outcrop/internal/models"
)

// The ways of [Options.Route] beside a region.
const (
	routeSource = "source" // the region of the call, or the profile's first when it is none of its own
	routeEvery  = "every"  // every region of the profile must be allowed
)

// mayCall judges one call of a model.
func (s *Server) mayCall(r *http.Request, c *call, who identity, route string) *apiError {
	if !s.judged(who) {
		return nil
	}
	if route == "" {
		route = s.route
	}
	return s.may(who, slices.Concat(bearerAsk(c, who), s.modelAsks(c, who, route), guardrailAsk(r, c, who))...)
}

// bearerAsk is the permission to come with an API key at all.
// https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-permissions.html
func bearerAsk(c *call, who identity) []iam.Request {
	if who.Bearer == "" {
		return nil
	}
	service := "bedrock"
	if c.Mantle {
		service = mantleService
	}
	return []iam.Request{with(who.ask(service+":CallWithBearerToken", "*"), service+":BearerTokenType", who.Bearer)}
}

// modelAsks are the permissions to call the model: the profile, when it is one, and the model in the
// region or regions that answer.
// https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-prereq.html
// https://docs.aws.amazon.com/bedrock/latest/userguide/global-cross-region-inference.html
func (s *Server) modelAsks(c *call, who identity, route string) []iam.Request {
	switch {
	case c.Op == opCountMessages:
		return []iam.Request{who.ask("bedrock-mantle:CountTokens", mantleProject(who))}
	case c.Mantle:
		return []iam.Request{who.ask("bedrock-mantle:CreateInference", mantleProject(who))}
	}
	action := iamAction(c)
	switch kind := resourceKind(c.ModelID); {
	case kind == "foundation-model", c.Model == nil, opaque(kind) && !demoKind(kind), kind == "provisioned-model":
		return []iam.Request{who.ask(action, askedARN(c, who))}
	case c.Model.Geo == "" && kind == "":
		return []iam.Request{who.ask(action, modelARN(who.Region, c.Model.Base))}
	}
	profile := askedARN(c, who)
	out := []iam.Request{who.ask(action, profile)}
	for _, region := range answering(c.Model.Geo, who.Region, route) {
		ask := with(who.ask(action, modelARN(region, c.Model.Base)), "bedrock:InferenceProfileArn", profile)
		requested := region
		if region == "" {
			requested = "unspecified"
		}
		out = append(out, with(ask, "aws:RequestedRegion", requested))
	}
	return out
}

// askedARN is the resource that the model id names; an id of a profile is one in the caller's account.
func askedARN(c *call, who identity) string {
	switch {
	case resourceKind(c.ModelID) != "":
		return c.ModelID
	case c.Model != nil && c.Model.Geo != "":
		return "arn:aws:bedrock:" + who.Region + ":" + who.Account + ":inference-profile/" + c.ModelID
	}
	return modelARN(who.Region, c.ModelID)
}

func modelARN(region, id string) string {
	return "arn:aws:bedrock:" + region + "::foundation-model/" + id
}

// mantleProject is the project that calls without one belong to.
func mantleProject(who identity) string {
	return "arn:aws:bedrock-mantle:" + who.Region + ":" + who.Account + ":project/default"
}

// mayListMantle judges the list of mantle's models.
func (s *Server) mayListMantle(who identity) *apiError {
	if !s.judged(who) {
		return nil
	}
	return s.may(who, append(bearerAsk(&call{Mantle: true}, who), who.ask("bedrock-mantle:ListModels", mantleProject(who)))...)
}

// answering are the regions whose model a call of a profile is judged by; "" is the model's ARN without
// a region. A global profile is judged by both of its ARNs always.
func answering(geo, source, route string) []string {
	all := models.Destinations(geo, source)
	switch {
	case geo == "global" || route == routeEvery:
		return all
	case slices.Contains(all, route):
		return []string{route}
	case slices.Contains(all, source):
		return []string{source}
	}
	return all[:1]
}

// guardrailAsk is the permission for the guardrail that a call names.
func guardrailAsk(r *http.Request, c *call, who identity) []iam.Request {
	id := r.Header.Get("X-Amzn-Bedrock-GuardrailIdentifier")
	if c.isConverse() {
		id = text(dig(c.Body, "guardrailConfig", "guardrailIdentifier"))
	}
	if id == "" {
		return nil
	}
	if !strings.HasPrefix(id, "arn:") {
		id = "arn:aws:bedrock:" + who.Region + ":" + who.Account + ":guardrail/" + id
	}
	return []iam.Request{who.ask("bedrock:ApplyGuardrail", id)}
}

// mayControl judges one call of the control plane: action with its prefix, segments of its path.
func (s *Server) mayControl(action string, segments []string, who identity) *apiError {
	if !s.judged(who) {
		return nil
	}
	return s.may(who, append(bearerAsk(&call{}, who), controlAsks(action, segments, who)...)...)
}

// controlAsks are the permissions for an operation of the control plane. An agreement is made by
// subscribing to the model's product in AWS Marketplace, through Bedrock.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-access.html
func controlAsks(action string, segments []string, who identity) []iam.Request {
	id := segments[len(segments)-1]
	viaBedrock := func(name string) iam.Request {
		return with(who.ask("aws-marketplace:"+name, "*"), "aws:CalledViaLast", "bedrock.amazonaws.com")
	}
	switch action {
	case "bedrock:GetFoundationModel":
		if !strings.HasPrefix(id, "arn:") {
			id = modelARN(who.Region, id)
		}
		return []iam.Request{who.ask(action, id)}
	case "bedrock:GetInferenceProfile":
		return []iam.Request{who.ask(action, profileARN(id, who))}
	case "bedrock:GetProvisionedModelThroughput":
		return []iam.Request{who.ask(action, accountARN("provisioned-model", id, who))}
	case "bedrock:CreateFoundationModelAgreement":
		return []iam.Request{who.ask(action, "*"), viaBedrock("Subscribe")}
	case "bedrock:DeleteFoundationModelAgreement":
		return []iam.Request{who.ask(action, "*"), viaBedrock("Unsubscribe")}
	}
	return []iam.Request{who.ask(action, "*")}
}

// profileARN is the ARN of a profile's id: those of AWS begin with a geography.
func profileARN(id string, who identity) string {
	kind := "inference-profile"
	if strings.HasPrefix(id, demoPrefix) {
		kind = "application-inference-profile"
	}
	return accountARN(kind, id, who)
}

// accountARN is the ARN of something of Bedrock in the caller's account.
func accountARN(kind, id string, who identity) string {
	if strings.HasPrefix(id, "arn:") {
		return id
	}
	return "arn:aws:bedrock:" + who.Region + ":" + who.Account + ":" + kind + "/" + id
}

// routeWish is a value of route: a region, source or every.
func routeWish(v string) (string, error) {
	if v == routeSource || v == routeEvery || regionPattern.MatchString(v) {
		return v, nil
	}
	return "", fmt.Errorf("%q is neither a region nor %q nor %q", v, routeSource, routeEvery)
}
