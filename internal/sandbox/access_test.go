package sandbox

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrock"
	"github.com/aws/aws-sdk-go-v2/service/bedrock/types"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	runtime "github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	smithy "github.com/aws/smithy-go"
)

const (
	haikuID   = "anthropic.claude-haiku-4-5-20251001-v1:0"
	rerankID  = "cohere.rerank-v3-5:0"
	mistralID = "mistral.mistral-large-2402-v1:0"
	plainForm = `{"companyName":"Acme","companyWebsite":"https://acme.example","intendedUsers":"0","industryOption":"Software","otherIndustryOption":"","useCases":"Tests."}`
)

// account is one account as AWS's own clients see it.
type account struct {
	control *bedrock.Client
	runtime *bedrockruntime.Client
}

func newAccount(t *testing.T, region string, o Options) account {
	t.Helper()
	cfg := awsConfig(serve(t, o), sandboxKey)
	cfg.Region = region
	return account{bedrock.NewFromConfig(cfg), bedrockruntime.NewFromConfig(cfg)}
}

// availability is the four fields of GetFoundationModelAvailability in a line.
func (a account) availability(t *testing.T, id string) string {
	t.Helper()
	out, err := a.control.GetFoundationModelAvailability(t.Context(), &bedrock.GetFoundationModelAvailabilityInput{ModelId: &id})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join([]string{string(out.AgreementAvailability.Status), string(out.AuthorizationStatus), string(out.EntitlementAvailability), string(out.RegionAvailability)}, " ")
}

// agree makes the agreement of the model's first offer.
func (a account) agree(t *testing.T, id string) error {
	t.Helper()
	offers, err := a.control.ListFoundationModelAgreementOffers(t.Context(), &bedrock.ListFoundationModelAgreementOffersInput{ModelId: &id, OfferType: types.OfferTypeAll})
	if err != nil {
		return err
	}
	_, err = a.control.CreateFoundationModelAgreement(t.Context(), &bedrock.CreateFoundationModelAgreementInput{ModelId: &id, OfferToken: offers.Offers[0].OfferToken})
	return err
}

// call is the error type of one Converse, "" for none.
func (a account) call(t *testing.T, id string) string {
	t.Helper()
	_, err := a.runtime.Converse(t.Context(), &bedrockruntime.ConverseInput{ModelId: &id, Messages: []runtime.Message{{
		Role: runtime.ConversationRoleUser, Content: []runtime.ContentBlock{&runtime.ContentBlockMemberText{Value: "Hello!"}},
	}}})
	return errorCode(err)
}

func errorCode(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

const (
	allWell   = "AVAILABLE AUTHORIZED AVAILABLE AVAILABLE"
	noneYet   = "NOT_AVAILABLE AUTHORIZED NOT_AVAILABLE AVAILABLE"
	inTheWork = "PENDING AUTHORIZED AVAILABLE AVAILABLE"
)

// The way of a Claude model in a new account: form, agreement, waiting, calling.
func TestAccessFormThenAgreement(t *testing.T) {
	a := newAccount(t, "us-east-1", Options{Access: []string{"anthropic=form"}})
	profile := "us." + haikuID
	if got := a.call(t, profile); got != "ResourceNotFoundException" || a.availability(t, haikuID) != noneYet {
		t.Errorf("without the form: %q, %s", got, a.availability(t, haikuID))
	}
	if got := errorCode(a.agree(t, haikuID)); got != "ResourceNotFoundException" {
		t.Errorf("an agreement without the form: %q", got)
	}
	if _, err := a.control.GetUseCaseForModelAccess(t.Context(), nil); errorCode(err) != "ResourceNotFoundException" {
		t.Errorf("the form before: %v", err)
	}
	_, err := a.control.PutUseCaseForModelAccess(t.Context(), &bedrock.PutUseCaseForModelAccessInput{FormData: []byte(`{"companyName":"Acme","intendedUsers":"everybody"}`)})
	if errorCode(err) != "ValidationException" || !strings.Contains(err.Error(), "Invalid form data") {
		t.Errorf("a bad form: %v", err)
	}
	if _, err = a.control.PutUseCaseForModelAccess(t.Context(), &bedrock.PutUseCaseForModelAccessInput{FormData: []byte(plainForm)}); err != nil {
		t.Fatal(err)
	}
	if form, err := a.control.GetUseCaseForModelAccess(t.Context(), nil); err != nil || string(form.FormData) != plainForm {
		t.Errorf("the form after: %v %v", form, err)
	}
	if got := a.call(t, profile); got != "AccessDeniedException" {
		t.Errorf("with the form alone: %q", got)
	}
	if err := a.agree(t, haikuID); err != nil {
		t.Fatal(err)
	}
	if got := a.call(t, profile); got != "" {
		t.Errorf("while the agreement is pending: %q", got)
	}
	for i := range agreementAsked {
		if got := a.availability(t, haikuID); got != inTheWork {
			t.Errorf("question %d: %s", i, got)
		}
	}
	if got := a.availability(t, haikuID); got != allWell {
		t.Errorf("after that: %s", got)
	}
	if got := errorCode(a.agree(t, haikuID)); got != "ConflictException" {
		t.Errorf("twice: %q", got)
	}
	if got := a.availability(t, "anthropic.claude-opus-4-1-20250805-v1:0"); got != noneYet {
		t.Errorf("another model: %s", got)
	}
}

// An agreement can be given up, and a model that was available is none then.
func TestAccessDeleteAgreement(t *testing.T) {
	a := newAccount(t, "us-east-1", Options{})
	if _, err := a.control.DeleteFoundationModelAgreement(t.Context(), &bedrock.DeleteFoundationModelAgreementInput{ModelId: aws.String(haikuID)}); err != nil {
		t.Fatal(err)
	}
	if got := a.call(t, "us."+haikuID); got != "AccessDeniedException" || a.availability(t, haikuID) != noneYet {
		t.Errorf("%q, %s", got, a.availability(t, haikuID))
	}
	_, err := a.control.DeleteFoundationModelAgreement(t.Context(), &bedrock.DeleteFoundationModelAgreementInput{ModelId: aws.String(haikuID)})
	if errorCode(err) != "ResourceNotFoundException" {
		t.Errorf("twice: %v", err)
	}
	if got := errorCode(a.agree(t, "amazon.nova-lite-v1:0")); got != "ValidationException" {
		t.Errorf("a model that is not sold: %q", got)
	}
}

func TestAccessStates(t *testing.T) {
	for _, c := range []struct {
		access       []string
		availability string
		calls        []string // types of errors, in order
	}{
		{[]string{"mistral=available"}, allWell, []string{""}},
		{[]string{"mistral=agreement"}, noneYet, []string{"AccessDeniedException"}},
		{[]string{"mistral=no-marketplace"}, noneYet, []string{"AccessDeniedException"}},
		{[]string{"mistral=pending"}, inTheWork, []string{"", ""}},
		{[]string{"mistral=failed"}, "ERROR AUTHORIZED NOT_AVAILABLE AVAILABLE", []string{"AccessDeniedException"}},
		{[]string{"mistral=not-authorized"}, "AVAILABLE NOT_AUTHORIZED AVAILABLE AVAILABLE", []string{"AccessDeniedException"}},
		{[]string{"mistral=not-in-region"}, "AVAILABLE AUTHORIZED AVAILABLE NOT_AVAILABLE", []string{"ValidationException"}},
		{[]string{"*=agreement", mistralID + "=available"}, allWell, []string{""}},
		{[]string{"mistral@eu-west-1=agreement"}, allWell, []string{""}},
		{[]string{"mistral@us-east-1=agreement", "mistral=available"}, noneYet, []string{"AccessDeniedException"}},
		{[]string{"*@eu-west-1=scp"}, allWell, []string{""}},
	} {
		a := newAccount(t, "us-east-1", Options{Access: c.access})
		if got := a.availability(t, mistralID); got != c.availability {
			t.Errorf("%v: %s, want %s", c.access, got, c.availability)
		}
		for i, want := range c.calls {
			if got := a.call(t, mistralID); got != want {
				t.Errorf("%v: call %d: %q, want %q", c.access, i, got, want)
			}
		}
	}
}

// The first call of a third-party model may succeed while the subscription in the background fails.
func TestTrap10FirstCallSucceedsLaterOnesAreDenied(t *testing.T) {
	a := newAccount(t, "us-east-1", Options{Access: []string{"mistral=first-call"}})
	if got := a.availability(t, mistralID); got != noneYet {
		t.Errorf("before: %s", got)
	}
	if first, second := a.call(t, mistralID), a.call(t, mistralID); first != "" || second != "AccessDeniedException" {
		t.Errorf("%q, then %q", first, second)
	}
	if got := a.availability(t, mistralID); got != "ERROR AUTHORIZED NOT_AVAILABLE AVAILABLE" {
		t.Errorf("after: %s", got)
	}
	if err := a.agree(t, mistralID); err != nil || a.call(t, mistralID) != "" {
		t.Errorf("an agreement does not help: %v", err)
	}
}

func TestAccessPendingEndsWithTime(t *testing.T) {
	begin := time.Now()
	now := begin
	book, err := newAccessBook([]string{"cohere=pending"}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	if got := book.state("1", rerankID, "us-east-1"); got != accessPending {
		t.Errorf("at first %s", got)
	}
	now = begin.Add(agreementTakes)
	if got := book.state("1", rerankID, "us-east-1"); got != accessAvailable {
		t.Errorf("later %s", got)
	}
}

// A region that an organization has closed, and an account that has no Bedrock, say so everywhere.
func TestAccessOfWholeAccount(t *testing.T) {
	for state, want := range map[string]string{
		accessSCP:       "explicit deny in a service control policy",
		accessNoBedrock: "Operation not allowed",
	} {
		a := newAccount(t, "eu-west-1", Options{Access: []string{"*@eu-west-1=" + state}})
		_, err := a.control.ListFoundationModels(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", state, err)
		}
		if got := a.call(t, mistralID); got == "" {
			t.Errorf("%s: a call succeeds", state)
		}
	}
}

// An offer is what the catalogue knows of prices, with terms.
func TestAgreementOffers(t *testing.T) {
	a := newAccount(t, "us-east-1", Options{})
	out, err := a.control.ListFoundationModelAgreementOffers(t.Context(), &bedrock.ListFoundationModelAgreementOffersInput{ModelId: aws.String(haikuID)})
	if err != nil {
		t.Fatal(err)
	}
	terms := out.Offers[0].TermDetails
	if *terms.LegalTerm.Url == "" || *terms.SupportTerm.RefundPolicyDescription == "" || len(terms.UsageBasedPricingTerm.RateCard) < 2 ||
		*terms.UsageBasedPricingTerm.RateCard[0].Price != "1" {
		t.Errorf("%+v", terms)
	}
	bad := "nonsense"
	_, err = a.control.CreateFoundationModelAgreement(t.Context(), &bedrock.CreateFoundationModelAgreementInput{ModelId: aws.String(haikuID), OfferToken: &bad})
	if errorCode(err) != "ValidationException" {
		t.Errorf("a token of no offer: %v", err)
	}
}

func TestNewRefusesBadAccess(t *testing.T) {
	for rule, want := range map[string]string{
		"anthropic": "is not MODEL=STATE", "anthropic=maybe": "no state; known are available, form", "anthropic=scp": "state of the whole account",
	} {
		if _, err := New(Options{Access: []string{rule}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", rule, err)
		}
	}
}
