package gateway

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/usage"
)

// Ledger knows what was used and what it cost.
type Ledger interface {
	Usage(ctx context.Context, q usage.Query) (usage.Report, error)
}

// usageMembers are the parameters of a question for usage that are no filters.
func usageMembers() []string { return []string{"from", "to", "group_by", "limit", "format"} }

// usageFilters are the groups that a question may be only about one of.
func usageFilters() []usage.Group {
	return []usage.Group{
		usage.ByProject, usage.ByUser, usage.ByModel, usage.ByDeployment, usage.ByInstead, usage.ByUpstream, usage.ByRegion, usage.ByOperation, usage.ByTier,
	}
}

// handleUsage tells what was used, by what the question wants it told apart.
func (g *Gateway) handleUsage(x *exchange, r *http.Request) error {
	if g.ledger == nil {
		return x.refuse(&llm.Error{
			Kind: llm.KindNotServed, Message: "This server keeps no usage ledger: start it with --data-dir, or with --redis and --postgres.",
		})
	}
	params := r.URL.Query()
	q, err := usageQuery(params, time.Now())
	if err != nil {
		return x.refuse(err)
	}
	report, err := g.ledger.Usage(r.Context(), q)
	if err != nil {
		return x.refuse(&llm.Error{
			Kind: llm.KindServerUnavailable, Message: "The usage ledger cannot be read now: what is used is kept until it can be counted. The log says why.", Err: err,
		})
	}
	if params.Get("format") != "csv" {
		return x.reply(report)
	}
	text, err := usageCSV(&report)
	if err != nil {
		return x.refuse(err)
	}
	x.Header().Set("Content-Type", "text/csv; charset=utf-8")
	return x.send(text)
}

// usageQuery reads the parameters of a question.
func usageQuery(params url.Values, now time.Time) (q usage.Query, err error) {
	for name, values := range params {
		if !slices.Contains(usageMembers(), name) && !isUsageFilter(name) {
			return q, llm.Invalid(name, fmt.Sprintf("%s: there is no such parameter; there are %s, and as filters %s.", name, strings.Join(usageMembers(), ", "), filterNames()))
		}
		if len(values) > 1 {
			return q, llm.Invalid(name, name+": it is there more than once.")
		}
	}
	if q.From, q.To, err = usage.Span(params.Get("from"), params.Get("to"), now); err != nil {
		return q, llm.Invalid("from", "The time that is asked for: "+err.Error()+".")
	}
	groups := "day"
	if params.Has("group_by") {
		groups = params.Get("group_by")
	}
	if q.By, err = usage.ParseGroups(groups); err != nil {
		return q, llm.Invalid("group_by", "group_by: "+err.Error()+".")
	}
	if limit := params.Get("limit"); limit != "" {
		if q.Rows, err = strconv.Atoi(limit); err != nil || q.Rows < 1 || q.Rows > usage.MostRows {
			return q, llm.Invalid("limit", fmt.Sprintf("limit: a number of rows from 1 to %d is expected.", usage.MostRows))
		}
	}
	if format := params.Get("format"); format != "" && format != "csv" && format != "json" {
		return q, llm.Invalid("format", "format: json or csv is expected.")
	}
	for _, group := range usageFilters() {
		if params.Has(group.String()) {
			q.Filters = append(q.Filters, usage.Filter{Group: group, Is: params.Get(group.String())})
		}
	}
	return q, nil
}

func isUsageFilter(name string) bool {
	return slices.ContainsFunc(usageFilters(), func(g usage.Group) bool { return g.String() == name })
}

func filterNames() string {
	names := make([]string, 0, usage.Groups)
	for _, g := range usageFilters() {
		names = append(names, g.String())
	}
	return strings.Join(names, ", ")
}

// usageCSV is a report as a table, whose last line is the total: its first cell is total, unless there are no groups.
func usageCSV(r *usage.Report) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	head := make([]string, 0, len(r.By)+24)
	for _, g := range r.By {
		head = append(head, g.String())
	}
	records := [][]string{append(head, strings.Split(usageColumns, ",")...)}
	for i := range r.Rows {
		records = append(records, usageRecord(r.Rows[i].Keys, &r.Rows[i]))
	}
	if len(r.By) > 0 {
		keys := make([]string, len(r.By))
		keys[0] = "total"
		records = append(records, usageRecord(keys, &r.Total))
	}
	err := w.WriteAll(records)
	return b.Bytes(), err
}

const usageColumns = "requests,errors,limited,canceled,throttled,lost,unpriced,input_tokens,output_tokens,cache_read_tokens,cache_write_tokens,cache_write_1h_tokens," +
	"reasoning_tokens,images,queries,cost,saved,cached_share,average_ms,p50_ms,p95_ms,first_token_ms,overhead_ms"

func usageRecord(keys []string, r *usage.Row) []string {
	record := make([]string, 0, len(keys)+24)
	for _, k := range keys {
		record = append(record, asText(k))
	}
	for _, n := range []int64{
		r.Requests, r.Errors, r.Limited, r.Canceled, r.Throttled, r.Lost, r.Unpriced, r.Input, r.Output, r.CacheRead, r.CacheWrite, r.CacheWrite1h,
		r.Reasoning, r.Images, r.Queries,
	} {
		record = append(record, strconv.FormatInt(n, 10))
	}
	record = append(record, r.Cost.String(), r.Saved.String())
	l := &r.Latency
	for _, f := range []float64{r.CachedShare, l.Average, l.P50, l.P95, l.FirstToken, l.Own} {
		record = append(record, strconv.FormatFloat(f, 'f', -1, 64))
	}
	return record
}

// asText keeps a spreadsheet from taking a name for a formula: names of users are whatever a token says.
func asText(name string) string {
	if name != "" && strings.ContainsRune("=+-@\t\r", rune(name[0])) {
		return "'" + name
	}
	return name
}
