package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"outcrop/internal/llm"
	"outcrop/internal/usage"
)

// names are the columns of text that rows are told apart by.
const names = 9

func nameColumns() [names]string {
	return [names]string{"deployment", "instead", "model", "project", "username", "upstream", "region", "operation", "tier"}
}

// key is what a row is the sum of.
type key struct {
	hour  int64
	names [names]string
}

// The sums of a row; those of latencies come after them.
const (
	requests = iota
	errored
	limited
	canceled
	throttled
	lost
	priced
	unpriced
	input
	output
	cacheRead
	cacheWrite
	cacheWrite1h
	reasoning
	images
	queries
	costMicro
	costPico
	savedMicro
	savedPico
	duration
	own
	first
	firsts
	took

	columns = took + usage.LatencyBounds + 1
)

func sumColumns() (all [columns]string) {
	copy(all[:], []string{
		"requests", "errors", "limited", "canceled", "throttled", "lost", "priced", "unpriced", "input", "output", "cache_read", "cache_write",
		"cache_write_1h", "reasoning", "images", "queries", "cost_micro", "cost_pico", "saved_micro", "saved_pico", "duration_us", "own_us", "first_us", "firsts",
	})
	for i := range usage.LatencyBounds + 1 {
		all[took+i] = fmt.Sprintf("took_%d", i)
	}
	return all
}

// sums are a row's.
type sums [columns]int64

// batch is the sums of some notes.
type batch map[key]*sums

func (b batch) add(e *usage.Entry) {
	k := keyOf(e)
	s := b[k]
	if s == nil {
		s = &sums{}
		b[k] = s
	}
	s.add(e)
}

const (
	hourSeconds = 3600
	lastSecond  = 253402300799 // of the year 9999
)

func keyOf(e *usage.Entry) key {
	at := min(max(e.Began.Unix(), 0), lastSecond)
	k := key{hour: at - at%hourSeconds, names: [names]string{
		e.Deployment, e.Instead, e.Model, e.Project, e.User, e.Upstream, e.Region, e.Operation.String(), e.Terms.Tier,
	}}
	for i, name := range k.names {
		k.names[i] = short(name)
	}
	return k
}

// longestName is how long a name may be, in bytes: PostgreSQL's index takes rows of 2704.
const longestName = 240

// short is a name as both databases take it: one that is longer is told apart by a hash.
func short(name string) string {
	if len(name) <= longestName && utf8.ValidString(name) && strings.IndexByte(name, 0) < 0 {
		return name
	}
	whole := fnv.New64a()
	_, _ = whole.Write([]byte(name)) // a hash never fails to write
	name = strings.ReplaceAll(strings.ToValidUTF8(name[:min(len(name), longestName-20)], ""), "\x00", "")
	return fmt.Sprintf("%s~%016x", name, whole.Sum64())
}

// most bounds a number of one note, so that no sum overflows for what an upstream makes up.
const most = 1 << 40

func bounded(n int) int64 { return min(max(int64(n), 0), most) }

func micros(d time.Duration) int64 { return min(max(d.Microseconds(), 0), most) }

func flag(set bool) int64 {
	if set {
		return 1
	}
	return 0
}

func (s *sums) add(e *usage.Entry) {
	gone := e.Failed && e.Kind == llm.KindCanceled
	u := &e.Usage
	cost, saved := usage.MoneyOf(e.Cost), usage.MoneyOf(e.Saved)
	used := *u != llm.Usage{} || e.Terms.Queries > 0
	for i, n := range [took]int64{
		requests: 1, errored: flag(e.Failed && !e.Limited && !gone), limited: flag(e.Limited), canceled: flag(gone), throttled: flag(e.Throttled),
		lost: flag(e.Lost), priced: flag(e.Priced), unpriced: flag(!e.Priced && used),
		input: bounded(u.Input), output: bounded(u.Output), cacheRead: bounded(u.CacheRead), cacheWrite: bounded(u.CacheWrite),
		cacheWrite1h: bounded(u.CacheWrite1h), reasoning: bounded(u.Reasoning), images: bounded(u.Images), queries: bounded(e.Terms.Queries),
		costMicro: cost.Micros, costPico: cost.Picos, savedMicro: saved.Micros, savedPico: saved.Picos,
	} {
		s[i] += n
	}
	if e.Failed || e.Limited || e.Lost {
		return // how long it took says nothing of others
	}
	s[duration] += micros(e.Finished)
	s[own] += micros(e.Finished - e.Waited)
	s[took+usage.Bucket(e.Finished)]++
	if e.Stream && e.FirstToken > 0 {
		s[first] += micros(e.FirstToken)
		s[firsts]++
	}
}

// apply adds the sums to those of the database, in an order that is everybody's, so that nobody waits for one who waits.
func (b batch) apply(ctx context.Context, tx *sql.Tx, d dialect) (err error) {
	if len(b) == 0 {
		return nil
	}
	keys := make([]key, 0, len(b))
	for k := range b {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.hour, b.hour), slices.Compare(a.names[:], b.names[:]))
	})
	statement, err := tx.PrepareContext(ctx, d.sql(upsert()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, statement.Close()) }()
	args := make([]any, 0, 1+names+columns)
	for _, k := range keys {
		args = append(args[:0], k.hour)
		for _, name := range k.names {
			args = append(args, name)
		}
		for _, n := range b[k] {
			args = append(args, n)
		}
		if _, err := statement.ExecContext(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// upsert adds sums to a row, which it makes if need be.
func upsert() string {
	keys, values := nameColumns(), sumColumns()
	keyList := "hour, " + strings.Join(keys[:], ", ")
	added := make([]string, 0, columns)
	for _, c := range values {
		added = append(added, c+" = usage_hours."+c+" + excluded."+c)
	}
	return "INSERT INTO usage_hours (" + keyList + ", " + strings.Join(values[:], ", ") + ") VALUES (?" + strings.Repeat(", ?", names+columns) +
		") ON CONFLICT (" + keyList + ") DO UPDATE SET " + strings.Join(added, ", ")
}
