//go:build aws || e2e

package aws_test

import (
	"encoding/json"
	"strconv"

	"outcrop/internal/models"
)

// counts are the tokens that a reply says it took, in the words of all of Bedrock's APIs.
type counts struct {
	Input       int `json:"inputTokens"`
	Output      int `json:"outputTokens"`
	CacheRead   int `json:"cacheReadInputTokens"`
	CacheWrite  int `json:"cacheWriteInputTokens"`
	AInput      int `json:"input_tokens"`
	AOutput     int `json:"output_tokens"`
	ACacheRead  int `json:"cache_read_input_tokens"`
	ACacheWrite int `json:"cache_creation_input_tokens"`
	Prompt      int `json:"prompt_tokens"`
	Completion  int `json:"completion_tokens"`
}

// price is what the tokens cost, in USD. No member of one API is also one of another.
func (c counts) price(p *models.Prices) float64 {
	write := max(p.CacheWrite, p.Input)
	total := float64(c.Input+c.AInput+c.Prompt)*p.Input + float64(c.Output+c.AOutput+c.Completion)*p.Output
	total += float64(c.CacheRead+c.ACacheRead)*max(p.CacheRead, p.Input) + float64(c.CacheWrite+c.ACacheWrite)*write
	return total / 1e6
}

// most of two counts, member by member: of a stream's events, each of which tells what is known by then.
func (c counts) most(d counts) counts {
	return counts{
		max(c.Input, d.Input), max(c.Output, d.Output), max(c.CacheRead, d.CacheRead), max(c.CacheWrite, d.CacheWrite),
		max(c.AInput, d.AInput), max(c.AOutput, d.AOutput), max(c.ACacheRead, d.ACacheRead), max(c.ACacheWrite, d.ACacheWrite),
		max(c.Prompt, d.Prompt), max(c.Completion, d.Completion),
	}
}

// spent is what a trial has cost by what AWS's replies say. A reply that does not say, or that was lost (status 0),
// counts as the ceiling.
func (t *trial) spent(calls []wire) float64 {
	total := 0.0
	for _, c := range calls {
		if c.service == serviceControl || c.reply.status > 200 || t.ceiling == 0 {
			continue
		}
		used, told := usageOf(c.reply)
		switch {
		case t.images > 0 || t.queries > 0 || !told:
			total += t.ceiling
		default:
			total += used.price(t.prices)
		}
	}
	return total
}

// usageOf reads the usage out of a reply, wherever its API has it.
func usageOf(a answer) (counts, bool) {
	if n, err := strconv.Atoi(a.header.Get("X-Amzn-Bedrock-Input-Token-Count")); err == nil {
		output, _ := strconv.Atoi(a.header.Get("X-Amzn-Bedrock-Output-Token-Count"))
		return counts{Input: n, Output: output}, true
	}
	bodies := [][]byte{a.body}
	if list := a.events(); list != nil {
		bodies = bodies[:0]
		for _, e := range list {
			bodies = append(bodies, e.data)
		}
	}
	var all counts
	told := false
	for _, body := range bodies {
		var v struct {
			Usage   *counts `json:"usage"`
			Message struct {
				Usage *counts `json:"usage"`
			} `json:"message"`
			Response struct {
				Usage *counts `json:"usage"`
			} `json:"response"`
			Titan int `json:"inputTextTokenCount"`
		}
		if json.Unmarshal(body, &v) != nil {
			continue // another form of message: an error's is a text
		}
		for _, u := range []*counts{v.Usage, v.Message.Usage, v.Response.Usage} {
			if u != nil {
				all, told = all.most(*u), true
			}
		}
		if v.Titan > 0 {
			all, told = all.most(counts{Input: v.Titan}), true
		}
	}
	return all, told
}
