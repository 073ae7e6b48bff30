package llm_test

import (
	"errors"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/llm"
)

// conversation reads one letter for each message: s(ystem), u(ser), a(ssistant), c(alling assistant,
// one call for each + after it), r(esult of the oldest call that has none).
func conversation(letters string) (messages []llm.Message) {
	var open []string
	for i := 0; i < len(letters); i++ {
		m := llm.Message{Index: len(messages)}
		switch letters[i] {
		case 's':
			m.Role = llm.RoleSystem
		case 'u':
			m.Role = llm.RoleUser
		case 'a':
			m.Role = llm.RoleAssistant
		case 'c':
			m.Role = llm.RoleAssistant
			for calls := 1; ; calls++ {
				id := "call_" + strconv.Itoa(len(open)) // ids come again, as some models' do
				open = append(open, id)
				m.Parts = append(m.Parts, llm.ToolCall{ID: id})
				if i+1 == len(letters) || letters[i+1] != '+' {
					break
				}
				i++
			}
		case 'r':
			m.Role = llm.RoleTool
			m.Parts = []llm.Part{llm.ToolResult{ID: open[0]}}
			open = open[1:]
		}
		messages = append(messages, m)
	}
	return messages
}

// perMessage counts a token for each message.
func perMessage(messages []llm.Message) (int, error) { return len(messages), nil }

func TestTruncate(t *testing.T) {
	for _, tt := range []struct {
		letters string
		limit   int
		want    []int // nil when nothing goes, -1 alone when it cannot be done
	}{
		{"u", 1, nil},
		{"sua", 3, nil},
		{"uau", 2, []int{0, 1}},
		{"suauau", 4, []int{1, 2}},
		{"suauau", 3, []int{1, 2, 3, 4}},
		{"suauau", 2, []int{1, 2, 3, 4}},
		{"suauau", 1, []int{-1}},
		{"uacu", 3, []int{0, 1, 2}},
		{"ucrau", 4, []int{0, 1, 2, 3}},
		{"uauc++rrra", 7, []int{0, 1}},
		{"uauc++rrra", 6, []int{0, 1}},
		{"uauc++rrra", 5, []int{-1}},
		{"uuuau", 4, []int{0, 1, 2, 3}},
		{"au", 1, []int{0}},
		{"usasu", 4, []int{0, 2}},
		{"usasu", 3, []int{0, 2}},
		{"uc+rurau", 6, []int{0, 1, 2, 3, 4, 5}}, // a user between two results of one turn
		{"", 0, nil},
	} {
		messages := conversation(tt.letters)
		kept, discarded, err := llm.Truncate(messages, tt.limit, perMessage)
		if e, ok := errors.AsType[*llm.Error](err); ok {
			if e.Kind == llm.KindTruncation && e.Param == "max_prompt_tokens" && strings.Contains(e.Message, strconv.Itoa(tt.limit)) {
				discarded = []int{-1}
			} else {
				t.Errorf("%s: %v", tt.letters, err)
			}
		}
		if diff := cmp.Diff(tt.want, discarded); diff != "" {
			t.Errorf("%s within %d (-want +got):\n%s", tt.letters, tt.limit, diff)
		}
		if err == nil && len(kept)+len(discarded) != len(messages) {
			t.Errorf("%s: %d kept, %d discarded", tt.letters, len(kept), len(discarded))
		}
	}
}

func TestTruncateSplitsNoMessageOfTheClient(t *testing.T) {
	messages := []llm.Message{
		{Role: llm.RoleUser, Index: 0}, {Role: llm.RoleAssistant, Index: 1}, {Role: llm.RoleUser, Index: 1}, {Role: llm.RoleUser, Index: 2},
	}
	if _, _, err := llm.Truncate(messages, 3, perMessage); err == nil {
		t.Error("message 1 was split")
	}
	boom := errors.New("boom")
	for calls := range 3 {
		n := 0
		_, _, err := llm.Truncate(conversation("uauauauauau"), 1, func([]llm.Message) (int, error) {
			if n++; n > calls {
				return 0, boom
			}
			return 5, nil
		})
		if !errors.Is(err, boom) || n != calls+1 {
			t.Errorf("%d calls, %v", n, err)
		}
	}
}

// TestTruncateHolds: whatever the conversation, what is kept fits, could not be more, has every
// system message and the last one, and no transaction that is not whole.
func TestTruncateHolds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		messages := randomConversation(random)
		weights := make([]int, len(messages))
		total := 0
		for i := range weights {
			weights[i] = 1 + random.IntN(20)
			total += weights[i]
		}
		calls := 0
		count := func(list []llm.Message) (n int, err error) {
			calls++
			for _, m := range list {
				n += weights[m.Index]
			}
			return n, nil
		}
		limit := random.IntN(total + 5)
		kept, discarded, err := llm.Truncate(messages, limit, count)
		if most := 2 + bits.Len(uint(len(messages))); calls > most {
			t.Fatalf("%d calls for %d messages", calls, len(messages))
		}
		if err != nil {
			continue
		}
		if n, _ := count(kept); n > limit {
			t.Fatalf("%d tokens kept of %d allowed", n, limit)
		}
		checkWhole(t, messages, kept, discarded)
		if len(discarded) == 0 {
			continue
		}
		// One exchange less to go, and it would not fit: the youngest that went.
		first := discarded[len(discarded)-1]
		for first > 0 && (messages[first].Role != llm.RoleUser || messages[first-1].Role == llm.RoleUser || messages[first-1].Role == llm.RoleSystem) {
			first--
		}
		more := slices.DeleteFunc(slices.Clone(messages), func(m llm.Message) bool { return m.Index < first && slices.Contains(discarded, m.Index) })
		if n, _ := count(more); n <= limit {
			t.Fatalf("%v went, but from %d on there was room: %d of %d", discarded, first, n, limit)
		}
	}
}

func randomConversation(random *rand.Rand) []llm.Message {
	var b strings.Builder
	if random.IntN(2) == 0 {
		b.WriteString("s")
	}
	for range 1 + random.IntN(12) {
		b.WriteString(strings.Repeat("u", 1+random.IntN(2)))
		for range random.IntN(3) {
			calls := 1 + random.IntN(3)
			b.WriteString("c" + strings.Repeat("+", calls-1) + strings.Repeat("r", calls))
		}
		b.WriteString([]string{"a", "a", "sa", "as"}[random.IntN(4)])
	}
	b.WriteString([]string{"", "u"}[random.IntN(2)])
	return conversation(b.String())
}

func checkWhole(t *testing.T, all, kept []llm.Message, discarded []int) {
	t.Helper()
	if !slices.IsSorted(discarded) || len(kept)+len(discarded) != len(all) {
		t.Fatalf("%d kept, discarded %v", len(kept), discarded)
	}
	if kept[len(kept)-1].Index != len(all)-1 {
		t.Fatal("the last message went")
	}
	open := 0
	var last llm.Role
	for _, m := range kept {
		for _, p := range m.Parts {
			switch p.(type) {
			case llm.ToolCall:
				open++
			case llm.ToolResult:
				open--
			}
		}
		if open < 0 || last == 0 && m.Role != llm.RoleSystem && m.Role != llm.RoleUser {
			t.Fatalf("a transaction was split: %v", discarded)
		}
		if m.Role != llm.RoleSystem {
			last = m.Role
		}
	}
	for _, i := range discarded {
		if all[i].Role == llm.RoleSystem {
			t.Fatal("a system message went")
		}
	}
	if open != 0 {
		t.Fatalf("a transaction was split: %v", discarded)
	}
}
