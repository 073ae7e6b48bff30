package sandbox

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/models"
)

// controlCall is one call of the control plane.
type controlCall struct {
	who   identity
	id    string // the last path segment, decoded
	query url.Values
	body  map[string]any // of a POST
}

// controlOperation is one operation of the control plane.
type controlOperation struct {
	action string // as IAM names it, without its prefix
	status int    // of success
	run    func(controlCall) (map[string]any, *apiError)
}

// controlOp finds the operation of a path; false for none.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock.html
func (s *Server) controlOp(method string, segments []string) (controlOperation, bool) {
	op, ok := map[string]controlOperation{
		"GET foundation-models":                       {"ListFoundationModels", http.StatusOK, s.listFoundationModels},
		"GET foundation-models/":                      {"GetFoundationModel", http.StatusOK, s.getFoundationModel},
		"GET inference-profiles":                      {"ListInferenceProfiles", http.StatusOK, s.listInferenceProfiles},
		"GET inference-profiles/":                     {"GetInferenceProfile", http.StatusOK, s.getInferenceProfile},
		"GET provisioned-model-throughput/":           {"GetProvisionedModelThroughput", http.StatusOK, s.getProvisioned},
		"GET foundation-model-availability/":          {"GetFoundationModelAvailability", http.StatusOK, s.getAvailability},
		"GET list-foundation-model-agreement-offers/": {"ListFoundationModelAgreementOffers", http.StatusOK, s.listOffers},
		"POST create-foundation-model-agreement":      {"CreateFoundationModelAgreement", http.StatusAccepted, s.createAgreement},
		"POST delete-foundation-model-agreement":      {"DeleteFoundationModelAgreement", http.StatusAccepted, s.deleteAgreement},
		"GET use-case-for-model-access":               {"GetUseCaseForModelAccess", http.StatusOK, s.getUseCase},
		"POST use-case-for-model-access":              {"PutUseCaseForModelAccess", http.StatusCreated, s.putUseCase},
	}[method+" "+segments[0]+strings.Repeat("/", len(segments)-1)]
	return op, ok
}

func (s *Server) isControl(method string, segments []string) bool {
	_, ok := s.controlOp(method, segments)
	return ok
}

func (s *Server) serveControl(w http.ResponseWriter, r *http.Request, body []byte, segments []string) {
	op, _ := s.controlOp(r.Method, segments)
	out, refused := s.control(r, body, segments, op)
	if refused != nil {
		writeError(w, refused)
		return
	}
	writeJSON(w, op.status, out)
}

// control checks who calls, what the account may do and what the body is, and runs the operation.
func (s *Server) control(r *http.Request, body []byte, segments []string, op controlOperation) (map[string]any, *apiError) {
	who, refused := s.verifier.verify(r, body, "bedrock")
	if refused != nil {
		return nil, refused
	}
	if general := s.generalRefusal(); general != nil {
		return nil, general
	}
	if denied := s.mayControl("bedrock:"+op.action, segments, who); denied != nil {
		return nil, denied
	}
	if denied := s.mood.Access.refuseAccount(who.ARN, who.Region, "bedrock:"+op.action, "*"); denied != nil {
		return nil, denied
	}
	c := controlCall{who: who, id: segments[len(segments)-1], query: r.URL.Query()}
	if r.Method == http.MethodPost {
		if json.Valid(body) {
			c.body = decodeObject(body)
		}
		if c.body == nil {
			return nil, undecodable(notAJSONObject)
		}
	}
	return op.run(c)
}

// generalRefusal is the refusal that the sandbox's state has for calls of every
// service, nil for none.
func (s *Server) generalRefusal() *apiError {
	if !refusals()[s.mood.Refuse].everywhere {
		return nil
	}
	return known(s.mood.Refuse)
}

// foundationModels are the models as the control plane knows them: base ids that
// are still alive. A model of which the catalogue has profiles only is listed by
// its base id, since a profile stands for one.
func (s *Server) foundationModels() []models.Model {
	var out []models.Model
	for _, m := range s.catalogue.All() {
		if m.MantleOnly() || m.Lifecycle.Status == models.EndOfLife {
			continue
		}
		base := *m
		if m.Geo != "" {
			if _, listed := s.catalogue.Lookup(m.Base); listed {
				continue
			}
			base.ID, base.Geo, base.InferenceTypes = m.Base, "", []string{"INFERENCE_PROFILE"}
		}
		out = append(out, base)
	}
	slices.SortFunc(out, func(a, b models.Model) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(out, func(a, b models.Model) bool { return a.ID == b.ID })
}

func (s *Server) listFoundationModels(c controlCall) (map[string]any, *apiError) {
	for _, filter := range []struct {
		name string
		enum []string
	}{
		{"byCustomizationType", []string{"FINE_TUNING", "CONTINUED_PRE_TRAINING", "DISTILLATION"}},
		{"byOutputModality", []string{"TEXT", "IMAGE", "EMBEDDING"}},
		{"byInferenceType", []string{"ON_DEMAND", "PROVISIONED"}},
	} {
		if v := c.query.Get(filter.name); v != "" && !slices.Contains(filter.enum, v) {
			return nil, enumError(filter.name, v, filter.enum)
		}
	}
	summaries := []any{}
	for _, m := range s.foundationModels() {
		if s.absent(c, m.ID) {
			continue
		}
		if summary := modelSummary(m, c.who.Region); matches(summary, c.query) {
			summaries = append(summaries, summary)
		}
	}
	return map[string]any{"modelSummaries": summaries}, nil
}

// matches applies the filters of ListFoundationModels.
func matches(summary map[string]any, query url.Values) bool {
	provider := query.Get("byProvider")
	if provider != "" && !strings.EqualFold(provider, text(summary["providerName"])) {
		return false
	}
	for filter, member := range map[string]string{
		"byOutputModality": "outputModalities", "byInferenceType": "inferenceTypesSupported", "byCustomizationType": "customizationsSupported",
	} {
		values, _ := summary[member].([]string)
		if v := query.Get(filter); v != "" && !slices.Contains(values, v) {
			return false
		}
	}
	return true
}

// modelSummary is a FoundationModelSummary, with INFERENCE_PROFILE and the
// modalities that live answers have beyond the SDK's enums (bedrock-api.md §5).
func modelSummary(m models.Model, region string) map[string]any {
	status := models.Active
	if m.Lifecycle.Status == models.Legacy {
		status = models.Legacy
	}
	lifecycle := map[string]any{"status": status}
	if m.Lifecycle.EOL != "" {
		lifecycle["endOfLifeTime"] = m.Lifecycle.EOL + "T00:00:00Z"
	}
	types := m.InferenceTypes
	if types == nil {
		types = []string{"ON_DEMAND"}
	}
	return map[string]any{
		"modelArn": "arn:aws:bedrock:" + region + "::foundation-model/" + m.ID, "modelId": m.ID, "modelName": m.Name,
		"providerName": providerName(m.Provider), "inputModalities": modalities(m.Input, "TEXT"),
		"outputModalities": modalities(m.Output, outputOf(m.Kind)), "responseStreamingSupported": m.Streaming == models.Yes,
		"customizationsSupported": []string{}, "inferenceTypesSupported": types, "modelLifecycle": lifecycle,
	}
}

// modalities writes the catalogue's words as Bedrock does; a document is text.
func modalities(words []string, unknown string) []string {
	out := []string{}
	for _, w := range words {
		switch w {
		case "pdf":
			continue
		case "embeddings":
			w = "embedding"
		case "audio":
			w = "speech"
		}
		out = append(out, strings.ToUpper(w))
	}
	if len(out) == 0 {
		out = append(out, unknown)
	}
	return out
}

// outputOf is what a kind of model makes, where the catalogue does not say.
func outputOf(kind models.Kind) string {
	switch kind {
	case models.Embedding:
		return "EMBEDDING"
	case models.Image:
		return "IMAGE"
	case models.Video:
		return "VIDEO"
	case models.Speech:
		return "SPEECH"
	}
	return "TEXT"
}

// providerName is a provider as ListFoundationModels writes it.
func providerName(provider string) string {
	switch provider {
	case "ai21":
		return "AI21 Labs"
	case "deepseek":
		return "DeepSeek"
	case "mistral":
		return "Mistral AI"
	case "openai":
		return "OpenAI"
	case "stability":
		return "Stability AI"
	case "twelvelabs":
		return "TwelveLabs"
	case "moonshot", "moonshotai":
		return "Moonshot AI"
	case "luma":
		return "Luma AI"
	case "minimax":
		return "MiniMax"
	case "nvidia":
		return "NVIDIA"
	case "xai":
		return "xAI"
	case "zai":
		return "Z.AI"
	case "":
		return "Unknown"
	}
	return strings.ToUpper(provider[:1]) + provider[1:]
}

func (s *Server) getFoundationModel(c controlCall) (map[string]any, *apiError) {
	m, ok := s.find(c, c.id)
	if !ok {
		return nil, invalid(invalidModelID)
	}
	return map[string]any{"modelDetails": modelSummary(m, c.who.Region)}, nil
}

// absent says whether a model is not offered in the region of the call.
func (s *Server) absent(c controlCall, base string) bool {
	return s.mood.Access.rule(base, c.who.Region) == accessNotInRegion
}

// find looks a foundation model up by id or ARN.
func (s *Server) find(c controlCall, id string) (models.Model, bool) {
	base, geo := models.Base(id)
	all := s.foundationModels()
	at := slices.IndexFunc(all, func(m models.Model) bool { return m.ID == base })
	if at < 0 || geo != "" || s.absent(c, base) {
		return models.Model{}, false
	}
	return all[at], true
}

func (s *Server) getInferenceProfile(c controlCall) (map[string]any, *apiError) {
	if m, ok := s.demo("application-inference-profile", c.id); ok {
		return applicationProfile(m, c.who), nil
	}
	m, ok := s.catalogue.Lookup(c.id)
	if !ok || m.Geo == "" || m.Lifecycle.Status == models.EndOfLife || s.absent(c, m.Base) {
		return nil, &apiError{Status: http.StatusNotFound, Type: "ResourceNotFoundException", Message: "The requested inference profile does not exist."}
	}
	return profileSummary(m, c.who), nil
}

// listInferenceProfiles lists the profiles that can be called from the region of
// the signature, a page at a time.
func (s *Server) listInferenceProfiles(c controlCall) (map[string]any, *apiError) {
	kind := c.query.Get("type")
	if known := []string{"SYSTEM_DEFINED", "APPLICATION"}; kind != "" && !slices.Contains(known, kind) {
		return nil, enumError("typeEquals", kind, known)
	}
	size, start, refused := page(c.query)
	if refused != nil {
		return nil, refused
	}
	var all []any
	if kind == "APPLICATION" {
		all = s.demoProfiles(c.who)
	}
	for _, m := range s.catalogue.All() {
		if kind != "APPLICATION" && m.Geo != "" && m.Lifecycle.Status != models.EndOfLife && models.Reaches(m.Geo, c.who.Region) && !s.absent(c, m.Base) {
			all = append(all, profileSummary(m, c.who))
		}
	}
	start = min(start, len(all))
	end := min(start+size, len(all))
	out := map[string]any{"inferenceProfileSummaries": slices.Concat([]any{}, all[start:end])}
	if end < len(all) {
		out["nextToken"] = pageToken(end)
	}
	return out, nil
}

// page reads maxResults and nextToken.
func page(query url.Values) (size, start int, refused *apiError) {
	size = 1000
	if v := query.Get("maxResults"); v != "" {
		n, err := strconv.Atoi(v)
		switch {
		case err != nil:
			return 0, 0, &apiError{Status: http.StatusBadRequest, Type: "SerializationException", Message: "maxResults is not an integer"}
		case n < 1:
			return 0, 0, invalid("1 validation error detected: Value '%d' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1", n)
		case n > 1000:
			return 0, 0, invalid("1 validation error detected: Value '%d' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000", n)
		}
		size = n
	}
	if v := query.Get("nextToken"); v != "" {
		raw, err := base64.RawURLEncoding.DecodeString(v)
		n, tooOdd := strconv.Atoi(string(raw))
		if err != nil || tooOdd != nil || n < 0 {
			return 0, 0, invalid("The provided nextToken is invalid.")
		}
		start = n
	}
	return size, start, nil
}

func pageToken(start int) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(start)))
}

// profileSummary is an InferenceProfileSummary.
func profileSummary(m *models.Model, who identity) map[string]any {
	var targets []any
	for _, region := range models.Destinations(m.Geo, who.Region) {
		targets = append(targets, map[string]any{"modelArn": "arn:aws:bedrock:" + region + "::foundation-model/" + m.Base})
	}
	return map[string]any{
		"inferenceProfileName": clip(profileName(m), 64), "inferenceProfileId": m.ID,
		"inferenceProfileArn": "arn:aws:bedrock:" + who.Region + ":" + who.Account + ":inference-profile/" + m.ID,
		"description":         "Routes requests to " + m.Base + " in " + strings.ToUpper(m.Geo) + ".",
		"createdAt":           "2026-01-31T00:00:00Z", "updatedAt": "2026-01-31T00:00:00Z",
		"models": targets, "status": "ACTIVE", "type": "SYSTEM_DEFINED",
	}
}

func profileName(m *models.Model) string {
	geo := strings.ToUpper(m.Geo)
	if m.Geo == "global" {
		geo = "Global"
	}
	return geo + " " + providerName(m.Provider) + " " + m.Name
}

func enumError(member, value string, enum []string) *apiError {
	return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]",
		value, member, strings.Join(enum, ", "))
}
