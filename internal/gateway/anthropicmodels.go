package gateway

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"outcrop/internal/auth"
	"outcrop/internal/catalog"
	"outcrop/internal/llm"
)

const (
	// claudeModels is how many models a page of Anthropic's listing has unless limit says otherwise, and at most
	// (https://docs.anthropic.com/en/api/models-list).
	claudeModels, mostClaudeModels = 20, 1000
)

// claudeModel is a deployment as Anthropic's Models API shows a model.
type claudeModel struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
	CreatedAt   string `json:"created_at"`
}

type claudePage struct {
	Data    []claudeModel `json:"data"`
	HasMore bool          `json:"has_more"`
	FirstID *string       `json:"first_id"`
	LastID  *string       `json:"last_id"`
}

func newClaudeModel(d *catalog.Deployment) claudeModel {
	created := time.Unix(cmp.Or(d.Info.CreatedAt, createdUnknown), 0).UTC()
	return claudeModel{"model", d.Name, cmp.Or(d.Info.DisplayName, d.Name), created.Format(time.RFC3339)}
}

// handleClaudeModels lists, page by page, what the caller may ask in Anthropic's Messages API.
func (g *Gateway) handleClaudeModels(x *exchange, r *http.Request, caller auth.Caller) error {
	var all []*catalog.Deployment
	for _, d := range g.deployments.List(caller) {
		if g.serves(d, catalog.Messages) {
			all = append(all, d)
		}
	}
	page, more, err := claudePageOf(all, r.URL.Query())
	if err != nil {
		return x.refuse(err)
	}
	out := claudePage{Data: make([]claudeModel, 0, len(page)), HasMore: more}
	for _, d := range page {
		out.Data = append(out.Data, newClaudeModel(d))
	}
	if len(page) > 0 {
		out.FirstID, out.LastID = &page[0].Name, &page[len(page)-1].Name
	}
	return x.reply(out)
}

// claudePageOf is the page that a query asks for, and whether there is more in its direction.
func claudePageOf(all []*catalog.Deployment, query url.Values) (page []*catalog.Deployment, more bool, err error) {
	limit := claudeModels
	if text := query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > mostClaudeModels {
			return nil, false, llm.Invalid("limit", fmt.Sprintf("limit: expected a number from 1 to %d.", mostClaudeModels))
		}
	}
	after, before := query.Get("after_id"), query.Get("before_id")
	if after != "" && before != "" {
		return nil, false, llm.Invalid("after_id", "after_id and before_id exclude each other: give one of them.")
	}
	find := func(param, id string) (int, error) {
		i := slices.IndexFunc(all, func(d *catalog.Deployment) bool { return d.Name == id })
		if i < 0 {
			return 0, llm.Invalid(param, fmt.Sprintf("%s: there is no model %.80q in this list.", param, id))
		}
		return i, nil
	}
	if before != "" {
		i, err := find("before_id", before)
		if err != nil {
			return nil, false, err
		}
		start := max(0, i-limit)
		return all[start:i], start > 0, nil
	}
	if after != "" {
		i, err := find("after_id", after)
		if err != nil {
			return nil, false, err
		}
		all = all[i+1:]
	}
	return all[:min(limit, len(all))], len(all) > limit, nil
}

// handleClaudeModel shows one of them.
func (g *Gateway) handleClaudeModel(x *exchange, r *http.Request, caller auth.Caller) error {
	name := r.PathValue("name")
	d, err := g.listed(x, r, caller, name)
	if err == nil && !g.serves(d, catalog.Messages) {
		err = &llm.Error{Kind: llm.KindNotFound, Message: fmt.Sprintf("The deployment %s is not asked in Anthropic's Messages API. GET /anthropic/v1/models lists those that are.", d.Name)}
	}
	if err != nil {
		return x.refuse(err)
	}
	return x.reply(newClaudeModel(d))
}
