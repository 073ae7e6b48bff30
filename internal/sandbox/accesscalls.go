package sandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/models"
)

// getAvailability answers GetFoundationModelAvailability.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetFoundationModelAvailability.html
func (s *Server) getAvailability(c controlCall) (map[string]any, *apiError) {
	all := s.foundationModels()
	at := slices.IndexFunc(all, func(m models.Model) bool { return m.ID == c.id })
	if at < 0 {
		return nil, invalid(invalidModelID)
	}
	agreement := map[string]any{"status": "AVAILABLE"}
	authorized, entitled, here := "AUTHORIZED", "AVAILABLE", "AVAILABLE"
	switch s.mood.Refuse { // an account that cannot call a model says so here as well
	case "use-case-form", "marketplace":
		agreement["status"] = "NOT_AVAILABLE"
	case "no-model-access", "iam":
		authorized = "NOT_AUTHORIZED"
	}
	switch s.mood.Access.ask(c.who.Account, c.id, c.who.Region) {
	case accessForm, accessAgreement, accessNoMarketplace, accessFirstCall:
		agreement["status"], entitled = "NOT_AVAILABLE", "NOT_AVAILABLE"
	case accessPending:
		agreement["status"] = "PENDING"
	case accessFailed:
		agreement["status"], entitled = "ERROR", "NOT_AVAILABLE"
		agreement["errorMessage"] = "The AWS Marketplace subscription could not be completed."
	case accessNotAuthorized:
		authorized = "NOT_AUTHORIZED"
	case accessNotInRegion:
		here = "NOT_AVAILABLE"
	}
	return map[string]any{
		"modelId": c.id, "agreementAvailability": agreement, "authorizationStatus": authorized,
		"entitlementAvailability": entitled, "regionAvailability": here,
	}, nil
}

// listOffers answers ListFoundationModelAgreementOffers.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModelAgreementOffers.html
func (s *Server) listOffers(c controlCall) (map[string]any, *apiError) {
	if v := c.query.Get("offerType"); v != "" && v != "ALL" && v != "PUBLIC" {
		return nil, enumError("offerType", v, []string{"ALL", "PUBLIC"})
	}
	m, ok := s.find(c, c.id)
	switch {
	case !ok:
		return nil, invalid(invalidModelID)
	case !s.mood.Access.sold(m, c.who.Region):
		return nil, invalid("Agreement not supported for this model")
	}
	return map[string]any{"modelId": m.ID, "offers": []any{map[string]any{
		"offerId": "offer-" + strings.TrimPrefix(demoID(m.ID), demoPrefix), "offerToken": offerToken(m.ID),
		"termDetails": map[string]any{
			"usageBasedPricingTerm": map[string]any{"rateCard": rateCard(m, c.who.Region)},
			"legalTerm":             map[string]any{"url": "https://aws.amazon.com/legal/bedrock/third-party-models/"},
			"supportTerm":           map[string]any{"refundPolicyDescription": "All fees are non-refundable and non-cancellable except as required by law."},
			"validityTerm":          map[string]any{"agreementDuration": "P36500D"},
		},
	}}}, nil
}

func offerToken(id string) string {
	return base64.StdEncoding.EncodeToString([]byte("sandbox offer for " + id))
}

// rateCard is the catalogue's prices as an offer writes them.
func rateCard(m models.Model, region string) []any {
	out := []any{}
	if m.Prices == nil {
		return out
	}
	for _, p := range []struct {
		dimension, what string
		price           float64
	}{
		{"InputTokenCount", "Million Input Tokens", m.Prices.Input}, {"OutputTokenCount", "Million Response Tokens", m.Prices.Output},
		{"CacheReadInputTokenCount", "Million Cache Read Input Tokens", m.Prices.CacheRead},
		{"CacheWriteInputTokenCount", "Million Cache Write Input Tokens", m.Prices.CacheWrite},
		{"CreatedImage", "Image", m.Prices.PerImage}, {"SearchUnits", "1,000 Queries", m.Prices.Per1kQueries},
	} {
		if p.price > 0 {
			out = append(out, map[string]any{
				"dimension": p.dimension, "price": strconv.FormatFloat(math.Round(p.price*1e6)/1e6, 'f', -1, 64), "unit": "Units",
				"description": "AWS Marketplace software usage|" + region + "|" + p.what,
			})
		}
	}
	return out
}

// createAgreement answers CreateFoundationModelAgreement.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateFoundationModelAgreement.html
func (s *Server) createAgreement(c controlCall) (map[string]any, *apiError) {
	m, refused := s.agreementModel(c)
	if refused != nil {
		return nil, refused
	}
	if text(c.body["offerToken"]) != offerToken(m.ID) {
		return nil, invalid("The provided offer token is invalid.")
	}
	book := s.mood.Access
	switch book.state(c.who.Account, m.ID, c.who.Region) {
	case accessForm:
		return nil, known("use-case-form")
	case accessNoMarketplace:
		return nil, known("marketplace")
	case accessAvailable, accessPending:
		return nil, &apiError{Status: http.StatusBadRequest, Type: "ConflictException", Message: "An agreement already exists for this model."}
	}
	book.become(c.who.Account, m.ID, accessPending)
	return map[string]any{"modelId": m.ID}, nil
}

// deleteAgreement answers DeleteFoundationModelAgreement.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_DeleteFoundationModelAgreement.html
func (s *Server) deleteAgreement(c controlCall) (map[string]any, *apiError) {
	m, refused := s.agreementModel(c)
	if refused != nil {
		return nil, refused
	}
	switch s.mood.Access.state(c.who.Account, m.ID, c.who.Region) {
	case accessAvailable, accessPending, accessFailed:
		s.mood.Access.become(c.who.Account, m.ID, accessAgreement)
		return map[string]any{}, nil
	}
	return nil, &apiError{Status: http.StatusNotFound, Type: "ResourceNotFoundException", Message: "There is no agreement for this model."}
}

// agreementModel is the model of the body, which must be sold.
func (s *Server) agreementModel(c controlCall) (models.Model, *apiError) {
	id := text(c.body["modelId"])
	if id == "" {
		return models.Model{}, invalid("1 validation error detected: Value null at 'modelId' failed to satisfy constraint: Member must not be null")
	}
	m, ok := s.find(c, id)
	switch {
	case !ok:
		return m, invalid(invalidModelID)
	case !s.mood.Access.sold(m, c.who.Region):
		return m, invalid("Agreement not supported for this model")
	}
	return m, nil
}

// putUseCase answers PutUseCaseForModelAccess.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_PutUseCaseForModelAccess.html
func (s *Server) putUseCase(c controlCall) (map[string]any, *apiError) {
	form, err := base64.StdEncoding.DecodeString(text(c.body["formData"]))
	switch {
	case err != nil || c.body["formData"] == nil:
		return nil, invalid("1 validation error detected: Value null at 'formData' failed to satisfy constraint: Member must not be null")
	case len(form) < 10 || len(form) > 16384:
		return nil, invalid("1 validation error detected: Value at 'formData' failed to satisfy constraint: Member must have length between 10 and 16384, inclusive")
	case !goodForm(form):
		return nil, invalid("Invalid form data")
	}
	s.mood.Access.putForm(c.who.Account, form)
	return map[string]any{}, nil
}

// goodForm checks the fields of the use-case form.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-access.html#model-access-modify
func goodForm(form []byte) bool {
	var fields map[string]string
	decoder := json.NewDecoder(bytes.NewReader(form))
	if decoder.Decode(&fields) != nil {
		return false
	}
	for name, most := range map[string]int{"companyName": 128, "companyWebsite": 128, "industryOption": 128, "useCases": 8192} {
		if fields[name] == "" || len([]rune(fields[name])) > most {
			return false
		}
	}
	return slices.Contains([]string{"0", "1", "2"}, fields["intendedUsers"]) && len([]rune(fields["otherIndustryOption"])) <= 128
}

// getUseCase answers GetUseCaseForModelAccess. An account of which no model waits for a form has sent one.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetUseCaseForModelAccess.html
func (s *Server) getUseCase(c controlCall) (map[string]any, *apiError) {
	form, ok := s.mood.Access.form(c.who.Account)
	switch {
	case ok:
	case s.mood.Access.needsForm() || s.mood.Refuse == "use-case-form":
		return nil, &apiError{Status: http.StatusNotFound, Type: "ResourceNotFoundException",
			Message: "The specified resource Amazon Resource Name (ARN) was not found. Check the Amazon Resource Name (ARN) and try your request again."}
	default:
		form = []byte(`{"companyName":"Sandbox","companyWebsite":"https://example.com","intendedUsers":"0","industryOption":"Software",` +
			`"otherIndustryOption":"","useCases":"Tests."}`)
	}
	return map[string]any{"formData": base64.StdEncoding.EncodeToString(form)}, nil
}
