package sandbox

import (
	"net/http"
	"strings"

	"outcrop/internal/models"
)

// demoPrefix begins the ids of the application inference profiles and the
// provisioned throughputs that the sandbox has: one for every model of the
// catalogue, whose id follows with a hyphen for every other character. Real ids
// are random and do not tell their model.
const demoPrefix = "sandbox-"

// demoID is the id of the profile that stands for a model.
func demoID(id string) string {
	return demoPrefix + strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return '-'
	}, id)
}

// demoIDs maps the ids of demo profiles to what is behind them.
func demoIDs(catalogue *models.Catalogue) map[string]*models.Model {
	out := map[string]*models.Model{}
	for _, m := range catalogue.All() {
		out[demoID(m.ID)] = m
	}
	return out
}

// demoKind says whether ARNs of that type may name a demo.
func demoKind(kind string) bool {
	return kind == "application-inference-profile" || kind == "provisioned-model"
}

// model finds what a model id of a request means: an id or an ARN of the
// catalogue, or the ARN of a demo. nil for everything else.
func (s *Server) model(id string) *models.Model {
	if m, ok := s.catalogue.Lookup(id); ok {
		return m
	}
	if kind := resourceKind(id); demoKind(kind) {
		return s.demos[resourceName(id)]
	}
	return nil
}

// resourceName is what follows the type in an ARN; an id is its own name.
func resourceName(id string) string {
	if resourceKind(id) == "" {
		return id
	}
	return id[strings.Index(id, "/")+1:]
}

// demo finds the demo of an id or of an ARN of that kind.
func (s *Server) demo(kind, id string) (*models.Model, bool) {
	if k := resourceKind(id); k != "" && k != kind {
		return nil, false
	}
	m, ok := s.demos[resourceName(id)]
	return m, ok
}

// applicationProfile is the answer about a demo profile.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetInferenceProfile.html
func applicationProfile(m *models.Model, who identity) map[string]any {
	out := profileSummary(m, who)
	id := demoID(m.ID)
	out["type"], out["inferenceProfileId"] = "APPLICATION", id
	out["inferenceProfileName"] = clip("sandbox "+m.Name, 64)
	out["inferenceProfileArn"] = "arn:aws:bedrock:" + who.Region + ":" + who.Account + ":application-inference-profile/" + id
	out["description"] = "Stands for " + m.ID + "."
	return out
}

// demoProfiles are the ones that the list shows; every other model of the
// catalogue has one as well.
func (s *Server) demoProfiles(who identity) []any {
	var out []any
	for _, id := range []string{"us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.amazon.nova-2-lite-v1:0", "openai.gpt-oss-120b-1:0"} {
		if m, ok := s.catalogue.Lookup(id); ok {
			out = append(out, applicationProfile(m, who))
		}
	}
	return out
}

// getProvisioned answers GetProvisionedModelThroughput.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetProvisionedModelThroughput.html
func (s *Server) getProvisioned(c controlCall) (map[string]any, *apiError) {
	m, ok := s.demo("provisioned-model", c.id)
	if !ok {
		return nil, &apiError{Status: http.StatusNotFound, Type: "ResourceNotFoundException", Message: "The provisioned model throughput does not exist."}
	}
	model := "arn:aws:bedrock:" + c.who.Region + "::foundation-model/" + m.Base
	return map[string]any{
		"provisionedModelArn":  "arn:aws:bedrock:" + c.who.Region + ":" + c.who.Account + ":provisioned-model/" + demoID(m.ID),
		"provisionedModelName": demoID(m.ID), "status": "InService", "modelUnits": 1, "desiredModelUnits": 1,
		"modelArn": model, "desiredModelArn": model, "foundationModelArn": model,
		"creationTime": "2026-01-31T00:00:00Z", "lastModifiedTime": "2026-01-31T00:00:00Z",
	}, nil
}
