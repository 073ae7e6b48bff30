package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"outcrop/internal/usage"
)

// nameGroups are the groups that the columns of names stand for, in their order.
func nameGroups() [names]usage.Group {
	return [names]usage.Group{
		usage.ByDeployment, usage.ByInstead, usage.ByModel, usage.ByProject, usage.ByUser, usage.ByUpstream, usage.ByRegion, usage.ByOperation, usage.ByTier,
	}
}

// column is the one of a group that is no time, or "".
func column(g usage.Group) string {
	for i, known := range nameGroups() {
		if known == g {
			return nameColumns()[i]
		}
	}
	return ""
}

// expression is what a group is in SQL: text. Days and hours are seconds.
func (d dialect) expression(g usage.Group) string {
	switch g {
	case usage.ByMonth:
		return d.month
	case usage.ByDay:
		return "CAST(hour / 86400 * 86400 AS TEXT)"
	case usage.ByHour:
		return "CAST(hour AS TEXT)"
	default:
		return column(g)
	}
}

// Usage tells what was used. What has been used in the last moments may not be part of it yet.
func (l *Ledger) Usage(ctx context.Context, q usage.Query) (r usage.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, stall)
	defer cancel()
	if err := l.prepare(ctx); err != nil {
		return usage.Report{}, err
	}
	q.From, q.To = q.From.UTC().Truncate(time.Hour), q.To.Add(time.Hour-1).UTC().Truncate(time.Hour)
	q.Rows = min(cmp.Or(max(q.Rows, 0), usage.UsualRows), usage.MostRows)
	statement, args, err := l.dialect.selects(q)
	if err != nil {
		return usage.Report{}, err
	}
	rows, err := l.db.QueryContext(ctx, l.dialect.sql(statement), args...)
	if err != nil {
		return usage.Report{}, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	r = usage.Report{From: q.From, To: q.To, By: append([]usage.Group{}, q.By...), Rows: []usage.Row{}}
	for rows.Next() {
		row, total, err := scan(rows, q.By)
		switch {
		case err != nil:
			return usage.Report{}, err
		case total:
			r.Total = row
		case len(r.Rows) == q.Rows:
			r.More = true
		default:
			r.Rows = append(r.Rows, row)
		}
	}
	return r, rows.Err()
}

// selects is the statement of a query: the rows, one more than it wants, and their total, of one moment. What cost most
// comes first, within its time.
func (d dialect) selects(q usage.Query) (statement string, args []any, err error) {
	sumNames := sumColumns()
	var keys, grouped, blank, order, last []string
	for i, g := range q.By {
		if g >= usage.Groups {
			return "", nil, fmt.Errorf("there is no group %d", g)
		}
		k := "k" + strconv.Itoa(i)
		grouped, keys, blank = append(grouped, d.expression(g)+" AS "+k), append(keys, k), append(blank, "''")
		if column(g) == "" {
			order = append(order, k)
		} else {
			last = append(last, k)
		}
	}
	order = append(append(order, "cost_micro DESC", "requests DESC"), last...)
	total := make([]string, 0, columns)
	for _, c := range sumNames {
		total = append(total, "CAST(COALESCE(SUM("+c+"), 0) AS BIGINT) AS "+c)
	}
	where, args, err := filters(q)
	if err != nil {
		return "", nil, err
	}
	inner := "SELECT " + list(grouped, total) + " FROM usage_hours WHERE " + where
	if len(keys) > 0 {
		inner += " GROUP BY " + list(keys)
	}
	all := list(keys, sumNames[:])
	return "WITH sums AS (" + inner + ") SELECT 0 AS part, " + all + " FROM (SELECT " + all + " FROM sums ORDER BY " + list(order) + " LIMIT ?) AS tops" +
		" UNION ALL SELECT 1 AS part, " + list(blank, total) + " FROM sums ORDER BY part, " + list(order), append(args, q.Rows+1), nil
}

func list(parts ...[]string) string {
	var all []string
	for _, p := range parts {
		all = append(all, p...)
	}
	return strings.Join(all, ", ")
}

func filters(q usage.Query) (where string, args []any, err error) {
	where, args = "hour >= ? AND hour < ?", []any{q.From.Unix(), q.To.Unix()}
	for _, f := range q.Filters {
		c := column(f.Group)
		if c == "" {
			return "", nil, fmt.Errorf("%s is no filter", f.Group)
		}
		where += " AND " + c + " = ?"
		args = append(args, short(f.Is))
	}
	return where, args, nil
}

// scan reads a row of the statement.
func scan(rows *sql.Rows, by []usage.Group) (row usage.Row, total bool, err error) {
	var part int
	var s sums
	keys := make([]string, len(by))
	to := []any{&part}
	for i := range keys {
		to = append(to, &keys[i])
	}
	for i := range s {
		to = append(to, &s[i])
	}
	if err := rows.Scan(to...); err != nil {
		return row, false, err
	}
	row = s.row()
	if part == 1 {
		return row, true, nil
	}
	for i, g := range by {
		if keys[i], err = shown(g, keys[i]); err != nil {
			return row, false, err
		}
	}
	if len(keys) > 0 {
		row.Keys = keys
	}
	return row, false, nil
}

// shown is a key as reports have it.
func shown(g usage.Group, k string) (string, error) {
	layout := time.DateOnly
	switch g {
	case usage.ByHour:
		layout = time.RFC3339
	case usage.ByDay:
	default:
		return k, nil
	}
	seconds, err := strconv.ParseInt(k, 10, 64)
	return time.Unix(seconds, 0).UTC().Format(layout), err
}

// row is the sums as a report has them.
func (s *sums) row() usage.Row {
	r := usage.Row{
		Requests: s[requests], Errors: s[errored], Limited: s[limited], Canceled: s[canceled], Throttled: s[throttled], Lost: s[lost], Unpriced: s[unpriced],
		Input: s[input], Output: s[output], CacheRead: s[cacheRead], CacheWrite: s[cacheWrite], CacheWrite1h: s[cacheWrite1h], Reasoning: s[reasoning],
		Images: s[images], Queries: s[queries],
		Cost: usage.Money{Micros: s[costMicro], Picos: s[costPico]}, Saved: usage.Money{Micros: s[savedMicro], Picos: s[savedPico]},
	}
	r.CachedShare = part(s[cacheRead], s[input]+s[cacheRead]+s[cacheWrite], 1, 4)
	buckets := [usage.LatencyBounds + 1]int64(s[took:])
	timed := int64(0)
	for _, n := range buckets {
		timed += n
	}
	r.Latency = usage.Latency{
		Average: part(s[duration], timed, 1e-3, 3), FirstToken: part(s[first], s[firsts], 1e-3, 3), Own: part(s[own], timed, 1e-3, 3),
		P50: round(usage.Percentile(buckets, 50), 3), P95: round(usage.Percentile(buckets, 95), 3),
	}
	return r
}

// part is n of d in some unit, to so many digits.
func part(n, d int64, unit float64, digits int) float64 {
	if d == 0 {
		return 0
	}
	return round(float64(n)*unit/float64(d), digits)
}

func round(f float64, digits int) float64 {
	shift := math.Pow10(digits)
	return math.Round(f*shift) / shift
}
