package sandbox

import "strings"

func toolConfigPresent(v *conversation) *apiError {
	if v.body["toolConfig"] != nil {
		return nil
	}
	for _, b := range v.blocks {
		if b["toolUse"] != nil || b["toolResult"] != nil { // c05
			return invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
		}
	}
	return nil
}

// toolPairs: the turn after tool calls holds their results, and no more.
func toolPairs(v *conversation) *apiError {
	all := merged(v.turns)
	for i, t := range all {
		if t.role != "assistant" {
			if i == 0 || all[i-1].role != "assistant" {
				if err := tooManyResults(t, 0); err != nil {
					return err
				}
			}
			continue
		}
		calls := toolCalls(t)
		next := turn{index: len(v.turns)}
		if i+1 < len(all) {
			next = all[i+1]
		}
		if missing := withoutResult(calls, next); len(missing) > 0 { // c06
			return invalid("Expected toolResult blocks at messages.%d.content for the following Ids: %s", next.index, strings.Join(missing, ", "))
		}
		if err := tooManyResults(next, len(calls)); err != nil {
			return err
		}
	}
	return nil
}

// toolCalls lists the ids of the calls that the client has to answer: a tool of
// the server is called and answered in one assistant turn.
func toolCalls(t turn) []string {
	own := map[string]bool{}
	for _, b := range t.content {
		if id := text(dig(b, "toolResult", "toolUseId")); id != "" {
			own[id] = true
		}
	}
	var ids []string
	for _, b := range t.content {
		use := object(dig(b, "toolUse"))
		if id := text(use["toolUseId"]); use != nil && use["type"] != "server_tool_use" && !own[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

func withoutResult(calls []string, t turn) []string {
	answered := map[string]bool{}
	for _, b := range t.content {
		if id := text(dig(b, "toolResult", "toolUseId")); id != "" {
			answered[id] = true
		}
	}
	var missing []string
	for _, id := range calls {
		if !answered[id] {
			missing = append(missing, id)
		}
	}
	return missing
}

func tooManyResults(t turn, calls int) *apiError {
	results := 0
	for _, b := range t.content {
		if object(b)["toolResult"] != nil {
			results++
		}
	}
	if results > calls { // c07
		return invalid("The number of toolResult blocks at messages.%d.content exceeds the number of toolUse blocks of previous turn.", t.index)
	}
	return nil
}

// toolSchemas: every tool takes an object
// (reported: github.com/earendil-works/pi/issues/8279).
func toolSchemas(v *conversation) *apiError {
	for i, t := range array(dig(v.body, "toolConfig", "tools")) {
		schema := object(dig(t, "toolSpec", "inputSchema"))
		if schema == nil {
			continue
		}
		at := place{"toolConfig", "tools", i, "toolSpec", "inputSchema", "json"}
		root := object(schema["json"])
		if root == nil {
			return notAnObject(at)
		}
		if root["type"] != "object" {
			return invalid("The value at %s must be one of the following: object.", at.in("type"))
		}
	}
	return nil
}
