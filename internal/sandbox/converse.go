package sandbox

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// exchange is one accepted runtime call on its way to a reply.
type exchange struct {
	w    http.ResponseWriter
	r    *http.Request
	call *call
	wish directive
	pace time.Duration // per token
}

// converse answers Converse and ConverseStream.
func (s *Server) converse(e *exchange) {
	q := ask(e.call, e.call.Body, e.wish)
	if err := q.fits(); err != nil {
		writeError(e.w, badDirective(err))
		return
	}
	a := q.answer()
	u := s.cache.settle(e.call, e.call.Body)
	u.output = a.tokens
	if a.stop == "guardrail_intervened" {
		u = usage{} // a blocked prompt never reaches the model
	}
	tail := epilogue{call: e.call, question: q, answer: a, usage: u}
	if e.call.streams() {
		e.play(converseFrames(tail))
		return
	}
	e.reply(converseReply(tail), a.tokens)
}

// epilogue is what comes after, or around, the words of an answer.
type epilogue struct {
	call     *call
	question *question
	answer   answer
	usage    usage
}

// latency is an invented time in milliseconds that grows with the work.
func (t epilogue) latency() int { return 180 + t.usage.total()/20 + 9*t.answer.tokens }

// converseReply is the body of a Converse reply.
func converseReply(t epilogue) map[string]any {
	content := []any{}
	for _, b := range t.answer.blocks {
		if !b.streamed {
			content = append(content, t.question.contentBlock(b))
		}
	}
	out := t.metadata()
	out["output"] = map[string]any{"message": map[string]any{"role": "assistant", "content": content}}
	out["stopReason"] = t.answer.stop
	if extra := t.responseFields(); extra != nil {
		out["additionalModelResponseFields"] = extra
	}
	return out
}

// contentBlock is a block in Converse's vocabulary.
func (q *question) contentBlock(b block) map[string]any {
	switch b.kind {
	case blockReasoning:
		thought := map[string]any{"text": b.text()}
		if b.signature != "" {
			thought["signature"] = b.signature
		}
		return map[string]any{"reasoningContent": map[string]any{"reasoningText": thought}}
	case blockRedacted:
		return map[string]any{"reasoningContent": map[string]any{"redactedContent": b.text()}}
	case blockImage:
		return map[string]any{"image": map[string]any{"format": "png", "source": map[string]any{"bytes": b.image}}}
	case blockServerUse:
		return map[string]any{"toolUse": map[string]any{"toolUseId": b.id, "name": b.name, "input": b.input, "type": "server_tool_use"}}
	case blockServerSay:
		result := b.serverResult()
		result["content"] = []any{map[string]any{"json": b.input}}
		return map[string]any{"toolResult": result}
	case blockTool:
		use := map[string]any{"toolUseId": b.id, "name": b.name, "input": b.input}
		if q.family == familyClaude || q.family == familyNova2 {
			use["type"] = "tool_use" // observed, although the enum has server_tool_use only
		}
		return map[string]any{"toolUse": use}
	}
	if b.citation != nil {
		return map[string]any{"citationsContent": map[string]any{
			"content": []any{map[string]any{"text": b.text()}}, "citations": []any{b.citation.converse()},
		}}
	}
	return map[string]any{"text": b.text()}
}

// metadata is what Converse's reply and the last frame of a stream share.
func (t epilogue) metadata() map[string]any {
	out := map[string]any{
		"metrics": map[string]any{"latencyMs": t.latency()},
		"usage":   t.usageMembers(),
	}
	for _, echoed := range []string{"performanceConfig", "serviceTier"} {
		if v := object(t.call.Body[echoed]); v != nil {
			out[echoed] = v
		}
	}
	guard := object(t.call.Body["guardrailConfig"])
	if t.question.wish.trace && guard == nil {
		guard = map[string]any{"guardrailIdentifier": "sandbox", "guardrailVersion": "1"}
	}
	if t.question.wish.trace || strings.HasPrefix(text(guard["trace"]), "enabled") {
		out["trace"] = map[string]any{"guardrail": t.guardrailTrace(guard)}
	}
	return out
}

// usageMembers holds, beside the modelled members, those that live replies have
// (bedrock-api.md §2.4). Families without a prompt cache leave its members out.
func (t epilogue) usageMembers() map[string]any {
	u := t.usage
	out := map[string]any{
		"inputTokens": u.input, "outputTokens": u.output, "totalTokens": u.total(), "serverToolUsage": map[string]any{},
	}
	if t.question.family == familyClaude || u.read+u.write > 0 {
		out["cacheReadInputTokens"], out["cacheReadInputTokenCount"] = u.read, u.read
		out["cacheWriteInputTokens"], out["cacheWriteInputTokenCount"] = u.write, u.write
	}
	var details []any
	for _, ttl := range []string{"1h", "5m"} {
		if n := u.byTTL[ttl]; n > 0 {
			details = append(details, map[string]any{"ttl": ttl, "inputTokens": n})
		}
	}
	if details != nil {
		out["cacheDetails"] = details
	}
	return out
}

// responseFields holds what additionalModelResponseFieldPaths asked for, as far
// as the model has it; nil when it has nothing. A field that is not there is
// ignored, as the API reference says.
func (t epilogue) responseFields() map[string]any {
	paths := array(t.call.Body["additionalModelResponseFieldPaths"])
	if t.question.family != familyClaude || !slices.Contains(paths, any("/stop_sequence")) {
		return nil
	}
	if t.answer.stopSequence == "" {
		return map[string]any{"stop_sequence": nil}
	}
	return map[string]any{"stop_sequence": t.answer.stopSequence}
}

// guardrailTrace is the report of a guardrail that looked and let pass, or, with
// the directive stop=guardrail_intervened, did not.
func (t epilogue) guardrailTrace(guard map[string]any) map[string]any {
	arn, reason := text(guard["guardrailIdentifier"]), "No action."
	output := []any{}
	if !strings.HasPrefix(arn, "arn:") {
		arn = "arn:aws:bedrock:" + orElse(t.call.Region, "us-east-1") + ":" + callerAccount(t.call) + ":guardrail/" + arn
	}
	id := arn[strings.LastIndex(arn, "/")+1:]
	if t.answer.stop == "guardrail_intervened" {
		reason = "Guardrail blocked."
		for _, b := range t.answer.blocks {
			output = append(output, b.text())
		}
	}
	length := len(t.question.text)
	units := (length + 999) / 1000
	assessment := map[string]any{
		"invocationMetrics": map[string]any{
			"guardrailProcessingLatency": 50,
			"guardrailCoverage":          map[string]any{"textCharacters": map[string]any{"guarded": length, "total": length}},
			"usage": map[string]any{
				"topicPolicyUnits": units, "contentPolicyUnits": units, "wordPolicyUnits": 0, "sensitiveInformationPolicyUnits": 0,
				"sensitiveInformationPolicyFreeUnits": 0, "contextualGroundingPolicyUnits": 0,
			},
		},
		"appliedGuardrailDetails": map[string]any{
			"guardrailId": id, "guardrailVersion": guard["guardrailVersion"], "guardrailArn": arn,
			"guardrailOrigin": []any{"REQUEST"}, "guardrailOwnership": "SELF",
		},
	}
	if t.answer.stop == "guardrail_intervened" {
		assessment["topicPolicy"] = map[string]any{"topics": []any{
			map[string]any{"name": "Sandbox", "type": "DENY", "action": "BLOCKED", "detected": true},
		}}
	}
	return map[string]any{
		"actionReason": reason, "modelOutput": output,
		"inputAssessment": map[string]any{id: assessment}, "outputAssessments": map[string]any{},
	}
}

// event is one event of a stream before it becomes a frame.
type event struct {
	kind    string
	payload map[string]any
	token   bool          // counts for the pace
	pause   time.Duration // silence before it
}

// converseFrames is a ConverseStream reply: contentBlockStart for tool calls
// only, blocks one after another, metadata last (bedrock-api.md §2.5).
func converseFrames(t epilogue) []event {
	events := []event{{kind: "messageStart", payload: map[string]any{"role": "assistant"}}}
	for i, b := range t.answer.blocks {
		if start := b.start(); start != nil {
			events = append(events, event{kind: "contentBlockStart", payload: map[string]any{"contentBlockIndex": i, "start": start}})
		}
		deltas := b.deltas()
		for j, delta := range deltas {
			events = append(events, event{"contentBlockDelta", map[string]any{"contentBlockIndex": i, "delta": delta}, true,
				t.question.silence(b, j, len(deltas))})
		}
		events = append(events, event{kind: "contentBlockStop", payload: map[string]any{"contentBlockIndex": i}})
	}
	stop := map[string]any{"stopReason": t.answer.stop}
	if extra := t.responseFields(); extra != nil {
		stop["additionalModelResponseFields"] = extra
	}
	return append(events, event{kind: "messageStop", payload: stop}, event{kind: "metadata", payload: t.metadata()})
}

// start is what a stream says of a block before its deltas, nil where it says
// nothing.
func (b block) start() map[string]any {
	switch b.kind {
	case blockTool:
		return map[string]any{"toolUse": map[string]any{"toolUseId": b.id, "name": b.name}}
	case blockServerUse:
		return map[string]any{"toolUse": map[string]any{"toolUseId": b.id, "name": b.name, "type": "server_tool_use"}}
	case blockServerSay:
		return map[string]any{"toolResult": b.serverResult()}
	case blockImage:
		return map[string]any{"image": map[string]any{"format": "png"}}
	}
	return nil
}

// silence is how long the directive think wants nothing to be said before the
// j-th of n deltas: once reasoning has begun, or, where only its signature comes,
// before that.
func (q *question) silence(b block, j, n int) time.Duration {
	if (b.kind == blockReasoning || b.kind == blockRedacted) && j == min(1, n-1) {
		return q.wish.think
	}
	return 0
}

// deltas are the pieces of a block as a stream sends them. A block has one at
// least.
func (b block) deltas() []map[string]any {
	wrap := func(piece string) map[string]any { return map[string]any{"text": piece} }
	reason := func(member string) func(string) map[string]any {
		return func(v string) map[string]any {
			return map[string]any{"reasoningContent": map[string]any{member: v}}
		}
	}
	switch b.kind {
	case blockReasoning:
		wrap = reason("text")
	case blockRedacted:
		wrap = reason("redactedContent")
	case blockTool, blockServerUse:
		wrap = func(piece string) map[string]any {
			return map[string]any{"toolUse": map[string]any{"input": piece}}
		}
	case blockServerSay:
		return []map[string]any{{"toolResult": []any{map[string]any{"json": b.input}}}}
	case blockImage:
		return []map[string]any{{"image": map[string]any{"source": map[string]any{"bytes": b.image}}}}
	}
	var out []map[string]any
	if b.citation != nil {
		out = append(out, map[string]any{"citation": b.citation.converse()})
	}
	for _, p := range b.pieces {
		out = append(out, wrap(p))
	}
	if b.signature != "" && b.kind == blockReasoning {
		out = append(out, reason("signature")(b.signature))
	}
	if len(out) == 0 {
		out = append(out, wrap(""))
	}
	return out
}

// reply sends a plain JSON reply after the time its tokens take, broken where
// the directive says so.
func (e *exchange) reply(body map[string]any, tokens int) {
	if e.wish.unknown {
		body["sandboxUnknownMember"] = map[string]any{"note": "a client must ignore this"}
	}
	raw := encode(body)
	switch e.wish.fault.kind {
	case faultEmpty:
		raw = nil
	case faultBadCRC: // a reply has no checksum: this is the nearest
		raw = raw[:len(raw)-1]
	}
	if wait(e.r.Context(), e.wish.think+time.Duration(tokens)*e.pace) != nil {
		return
	}
	h := e.w.Header()
	h.Set("Content-Type", "application/json")
	if e.wish.fault.kind != faultEnd {
		h.Set("Content-Length", strconv.Itoa(len(raw)))
	}
	e.w.WriteHeader(http.StatusOK)
	switch e.wish.fault.kind {
	case faultCut, faultCutInside:
		e.drip(raw[:len(raw)/2])
		abort()
	case faultEnd:
		raw = raw[:len(raw)/2]
	}
	e.drip(raw)
}
