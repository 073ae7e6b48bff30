package onboard

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrock"
	"github.com/aws/aws-sdk-go-v2/service/bedrock/types"

	"outcrop/internal/models"
)

// The words for what an account may do with a model.
const (
	AccessAvailable     = "available"
	AccessPending       = "agreement pending"
	AccessAgreement     = "agreement missing"
	AccessForm          = "use-case form missing"
	AccessFailed        = "agreement failed"
	AccessNotEntitled   = "not enabled"
	AccessNotAuthorized = "not authorized"
	AccessNotInRegion   = "not in region"
	AccessProfileNeeded = "profile needed" // and there is none in this region
	AccessProvisioned   = "provisioned throughput only"
	AccessEndOfLife     = "end of life"
	AccessUnknown       = "unknown"
)

// Access is what an account may do with a model.
type Access struct {
	State string `json:"state"` // one of the words above
	// Why says more, "" for nothing: AWS's message, the permission that is missing.
	Why string `json:"why,omitempty"`
	// The four answers of GetFoundationModelAvailability, "" where they are not known.
	Agreement     string `json:"agreement,omitempty"`
	Authorization string `json:"authorization,omitempty"`
	Entitlement   string `json:"entitlement,omitempty"`
	Region        string `json:"region,omitempty"`
}

// advice is what to do about a state that no agreement changes; "" for nothing.
func (a Access) advice() string {
	switch a.State {
	case AccessNotAuthorized:
		return "AWS does not let this account use the model: ask AWS Support, or whoever administers the organization"
	case AccessNotInRegion:
		return "choose another region: outcrop aws models --regions all shows where it is"
	case AccessProvisioned:
		return "buy provisioned throughput for it, or use another model"
	}
	return ""
}

// String is the state in words.
func (a Access) String() string {
	if a.Why == "" {
		return a.State
	}
	return a.State + ": " + a.Why
}

// access asks for the state of each model that can be called by an id.
func (v *regionView) access(ctx context.Context) {
	form := sync.OnceValue(func() formState { return askForm(ctx, v.client) })
	var all sync.WaitGroup
	for i := range v.out.Models {
		m := &v.out.Models[i]
		if m.Access = offline(*m, v.in.Now, v.noProfiles); m.Access.State != "" {
			continue
		}
		all.Go(func() {
			v.questions <- struct{}{}
			m.Access = askAccess(ctx, v.client, m.ID, form)
			<-v.questions
			m.Callable = len(m.Call) > 0 && (m.Access.State == AccessAvailable || m.Access.State == AccessPending)
			v.progress(v.region + ": access to " + m.ID)
		})
	}
	all.Wait()
}

// offline is the state of a model that needs no question; "" where one is needed.
func offline(m ModelHere, now time.Time, noProfiles *Problem) Access {
	end, err := time.Parse(time.DateOnly, m.Lifecycle.EndOfLife)
	switch {
	case err == nil && end.Before(now):
		return Access{State: AccessEndOfLife, Why: "since " + m.Lifecycle.EndOfLife}
	case m.Lifecycle.Status == models.EndOfLife:
		return Access{State: AccessEndOfLife}
	case len(m.Call) > 0:
		return Access{}
	case noProfiles != nil && slices.Contains(m.InferenceTypes, "INFERENCE_PROFILE"):
		return Access{State: AccessProfileNeeded, Why: "which there are is not known: " + noProfiles.Short()}
	case len(m.InferenceTypes) == 1 && m.InferenceTypes[0] == "PROVISIONED":
		return Access{State: AccessProvisioned}
	}
	return Access{State: AccessProfileNeeded, Why: "none reaches it from here"}
}

// askAccess asks AWS about one model.
func askAccess(ctx context.Context, client *bedrock.Client, id string, form func() formState) Access {
	out, err := client.GetFoundationModelAvailability(ctx, &bedrock.GetFoundationModelAvailabilityInput{ModelId: &id})
	if err != nil {
		p := explain(err, call{action: "bedrock:GetFoundationModelAvailability"})
		if p.Kind == ProblemDenied {
			return Access{State: AccessUnknown, Why: "needs " + p.Action}
		}
		return Access{State: AccessUnknown, Why: p.Text}
	}
	a := Access{
		Authorization: string(out.AuthorizationStatus), Entitlement: string(out.EntitlementAvailability), Region: string(out.RegionAvailability),
	}
	message := ""
	if out.AgreementAvailability != nil {
		a.Agreement, message = string(out.AgreementAvailability.Status), aws.ToString(out.AgreementAvailability.ErrorMessage)
	}
	a.State, a.Why = stateOf(a, message), ""
	switch a.State {
	case AccessFailed:
		a.Why = message
	case AccessAgreement:
		if strings.HasPrefix(id, "anthropic.") {
			switch f := form(); {
			case f.missing:
				a.State = AccessForm
			case f.problem != nil:
				a.Why = "or the use-case form; whether it was sent is not known: " + f.problem.Short()
			}
		}
	}
	return a
}

// stateOf puts the four answers into words; the first that stands in the way counts.
func stateOf(a Access, message string) string {
	switch {
	case a.Region == string(types.RegionAvailabilityNotAvailable):
		return AccessNotInRegion
	case a.Authorization == string(types.AuthorizationStatusNotAuthorized):
		return AccessNotAuthorized
	case a.Agreement == string(types.AgreementStatusPending):
		return AccessPending
	case a.Agreement == string(types.AgreementStatusError), a.Agreement == string(types.AgreementStatusNotAvailable) && message != "":
		return AccessFailed
	case a.Agreement == string(types.AgreementStatusNotAvailable):
		return AccessAgreement
	case a.Entitlement == string(types.EntitlementAvailabilityNotAvailable):
		return AccessNotEntitled
	}
	return AccessAvailable
}

// formState is whether an account has sent Anthropic's use-case form.
type formState struct {
	missing bool
	problem *Problem // why it is not known
}

// askForm asks for the form. AWS says that there is no such resource where none was sent.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetUseCaseForModelAccess.html
func askForm(ctx context.Context, client *bedrock.Client) formState {
	_, err := client.GetUseCaseForModelAccess(ctx, nil)
	if err == nil {
		return formState{}
	}
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
		return formState{missing: true}
	}
	return formState{problem: explain(err, call{action: "bedrock:GetUseCaseForModelAccess"})}
}
