package doctor

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas/types"

	"outcrop/internal/bedrock"
	"outcrop/internal/models"
)

// soon is how long before a model's end somebody should choose another.
const soon = 90 * 24 * time.Hour

// outlook says where the prompts of a deployment go, and how long its model lives.
func (e *Env) outlook(ctx context.Context, m *Model) []Finding {
	if m.Model == nil {
		return nil
	}
	return append(e.destinations(ctx, m), e.life(ctx, m)...)
}

// profile is the answer of GetInferenceProfile.
type profile struct {
	Models []struct {
		ModelArn string `json:"modelArn"`
	} `json:"models"`
}

// destinations are the regions that a call may be processed in.
func (e *Env) destinations(ctx context.Context, m *Model) []Finding {
	geo := geoOf(m.ID)
	here := m.Upstream.Region
	if geo == "" && !strings.Contains(m.ID, "inference-profile/") {
		return []Finding{{Code: "DEST-000", Subject: m.Deployment, Message: "prompts are processed in " + here + " only"}}
	}
	var p profile
	err := m.Upstream.Client.Control(ctx, "/inference-profiles/"+url.PathEscape(m.ID), &p)
	var regions []string
	for _, x := range p.Models {
		if parts := strings.SplitN(x.ModelArn, ":", 6); len(parts) == 6 && !slices.Contains(regions, parts[3]) {
			regions = append(regions, parts[3])
		}
	}
	var out []Finding
	if err != nil {
		out = append(out, unlooked(m, geo, err))
		if regions = models.Destinations(geo, here); geo == "" {
			return out
		}
	}
	if slices.Contains(regions, "") {
		return append(out, Finding{
			Code: "DEST-001", Severity: Info, Subject: m.Deployment, Message: "prompts may be processed in any commercial region of AWS (global profile)",
			Remedy: "if that may not be, use a profile of one geography: outcrop aws models --region " + here,
		})
	}
	slices.Sort(regions)
	return append(out, Finding{Code: "DEST-000", Subject: m.Deployment, Message: "prompts may be processed in " + strings.Join(regions, ", ")})
}

// unlooked says why a profile's regions are not known, and what to add where it is a permission.
func unlooked(m *Model, geo string, err error) Finding {
	f := Finding{Code: "DEST-002", Severity: Info, Subject: m.Deployment, Message: "the profile's regions could not be looked up: " + reason(err), Remedy: "ignore it, or run outcrop doctor again later"}
	if geo != "" {
		f.Message = "the profile's regions could not be looked up, those of its geography are told: " + reason(err)
	}
	if r, _ := bedrock.RefusalOf(err); r.Code == "AccessDeniedException" && !strings.Contains(r.Message, "explicit deny") {
		f.Remedy = "allow bedrock:GetInferenceProfile, or ignore it"
		f.Statements, f.In = allow("bedrock:GetInferenceProfile", "*"), "the caller's policy"
	}
	return f
}

// details is the answer of GetFoundationModel.
type details struct {
	ModelDetails struct {
		ModelLifecycle struct {
			Status        string     `json:"status"`
			EndOfLifeTime *time.Time `json:"endOfLifeTime"`
		} `json:"modelLifecycle"`
	} `json:"modelDetails"`
}

// life is how long AWS serves the model: what AWS says now, else what the catalogue knows.
func (e *Env) life(ctx context.Context, m *Model) []Finding {
	base := m.Model.Base()
	if base == "" {
		return nil
	}
	var status string
	var end time.Time
	if known, ok := e.Catalogue.Family(base); ok {
		status = known.Lifecycle.Status
		if day, err := time.Parse(time.DateOnly, known.Lifecycle.EOL); err == nil {
			end = day
		}
	}
	var d details
	if m.Model.Surface() != bedrock.SurfaceMantle && m.Upstream.Client.Control(ctx, "/foundation-models/"+url.PathEscape(base), &d) == nil {
		if life := d.ModelDetails.ModelLifecycle; life.Status != "" {
			status = life.Status
			if life.EndOfLifeTime != nil {
				end = *life.EndOfLifeTime
			}
		}
	}
	remedy := "outcrop aws models lists the others of the vendor; outcrop config import writes the deployment"
	switch left := end.Sub(e.Now()); {
	case !end.IsZero() && left < soon && left > 0:
		return []Finding{{Code: "LIFE-001", Severity: Warning, Subject: m.Deployment, Message: fmt.Sprintf("AWS serves %s until %s, %s more", base, end.Format(time.DateOnly), brief(left)), Remedy: remedy}}
	case status == models.Legacy:
		words := base + " is marked as legacy"
		if !end.IsZero() {
			words += " and ends on " + end.Format(time.DateOnly)
		}
		return []Finding{{Code: "LIFE-002", Severity: Info, Subject: m.Deployment, Message: words, Remedy: remedy}}
	}
	return nil
}

// quotas are those of the models of an upstream. https://docs.aws.amazon.com/bedrock/latest/userguide/quotas.html
func (e *Env) quotas(ctx context.Context, u *Upstream) []Finding {
	cfg, err := e.sdk(u)
	if err != nil {
		return nil
	}
	client := servicequotas.NewFromConfig(cfg)
	var all []types.ServiceQuota
	pages := servicequotas.NewListServiceQuotasPaginator(client, &servicequotas.ListServiceQuotasInput{ServiceCode: aws.String("bedrock"), MaxResults: aws.Int32(100)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return []Finding{{
				Code: "QUOTA-002", Severity: Skipped, Subject: u.Name, Message: "the quotas could not be read: " + rootCause(err),
				Remedy: "allow it, or ignore it", Statements: allow("servicequotas:ListServiceQuotas", "*"), In: "the caller's policy",
			}}
		}
		all = append(all, page.Quotas...)
	}
	var out []Finding
	for _, m := range e.Models {
		if m.Upstream == u && m.Model != nil {
			out = append(out, e.quota(m, all)...)
		}
	}
	return out
}

// quota is what a deployment may do in a minute.
func (e *Env) quota(m *Model, all []types.ServiceQuota) []Finding {
	known, ok := e.Catalogue.Family(m.Model.Base())
	if !ok {
		return nil
	}
	kind := map[string]string{"": "On-demand", "global": "Global cross-region"}
	prefix, special := kind[geoOf(m.ID)]
	if !special {
		prefix = "Cross-region"
	}
	var told, also []string // of the model, and of versions of it
	for _, q := range all {
		name := aws.ToString(q.QuotaName)
		rest, ok := strings.CutPrefix(strings.ToLower(name), strings.ToLower(prefix)+" model inference ")
		what, model, found := strings.Cut(rest, " per minute for ")
		same, exact := sameModel(model, known)
		if !ok || !found || !same {
			continue
		}
		value := aws.ToFloat64(q.Value)
		if value == 0 {
			return []Finding{{
				Code: "QUOTA-001", Severity: Warning, Subject: m.Deployment, Message: fmt.Sprintf("the account may use 0 %s per minute of it (%s)", what, name),
				Remedy: "aws service-quotas request-service-quota-increase --service-code bedrock --quota-code " + aws.ToString(q.QuotaCode) + " --desired-value N",
			}}
		}
		list := &also
		if exact {
			list = &told
		}
		if text := fmt.Sprintf("%.0f %s", value, what); !slices.Contains(*list, text) {
			*list = append(*list, text)
		}
	}
	if len(told) == 0 {
		if told = also; len(told) == 0 {
			return nil
		}
	}
	return []Finding{{Code: "QUOTA-000", Subject: m.Deployment, Message: strings.Join(told, " and ") + " per minute, for the whole account in " + m.Upstream.Region}}
}

// sameModel compares a quota's name of a model with the catalogue's, which have other blanks and dots; a
// quota may name a version that the catalogue's name lacks.
func sameModel(quota string, m *models.Model) (same, exact bool) {
	plain := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, strings.ToLower(s))
	}
	name, version := plain(quota), plain(m.Name)
	maker, _, _ := strings.Cut(m.Provider, " ")
	name = strings.TrimPrefix(name, plain(maker))
	version = strings.TrimPrefix(version, plain(maker))
	rest, ok := strings.CutPrefix(name, version)
	return ok && (rest == "" || rest[0] == 'v'), ok && rest == ""
}
