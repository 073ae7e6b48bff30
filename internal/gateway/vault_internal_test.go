package gateway

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
	"outcrop/internal/llm/llmtest"
)

func mustVault(t *testing.T, limits vaultLimits) *vault {
	t.Helper()
	v, err := newVault(limits)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func lead(text string) thinking {
	return thinking{Lead: []llm.Reasoning{{Text: text, Signature: "s"}, {Redacted: []byte{0, 1}}}}
}

func TestVaultForgetsWhatNobodyAsksFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := mustVault(t, usualVaultLimits())
		mine := owner{"team-a", "m"}
		v.put(mine, "used", lead("a"))
		v.put(mine, "idle", lead("b"))
		for range 5 {
			time.Sleep(40 * time.Minute)
			if got, ok := v.get(mine, "used"); !ok || cmp.Diff(lead("a"), got) != "" {
				t.Fatalf("got %+v, %t", got, ok)
			}
		}
		if _, ok := v.get(mine, "idle"); ok || len(v.entries) != 1 {
			t.Errorf("%d entries are left", len(v.entries))
		}
		time.Sleep(time.Hour)
		if _, ok := v.get(mine, "used"); ok || v.bytes != 0 || v.order.Len() != 0 || len(v.entries) != 0 {
			t.Errorf("%d bytes, %d entries are left", v.bytes, len(v.entries))
		}
	})
}

func TestVaultIsBounded(t *testing.T) {
	mine := owner{"team-a", "m"}
	few := mustVault(t, vaultLimits{entries: 3, bytes: 1 << 20, entry: 1 << 10, lifetime: time.Hour})
	for i := range 5 {
		few.put(mine, fmt.Sprint(i), lead("x"))
		few.get(mine, "0")
	}
	for id, want := range map[string]bool{"0": true, "1": false, "2": false, "3": true, "4": true} {
		if _, ok := few.get(mine, id); ok != want {
			t.Errorf("entry %s is there: %t", id, ok)
		}
	}
	few.put(mine, "large", lead(strings.Repeat("x", 1<<10)))
	if _, ok := few.get(mine, "large"); ok {
		t.Error("an entry that is too large was kept")
	}

	small := mustVault(t, vaultLimits{entries: 1000, bytes: 10 << 10, entry: 4 << 10, lifetime: time.Hour})
	for i := range 20 {
		small.put(mine, fmt.Sprint(i%7), lead(strings.Repeat("x", 3<<10)))
		if small.bytes > 10<<10 || small.order.Len() != len(small.entries) {
			t.Fatalf("%d bytes in %d entries", small.bytes, len(small.entries))
		}
	}
	if _, ok := small.get(mine, fmt.Sprint(19%7)); !ok {
		t.Error("the youngest entry is gone")
	}
}

func TestVaultHoldsNothingReadable(t *testing.T) {
	v := mustVault(t, usualVaultLimits())
	mine := owner{"team-a", "m"}
	v.put(mine, "call", lead("hunter2"))
	v.put(mine, "twin", lead("hunter2"))
	var sealed [][]byte
	for _, element := range v.entries {
		entry := element.Value.(vaultEntry)
		if bytes.Contains(entry.sealed, []byte("hunter2")) {
			t.Error("an entry is readable")
		}
		sealed = append(sealed, entry.sealed)
	}
	if bytes.Equal(sealed[0][:12], sealed[1][:12]) {
		t.Error("two entries share a nonce")
	}
	// An entry that got to another's place cannot be opened there.
	other := owner{"team-b", "m"}
	v.put(other, "call", lead("theirs"))
	mineAt, otherAt := v.entries[mine.key("call")], v.entries[other.key("call")]
	stolen := otherAt.Value.(vaultEntry)
	stolen.sealed = mineAt.Value.(vaultEntry).sealed
	otherAt.Value = stolen
	if got, ok := v.get(other, "call"); ok {
		t.Errorf("another caller got %+v", got)
	}
	for _, o := range []owner{{"team-a", "n"}, {"team", "-am"}, {"", "team-am"}, {"team-a\",\"m", ""}} {
		if _, ok := v.get(o, "call"); ok {
			t.Errorf("%+v got the thinking of %+v", o, mine)
		}
	}
}

// TestRememberingChoices: every choice's calls have that choice's thinking, and a choice that did not
// end with its calls leaves nothing.
func TestRememberingChoices(t *testing.T) {
	signed := func(text string) []llm.Event {
		return []llm.Event{llm.ReasoningDelta{Text: text}, llm.ReasoningDelta{Signature: "s" + text}}
	}
	var events []llm.Event
	add := func(e ...llm.Event) { events = append(events, e...) }
	add(llm.Start{}, llm.Choice{Index: 1})
	add(signed("one")...)
	add(llm.Choice{Index: 0})
	add(signed("zero")...)
	add(&llm.TextDelta{Text: "Hm."})
	add(signed("later")...)
	add(llm.ToolCallStart{Index: 0, ID: "a"}, llm.Choice{Index: 1}, llm.ToolCallStart{Index: 0, ID: "b"}, llm.ToolCallStart{Index: 1, ID: "c"})
	add(llm.Finish{Reason: llm.FinishToolCalls}, llm.Choice{Index: 2})
	add(signed("two")...)
	add(llm.ToolCallStart{Index: 0, ID: "cut"}, llm.Finish{Reason: llm.FinishLength}, llm.Choice{Index: 0}, llm.Finish{Reason: llm.FinishToolCalls})

	v := mustVault(t, usualVaultLimits())
	mine := owner{"team-a", "m"}
	req := &llm.ChatRequest{Tools: []llm.Tool{{Name: "f"}}}
	n := 0
	for _, err := range v.remember(mine, req, llmtest.Play(events[:len(events)-2]...).Chat(t.Context(), req)) {
		if err == nil {
			n++
		}
	}
	want := map[string]thinking{
		"b": {Lead: []llm.Reasoning{{Text: "one", Signature: "sone"}}},
	}
	check := func() {
		t.Helper()
		for _, id := range []string{"a", "b", "c", "cut"} {
			got, _ := v.get(mine, id)
			if diff := cmp.Diff(want[id], got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", id, diff)
			}
		}
	}
	// Script ends with its first Finish, so the rest is told to the recorder itself.
	check()
	r := recorder{choices: make([]recording, 1)}
	for _, e := range events {
		if r.add(e) {
			v.keep(mine, r.choices[r.current].calls)
		}
	}
	want["a"] = thinking{Lead: []llm.Reasoning{{Text: "zero", Signature: "szero"}}, Near: []llm.Reasoning{{Text: "later", Signature: "slater"}}}
	check()

	none := &llm.ChatRequest{}
	empty := mustVault(t, usualVaultLimits())
	if _, err := llm.Collect(empty.remember(mine, none, llmtest.Play(events...).Chat(t.Context(), none))); err == nil || n == 0 {
		t.Errorf("the script has a choice that does not end: %v", err)
	}
	if len(empty.entries) != 0 {
		t.Error("a request without tools was remembered")
	}
}

func TestRecallGoesBeforeEveryCallItKnows(t *testing.T) {
	v := mustVault(t, usualVaultLimits())
	mine := owner{"team-a", "m"}
	near := thinking{Near: []llm.Reasoning{{Text: "near", Signature: "s"}}}
	v.put(mine, "a", lead("first"))
	v.put(mine, "c", near)
	parts := func() []llm.Part {
		return []llm.Part{llm.Text{Text: "t"}, llm.ToolCall{ID: "a"}, llm.ToolCall{ID: "b"}, llm.ToolCall{ID: "c"}}
	}
	told := lead("first").Lead[0].Text + lead("first").Lead[1].Text + near.Near[0].Text
	req := &llm.ChatRequest{Messages: []llm.Message{
		{Role: llm.RoleUser, Parts: []llm.Part{llm.Text{Text: "q"}}},
		{Role: llm.RoleAssistant, Parts: parts()},
		{Role: llm.RoleAssistant, Parts: append(parts(), llm.Reasoning{Text: "the client's"})},
		{Role: llm.RoleAssistant, Parts: append([]llm.Part{llm.Reasoning{Text: told}}, parts()...)},
		{Role: llm.RoleAssistant, Parts: append(parts(), llm.Reasoning{Text: told, Signature: "theirs"})},
		{Role: llm.RoleAssistant, Parts: append(parts(), llm.Reasoning{Redacted: []byte("theirs")})},
		{Role: llm.RoleAssistant, Parts: []llm.Part{llm.Reasoning{Text: told}, llm.ToolCall{ID: "unknown"}}},
		{Role: llm.RoleAssistant, Parts: []llm.Part{llm.ToolCall{ID: "unknown"}}},
		{Role: llm.RoleAssistant, Parts: []llm.Part{llm.Text{Text: "t"}}},
	}}
	v.recall(mine, req)
	recalled := []llm.Part{lead("first").Lead[0], lead("first").Lead[1], llm.Text{Text: "t"}, llm.ToolCall{ID: "a"}, llm.ToolCall{ID: "b"}, near.Near[0], llm.ToolCall{ID: "c"}}
	want := [][]llm.Part{
		{llm.Text{Text: "q"}},
		recalled,
		append(parts(), llm.Reasoning{Text: "the client's"}),
		recalled,
		append(parts(), llm.Reasoning{Text: told, Signature: "theirs"}),
		append(parts(), llm.Reasoning{Redacted: []byte("theirs")}),
		{llm.Reasoning{Text: told}, llm.ToolCall{ID: "unknown"}},
		{llm.ToolCall{ID: "unknown"}},
		{llm.Text{Text: "t"}},
	}
	for i, m := range req.Messages {
		if diff := cmp.Diff(want[i], m.Parts); diff != "" {
			t.Errorf("message %d (-want +got):\n%s", i, diff)
		}
	}
}
