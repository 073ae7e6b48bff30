package llmtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"outcrop/internal/llm"
)

// EmbedSubject is an EmbedModel under test. TestEmbedModel calls New within a synctest bubble, as
// TestChatModel does Subject's.
type EmbedSubject struct {
	New func(t *testing.T) EmbedInstance
	// Most is the most inputs that are asked for at once: more than the model's upstream takes in one
	// call, or than are asked of it side by side. 0 is 10.
	Most int
}

// EmbedInstance is one model and what can be seen of it.
type EmbedInstance struct {
	Model llm.EmbedModel
	// Ask, when it is not nil, changes a request of plain texts into one that the model takes (a Type).
	Ask func(req *llm.EmbedRequest)
	// Fail is a request of several inputs for which the upstream fails, or is slow; nil when it cannot.
	// The faults of streams are not asked for: see EmbedFaults.
	Fail func(f Fault) *llm.EmbedRequest
	// Bad is a request of several inputs of which the model or its upstream refuses the one with that
	// index; nil when there are none such.
	Bad func(index int) *llm.EmbedRequest
	// Open is how many upstream calls the model holds.
	Open func() int
	// Calls, when it is not nil, is how many there have been.
	Calls func() int
}

// EmbedFaults are the faults that must end an Embed with an error. SlowStart, which must not, is apart.
func EmbedFaults() []Fault {
	return []Fault{Refused, Throttled, CutInside, NoOutput}
}

// TestEmbedModel checks the contract of llm.EmbedModel.
func TestEmbedModel(t *testing.T, s EmbedSubject) {
	run := func(name string, check func(t *testing.T, i EmbedInstance)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := s.New(t)
				check(t, i)
				synctest.Wait()
				if n := i.Open(); n != 0 {
					t.Errorf("%d upstream calls are still held", n)
				}
			})
		})
	}
	most := s.Most
	if most == 0 {
		most = 10
	}
	run("the vectors are in the order of the inputs", func(t *testing.T, i EmbedInstance) { inOrder(t, i, most) })
	run("no inputs are no vectors, and no call", withoutInputs)
	run("several requests at once do not mix", func(t *testing.T, i EmbedInstance) { atOnce(t, i, most) })
	run("a request that is canceled before asks nobody", canceledBefore)
	for _, f := range EmbedFaults() {
		run(string(f), func(t *testing.T, i EmbedInstance) {
			if i.Fail != nil {
				embedFails(t, i, i.Fail(f))
			}
		})
	}
	run(string(SlowStart), slowVectors)
	run("canceling ends a slow one", canceledDuring)
	run("an input that is refused is named", badInput)
}

// texts is a request of n different texts.
func (i EmbedInstance) texts(n int) *llm.EmbedRequest {
	req := &llm.EmbedRequest{}
	for k := range n {
		text := fmt.Sprintf("text number %d", k)
		req.Inputs = append(req.Inputs, llm.EmbedInput{Parts: []llm.Part{llm.Text{Text: text}}, At: fmt.Sprintf("input[%d]", k)})
	}
	if i.Ask != nil {
		i.Ask(req)
	}
	return req
}

func (i EmbedInstance) embed(t *testing.T, req *llm.EmbedRequest) *llm.Embeddings {
	t.Helper()
	out, err := i.Model.Embed(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if err := whole(req, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// whole says what is wrong with an answer to a request.
func whole(req *llm.EmbedRequest, out *llm.Embeddings) error {
	if len(out.Vectors) != len(req.Inputs) {
		return fmt.Errorf("%d vectors for %d inputs", len(out.Vectors), len(req.Inputs))
	}
	for k, vector := range out.Vectors {
		if len(vector) == 0 || len(vector) != len(out.Vectors[0]) {
			return fmt.Errorf("vector %d has %d numbers, vector 0 has %d", k, len(vector), len(out.Vectors[0]))
		}
		if !slices.ContainsFunc(vector, func(f float32) bool { return f != 0 }) {
			return fmt.Errorf("vector %d is all zeros", k)
		}
		for _, f := range vector {
			if f64 := float64(f); math.IsNaN(f64) || math.IsInf(f64, 0) {
				return fmt.Errorf("vector %d has %v", k, f)
			}
		}
	}
	if out.Model == "" && len(req.Inputs) > 0 {
		return errors.New("no model")
	}
	return nil
}

// inOrder: of many inputs each gets the vector that it gets alone.
func inOrder(t *testing.T, i EmbedInstance, most int) {
	var alone [][]float32
	for k := range most {
		one := i.texts(most)
		one.Inputs = one.Inputs[k : k+1]
		alone = append(alone, i.embed(t, one).Vectors[0])
	}
	for n := 1; n <= most; n = max(n+1, min(2*n, most)) {
		if got := i.embed(t, i.texts(n)).Vectors; !reflect.DeepEqual(got, alone[:n]) {
			t.Errorf("%d inputs: the vectors are not those of each input alone", n)
		}
	}
	req := i.texts(3)
	slices.Reverse(req.Inputs)
	want := slices.Clone(alone[:3])
	slices.Reverse(want)
	if got := i.embed(t, req).Vectors; !reflect.DeepEqual(got, want) {
		t.Error("inputs in another order: the vectors are not in that order")
	}
	if reflect.DeepEqual(alone[0], alone[1]) {
		t.Error("two texts have one vector")
	}
}

func withoutInputs(t *testing.T, i EmbedInstance) {
	before := i.calls()
	i.embed(t, i.texts(0))
	if n := i.calls() - before; n != 0 {
		t.Errorf("%d calls", n)
	}
}

func (i EmbedInstance) calls() int {
	if i.Calls == nil {
		return 0
	}
	return i.Calls()
}

func atOnce(t *testing.T, i EmbedInstance, most int) {
	all := i.embed(t, i.texts(most)).Vectors
	var work sync.WaitGroup
	for k := range most {
		work.Go(func() {
			req := i.texts(most)
			req.Inputs = req.Inputs[k:]
			out, err := i.Model.Embed(t.Context(), req)
			if err != nil || !reflect.DeepEqual(out.Vectors, all[k:]) {
				t.Errorf("from input %d on: the vectors differ, or %v", k, err)
			}
		})
	}
	work.Wait()
}

func canceledBefore(t *testing.T, i EmbedInstance) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := i.calls()
	out, err := i.Model.Embed(ctx, i.texts(3))
	if out != nil || err == nil || llm.AsError(err).Kind != llm.KindCanceled {
		t.Errorf("got %v, %v", out, err)
	}
	if n := i.calls() - before; n != 0 {
		t.Errorf("%d calls", n)
	}
}

// embedFails checks that a failure is the upstream's, whole, and leaves nothing behind.
func embedFails(t *testing.T, i EmbedInstance, req *llm.EmbedRequest) {
	t.Helper()
	if req == nil {
		return
	}
	out, err := i.Model.Embed(t.Context(), req)
	e, ok := errors.AsType[*llm.Error](err)
	switch {
	case out != nil || err == nil:
		t.Errorf("vectors in spite of the failure, or no error: %v, %v", out, err)
	case !ok || e.Message == "" || e.Kind == llm.KindInternal || e.Kind == llm.KindCanceled:
		t.Errorf("a failure of the upstream reported as %v", err)
	}
}

func slowVectors(t *testing.T, i EmbedInstance) {
	if req := i.slow(); req != nil {
		began := time.Now()
		i.embed(t, req)
		if time.Since(began) < time.Minute {
			t.Error("the upstream was not slow")
		}
	}
}

// slow is a request whose answer takes a minute, or nil.
func (i EmbedInstance) slow() *llm.EmbedRequest {
	if i.Fail == nil {
		return nil
	}
	return i.Fail(SlowStart)
}

func canceledDuring(t *testing.T, i EmbedInstance) {
	req := i.slow()
	if req == nil {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Second, cancel) // the bubble's clock
	began := time.Now()
	out, err := i.Model.Embed(ctx, req)
	if out != nil || err == nil || llm.AsError(err).Kind != llm.KindCanceled {
		t.Errorf("got %v, %v", out, err)
	}
	if time.Since(began) > 2*time.Second {
		t.Error("it went on after it was canceled")
	}
}

func badInput(t *testing.T, i EmbedInstance) {
	if i.Bad == nil {
		return
	}
	for index := range 3 {
		req := i.Bad(index)
		if req == nil {
			continue
		}
		out, err := i.Model.Embed(t.Context(), req)
		e, ok := errors.AsType[*llm.Error](err)
		if out != nil || !ok || e.Kind != llm.KindInvalid || e.Param != req.Inputs[index].At {
			t.Errorf("input %d: got %v, %v; want an error that names %s", index, out, err, req.Inputs[index].At)
		}
	}
}
