package llm

import (
	"fmt"
	"slices"
	"sort"
)

// Truncate leaves out as few of the oldest turns as it takes for count to find no more than limit
// tokens. It returns the messages that stay, in their order, and the Index of each that goes, in
// ascending order.
//
// What goes together is an exchange: the user's messages in a row, and all that follows until the
// user's next turn, so that no tool call is parted from its results and no answer from its question.
// System messages stay, and so does the exchange of the last message: if those are too many tokens
// already the error is of KindTruncation. count is called at most 2 + log2(exchanges) times; its
// error is returned as it is.
func Truncate(messages []Message, limit int, count func([]Message) (int, error)) (kept []Message, discarded []int, err error) {
	exchange, exchanges := group(messages)
	tokens := 0
	fits := func(gone int) bool {
		if err != nil {
			return true
		}
		kept = without(messages, exchange, gone)
		tokens, err = count(kept)
		return err != nil || tokens <= limit
	}
	if fits(0) { // most do
		return kept, nil, err
	}
	// Search asks for the last one before it says that none fits.
	gone := 1 + sort.Search(max(0, exchanges-1), func(i int) bool { return fits(i + 1) })
	switch {
	case err != nil:
		return nil, nil, err
	case gone >= exchanges:
		return nil, nil, tooMuch(limit, tokens)
	}
	for i, m := range messages {
		if m.Role != RoleSystem && exchange[i] < gone {
			discarded = append(discarded, m.Index)
		}
	}
	slices.Sort(discarded)
	return without(messages, exchange, gone), slices.Compact(discarded), nil
}

func tooMuch(limit, tokens int) *Error {
	return &Error{
		Kind: KindTruncation, Param: "max_prompt_tokens",
		Message: fmt.Sprintf("max_prompt_tokens is %d, but the system messages and the last turn alone are %d tokens. Shorten them, or raise max_prompt_tokens.", limit, tokens),
	}
}

// group numbers the exchanges: of message i it is exchange[i].
func group(messages []Message) (exchange []int, exchanges int) {
	together := transactions(messages)
	exchange = make([]int, len(messages))
	var previous Role // of the last message that is not a system's
	for i, m := range messages {
		if m.Role == RoleUser && previous != RoleUser && previous != 0 && !together[i] {
			exchanges++
		}
		exchange[i] = exchanges
		if m.Role != RoleSystem {
			previous = m.Role
		}
	}
	return exchange, exchanges + 1
}

// transactions says of each message whether it may not be parted from the one before it: it stands
// between a tool call and its result, or the client wrote both as one message.
func transactions(messages []Message) []bool {
	together := make([]bool, len(messages))
	last := make([]int, len(messages)) // of the calls in a message, where the last result stands
	var calls map[string]int           // by id, the message of the last call that has it
	for i, m := range messages {
		for _, p := range m.Parts {
			switch p := p.(type) {
			case ToolCall:
				if calls == nil {
					calls = map[string]int{}
				}
				calls[p.ID] = i
			case ToolResult:
				if from, ok := calls[p.ID]; ok {
					last[from] = i
				}
			}
		}
	}
	open := 0 // the last result of all calls so far
	for i, m := range messages {
		together[i] = i > 0 && (i <= open || m.Index == messages[i-1].Index)
		open = max(open, last[i])
	}
	return together
}

// without leaves out that many of the oldest exchanges.
func without(messages []Message, exchange []int, gone int) []Message {
	if gone == 0 {
		return messages
	}
	kept := make([]Message, 0, len(messages))
	for i, m := range messages {
		if m.Role == RoleSystem || exchange[i] >= gone {
			kept = append(kept, m)
		}
	}
	return kept
}
