package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
)

// measured is what one candidate did in one turn of a work, for each request.
type measured struct {
	cpu, user, system time.Duration
	answered          int
}

// taken is what one candidate did in all of its turns.
type taken struct {
	turns   []measured
	mallocs float64 // for each request
}

// each is the mean of a value of the turns, for each request.
func (t *taken) each(f func(measured) time.Duration) float64 {
	sum, answered := 0.0, 0
	for _, m := range t.turns {
		sum += float64(f(m)) * float64(m.answered)
		answered += m.answered
	}
	return sum / float64(answered)
}

// rounds has the candidates take turns, w.turns in each of n rounds: what shares the machine comes and goes within seconds, and the
// shorter the turns, the more of it do all of them have alike.
func rounds(all []*candidate, w *work, n int) (map[string]*taken, error) {
	results := map[string]*taken{}
	for _, c := range all {
		if _, err := closedLoop(c, w, w.least/4); err != nil { // warm
			return nil, fmt.Errorf("%s, %s: %w", w.name, c.name, err)
		}
		mallocs, err := c.process.mallocs()
		if err != nil {
			return nil, err
		}
		results[c.name] = &taken{mallocs: -mallocs}
	}
	turn := *w
	turn.least = w.least / time.Duration(w.turns)
	for i := range n * w.turns {
		for j := range all {
			c := all[(i+j)%len(all)]
			m, err := once(c, &turn)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", w.name, c.name, err)
			}
			results[c.name].turns = append(results[c.name].turns, m)
		}
	}
	for _, c := range all {
		mallocs, err := c.process.mallocs()
		if err != nil {
			return nil, err
		}
		t, answered := results[c.name], 0
		for _, m := range t.turns {
			answered += m.answered
		}
		t.mallocs = (t.mallocs + mallocs) / float64(answered)
	}
	return results, nil
}

func once(c *candidate, w *work) (m measured, err error) {
	before, err := c.process.spent()
	if err != nil {
		return m, err
	}
	answered, err := closedLoop(c, w, w.least)
	if err != nil {
		return m, err
	}
	after, err := c.process.spent()
	each := time.Duration(answered)
	return measured{(after.cpu - before.cpu) / each, (after.user - before.user) / each, (after.system - before.system) / each, answered}, err
}

// median of the values that f takes of a and b of the same round.
func median(n int, f func(i int) float64) float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = f(i)
	}
	slices.Sort(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}

// ratio is the median of the ratios of a's CPU to b's.
func ratio(a, b *taken) float64 {
	return median(len(a.turns), func(i int) float64 { return float64(a.turns[i].cpu) / float64(b.turns[i].cpu) })
}

// honest compares what a candidate sends to Bedrock with what the work says in Converse's words, and fails when it is another thing.
func honest(r *rig, c *candidate, w *work) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.conn.Close() }()
	request, check := c.request(w)
	answer, err := conn.do(request)
	if err != nil {
		return err
	}
	if err := check(answer); err != nil {
		return err
	}
	mock := r.mock1
	if w.stream && c.name == sdkName {
		mock = r.mock2
	}
	got, err := r.ask(mock, http.MethodGet, "/last", nil)
	if err != nil {
		return err
	}
	var sent, want map[string]any
	if err := json.Unmarshal(got, &sent); err != nil {
		return err
	}
	if err := json.Unmarshal(encoded(w.plain), &want); err != nil {
		return err
	}
	delete(sent, "requestMetadata") // whose request it is: outcrop tells Bedrock, the others do not
	if diff := cmp.Diff(any(want), uncached(sent)); diff != "" {
		return fmt.Errorf("it sent another request than meant:\n%s", diff)
	}
	return nil
}

// ask talks to a mock beside the candidates.
func (r *rig) ask(mock *process, method, path string, body []byte) ([]byte, error) {
	trust, err := trusting(r.dir, mock == r.mock2)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: transportTo(trust), CheckRedirect: noRedirect}
	defer client.CloseIdleConnections()
	request, err := http.NewRequest(method, "https://"+mock.address+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	return io.ReadAll(response.Body)
}

const sdkName = "AWS SDK client"

// costs is the first table: what each work costs each candidate.
func costs(r *rig, report *report, o options) error {
	proxy, err := r.proxy(false)
	if err != nil {
		return err
	}
	sdk, err := r.sdk()
	if err != nil {
		return err
	}
	serve, err := r.serve("outcrop serve", way{})
	if err != nil {
		return err
	}
	adapter, err := r.adapter()
	if err != nil {
		return err
	}
	all := []*candidate{proxy, sdk, serve, adapter}
	if o.peers != "" {
		more, err := r.peers(o.peers)
		if err != nil {
			return err
		}
		all = append(all, more...)
	}
	for _, w := range works() {
		if !o.wants(w.name) {
			continue
		}
		w.least = o.least
		for _, c := range []*candidate{sdk, serve, adapter} {
			if err := honest(r, c, w); err != nil {
				return fmt.Errorf("%s, %s: %w", w.name, c.name, err)
			}
		}
		results, err := rounds(all, w, o.rounds)
		if err != nil {
			return err
		}
		report.cost(w, all, results)
		_, _ = fmt.Fprintf(os.Stderr, "%s: serve %.2f of the proxy, %.3f of the SDK\n", w.name, ratio(results[serve.name], results[proxy.name]), ratio(results[serve.name], results[sdk.name]))
	}
	return nil
}

// uncached is a request without the cache points that outcrop places by itself.
func uncached(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = uncached(member)
		}
	case []any:
		kept := v[:0]
		for _, member := range v {
			if block, ok := member.(map[string]any); ok && block["cachePoint"] != nil {
				continue
			}
			kept = append(kept, uncached(member))
		}
		return kept
	}
	return v
}
