package ledgertest

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync/atomic"
	"time"

	"outcrop/internal/journal"
	"outcrop/internal/llm"
	"outcrop/internal/money"
	"outcrop/internal/usage"
)

// Outbox has the first Notes of the entries that Entry makes: the same in every process. What was trimmed is gone.
type Outbox struct {
	Name  string
	Notes int
	// Few gives only some of the notes that there are, now these, now those.
	Few   bool
	reads atomic.Int64
	// Mangle changes notes, nil for none.
	Mangle  func(i int, note []byte) []byte
	Trimmed atomic.Int64 // how many could be forgotten
}

// ID implements journal.Outbox.
func (o *Outbox) ID() string { return o.Name }

// Read implements journal.Outbox.
func (o *Outbox) Read(ctx context.Context, after string, most int) (notes []journal.Note, err error) {
	from := 0
	if after != "" {
		if from, err = strconv.Atoi(after); err != nil {
			return nil, err
		}
	}
	from = max(from, int(o.Trimmed.Load()))
	if o.Few {
		most = 1 + dice(int(o.reads.Add(1)))(97)
	}
	if from >= o.Notes {
		<-ctx.Done()
		return nil, nil
	}
	for i := from; i < min(o.Notes, from+most); i++ {
		e := Entry(i)
		note := usage.AppendNote(nil, &e)
		if o.Mangle != nil {
			note = o.Mangle(i, note)
		}
		notes = append(notes, journal.Note{Position: strconv.Itoa(i + 1), Data: note})
	}
	return notes, nil
}

// Trim implements journal.Outbox.
func (o *Outbox) Trim(_ context.Context, upTo string) error {
	n, err := strconv.ParseInt(upTo, 10, 64)
	for {
		before := o.Trimmed.Load()
		if n <= before || o.Trimmed.CompareAndSwap(before, n) {
			return err
		}
	}
}

// Begin is the hour of the first entries.
func Begin() time.Time { return time.Date(2026, 11, 22, 21, 0, 0, 0, time.UTC) }

// Hours is over how many of them entries are spread.
const Hours = 6

// Entry is one of an endless mixed lot, by its number alone.
func Entry(i int) usage.Entry {
	dice := dice(i)
	e := usage.Entry{
		ID: strconv.Itoa(i), Began: Begin().Add(time.Duration(dice(Hours*3600)) * time.Second), Status: 200, Stream: dice(2) == 0, Attempts: 1,
		Deployment: fmt.Sprintf("model-%d", dice(4)), Model: fmt.Sprintf("eu.maker.model-%d-v1:0", dice(2)), Project: fmt.Sprintf("team-%d", dice(3)),
		Upstream: fmt.Sprintf("account-%d", dice(2)), Region: "eu-central-1", Operation: usage.Chat,
		Finished: time.Duration(dice(20_000)) * time.Millisecond,
	}
	e.FirstToken, e.Waited = e.Finished/4, e.Finished-time.Millisecond
	e.Usage = llm.Usage{Input: dice(5000), Output: dice(2000), Reasoning: dice(100), CacheRead: dice(3) * 1000, CacheWrite: dice(2) * 700}
	e.Usage.CacheWrite1h = e.Usage.CacheWrite / 7
	e.Cost, e.Saved, e.Priced = money.Amount(dice(1<<30)*1001), money.Amount((dice(1<<20)-1<<19)*1_000_003), true
	switch dice(20) {
	case 0:
		e.Failed, e.Kind = true, llm.KindUpstream
	case 1:
		e.Failed, e.Kind = true, llm.KindCanceled
	case 2:
		e.Failed, e.Limited, e.Kind, e.Usage, e.Cost, e.Saved = true, true, llm.KindRateLimited, llm.Usage{}, 0, 0
	case 3:
		e.Failed, e.Throttled, e.Kind, e.Usage, e.Cost, e.Saved = true, true, llm.KindRateLimited, llm.Usage{}, 0, 0
	case 4:
		e.Lost, e.Failed = true, true
	case 5:
		e.Priced, e.Cost, e.Saved = false, 0, 0
	case 6:
		e.Operation, e.Usage.Output, e.Usage.Images = usage.ImageGeneration, 0, 1+dice(4)
	case 7:
		e.Operation, e.Terms.Queries = usage.Rerank, 1+dice(3)
	case 8:
		e.Terms.Tier = "priority"
	case 9:
		e.Instead, e.User = "model-0", "somebody"
	default:
	}
	return e
}

// dice gives numbers below n that follow from a seed.
func dice(seed int) func(n int) int {
	draws := uint64(0)
	return func(n int) int {
		var b [16]byte
		binary.LittleEndian.PutUint64(b[:8], uint64(seed))
		binary.LittleEndian.PutUint64(b[8:], draws)
		draws++
		h := fnv.New64a()
		_, _ = h.Write(b[:]) // a hash never fails to write
		return int(h.Sum64() >> 17 % uint64(n))
	}
}

// one is an outbox whose note of that number is the entry's; those before it are gone.
func one(name string, number int, e *usage.Entry) journal.Outbox {
	return &single{name, number, usage.AppendNote(nil, e)}
}

type single struct {
	name   string
	number int
	note   []byte
}

func (s *single) ID() string { return s.name }

func (s *single) Read(ctx context.Context, after string, _ int) ([]journal.Note, error) {
	if place := strconv.Itoa(s.number); after != place {
		return []journal.Note{{Position: place, Data: s.note}}, nil
	}
	<-ctx.Done()
	return nil, nil
}

func (s *single) Trim(context.Context, string) error { return nil }
