package usage

import (
	"fmt"
	"strings"
	"time"
)

// Group is what the rows of a report are told apart by.
type Group uint8

// The groups. Those of time are UTC's.
const (
	ByMonth Group = iota
	ByDay
	ByHour
	ByDeployment // that was asked for
	ByInstead    // that answered in its place, as its fallback
	ByModel
	ByProject
	ByUser
	ByUpstream
	ByRegion
	ByOperation
	ByTier
	Groups // how many there are
)

// String is the group's name in queries and reports.
func (g Group) String() string {
	if g >= Groups {
		return ""
	}
	return [Groups]string{
		"month", "day", "hour", "deployment", "fallback", "model", "project", "user", "upstream", "region", "operation", "tier",
	}[g]
}

// MarshalText implements encoding.TextMarshaler.
func (g Group) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. The error names the groups that there are.
func (g *Group) UnmarshalText(text []byte) error {
	for known := range Groups {
		if known.String() == string(text) {
			*g = known
			return nil
		}
	}
	return fmt.Errorf("%q is not among %s", text, strings.Join(groupNames(), ", "))
}

func groupNames() (names []string) {
	for g := range Groups {
		names = append(names, g.String())
	}
	return names
}

// ParseGroups reads a list of groups with commas. A group that is there twice counts once.
func ParseGroups(list string) (groups []Group, err error) {
	seen := [Groups]bool{}
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		var g Group
		if err := g.UnmarshalText([]byte(name)); err != nil {
			return nil, err
		}
		if !seen[g] {
			seen[g] = true
			groups = append(groups, g)
		}
	}
	return groups, nil
}

// Bounds of the rows of a report.
const (
	UsualRows = 1000
	MostRows  = 10000
)

// Filter is what a report is only about.
type Filter struct {
	Group Group // none of time
	Is    string
}

// Query asks a ledger. Its sums are of hours: From is rounded down to a whole one, To, which is not part of it, up.
type Query struct {
	From, To time.Time
	By       []Group // in the order of a row's keys; none is one sum of all
	Filters  []Filter
	Rows     int // at most, 0 is UsualRows
}

// usualSpan is what a report is about when nobody says.
const usualSpan = 30 * 24 * time.Hour

// Span reads the two ends of a query: dates of UTC, or times of RFC 3339. An end that is a date is not part of it. ""
// is the end of the hour that runs, or 30 days before the end.
func Span(from, to string, now time.Time) (begin, end time.Time, err error) {
	end = now.UTC().Truncate(time.Hour).Add(time.Hour)
	if to != "" {
		if end, err = parseEnd(to); err != nil {
			return begin, end, fmt.Errorf("to is %w", err)
		}
	}
	begin = end.Add(-usualSpan).Truncate(24 * time.Hour)
	if from != "" {
		if begin, err = parseEnd(from); err != nil {
			return begin, end, fmt.Errorf("from is %w", err)
		}
	}
	if begin = begin.Truncate(time.Hour); end.After(end.Truncate(time.Hour)) {
		end = end.Truncate(time.Hour).Add(time.Hour)
	}
	if !begin.Before(end) {
		return begin, end, fmt.Errorf("from is %s, which is not before to, %s", begin.Format(time.RFC3339), end.Format(time.RFC3339))
	}
	return begin, end, nil
}

func parseEnd(text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q: a date like 2026-11-01 or a time like 2026-11-01T08:00:00Z is expected", text)
}
