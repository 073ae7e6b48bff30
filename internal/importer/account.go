package importer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrock"
	"github.com/aws/aws-sdk-go-v2/service/bedrock/types"

	"outcrop/internal/models"
	"outcrop/internal/onboard"
)

// Offers asks what the account can call in each region: the foundation models that can be called by their own
// id, and the inference profiles of AWS. It needs bedrock:ListFoundationModels and
// bedrock:ListInferenceProfiles.
func Offers(ctx context.Context, account *onboard.Account, regions []string) (map[string]Available, error) {
	out := map[string]Available{}
	for _, region := range regions {
		offers, err := offersOf(ctx, bedrock.NewFromConfig(account.In(region).Config))
		if err != nil {
			return nil, fmt.Errorf("--from account: %s: %w", region, err)
		}
		out[region] = offers
	}
	return out, nil
}

func offersOf(ctx context.Context, client *bedrock.Client) (Available, error) {
	listed, err := client.ListFoundationModels(ctx, &bedrock.ListFoundationModelsInput{})
	if err != nil {
		return nil, err
	}
	out := Available{}
	for _, m := range listed.ModelSummaries {
		if slices.Contains(m.InferenceTypesSupported, types.InferenceTypeOnDemand) {
			out[aws.ToString(m.ModelId)] = true
		}
	}
	pages := bedrock.NewListInferenceProfilesPaginator(client, &bedrock.ListInferenceProfilesInput{TypeEquals: types.InferenceProfileTypeSystemDefined})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, profile := range page.InferenceProfileSummaries {
			if profile.Status == types.InferenceProfileStatusActive {
				out[aws.ToString(profile.InferenceProfileId)] = true
			}
		}
	}
	return out, nil
}

// Authorized takes from the offers what the account may not call: models whose agreement or authorization is
// missing. Where the identity may not ask (bedrock:GetFoundationModelAvailability) nothing is taken. The
// answer says, by base id, what was taken and why.
func Authorized(ctx context.Context, account *onboard.Account, offers map[string]Available, bases []string) map[string]string {
	denied := map[string]string{}
	var lock sync.Mutex
	var group sync.WaitGroup
	tickets := make(chan struct{}, 8)
	for region, offer := range offers {
		client := bedrock.NewFromConfig(account.In(region).Config)
		for _, base := range bases {
			if !offer.has(base) {
				continue
			}
			group.Go(func() {
				tickets <- struct{}{}
				defer func() { <-tickets }()
				why := refused(ctx, client, base)
				if why == "" {
					return
				}
				lock.Lock()
				defer lock.Unlock()
				denied[base] = why
				for id := range offer {
					if of, _ := models.Base(id); of == base {
						delete(offer, id)
					}
				}
			})
		}
	}
	group.Wait()
	return denied
}

func (a Available) has(base string) bool {
	for id := range a {
		if of, _ := models.Base(id); of == base {
			return true
		}
	}
	return false
}

// refused says why the account may not call a model.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetFoundationModelAvailability.html
func refused(ctx context.Context, client *bedrock.Client, base string) string {
	state, err := client.GetFoundationModelAvailability(ctx, &bedrock.GetFoundationModelAvailabilityInput{ModelId: aws.String(base)})
	var why []string
	switch {
	case err != nil:
		return ""
	case state.AgreementAvailability != nil && state.AgreementAvailability.Status != types.AgreementStatusAvailable:
		why = append(why, "its agreement is "+string(state.AgreementAvailability.Status))
	}
	if state.AuthorizationStatus == types.AuthorizationStatusNotAuthorized {
		why = append(why, "the account is not authorized")
	}
	if state.RegionAvailability == types.RegionAvailabilityNotAvailable {
		why = append(why, "it is not available in the region")
	}
	if len(why) == 0 {
		return ""
	}
	return strings.Join(why, ", ") + ": outcrop aws access " + base
}
