package openai

import (
	"time"

	"outcrop/internal/llm"
)

// cachePoint reads a cache breakpoint in the words of whoever invented it: Anthropic's cache_control
// {type, ttl}, DIAL's cache_breakpoint {ttl, expire_at}, OpenAI's prompt_cache_breakpoint {mode, ttl}.
//
// Bedrock keeps a cache for 5 minutes or an hour
// (https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html). All three promise a stay
// of at least so long, so what is longer than 5 minutes becomes the hour, and what is longer than the
// hour is told as changed.
func (d *decoder) cachePoint(at llm.Place) llm.CachePoint {
	if d.markCount++; d.markCount > maxMarks {
		d.tooMany(d.s.Offset(), "cache breakpoints", maxMarks)
	}
	point := llm.CachePoint{At: at}
	var expiry time.Duration
	ttlAt := 0
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		switch key {
		case "type":
			if d.s.String() != "ephemeral" {
				d.fail(o.value, "", "expected ephemeral")
			}
		case "mode":
			if d.s.String() != "explicit" {
				d.fail(o.value, "", "expected explicit")
			}
		case "ttl":
			ttlAt = o.value
			point.TTL = d.ttl()
		case "expire_at":
			expiry = d.expiry()
		default:
			d.ignore()
		}
	}
	if ttlAt == 0 {
		point.TTL = expiry
	}
	return point
}

func (d *decoder) ttl() time.Duration {
	at := d.s.Offset()
	switch d.s.String() {
	case "5m": // every model's default, and older models know no other
		return 0
	case "30m", "1h":
		return time.Hour
	case "12h":
		d.changed.add(at)
		return time.Hour
	default:
		d.fail(at, "", "expected 5m or 1h")
		return 0
	}
}

// expiry reads DIAL's expire_at, a time of RFC 3339. What is no such time is listed, since DIAL takes
// any string.
func (d *decoder) expiry() time.Duration {
	at := d.s.Offset()
	end, err := time.Parse(time.RFC3339, d.s.String())
	left := end.Sub(d.now)
	switch {
	case err != nil:
		d.ignoreAt(at)
		return 0
	case left <= 5*time.Minute:
		return 0
	case left > time.Hour:
		d.changed.add(at)
	}
	return time.Hour
}

// breakpoint reads the custom_fields of a message or tool.
func (d *decoder) breakpoint() (point llm.CachePoint, found bool) {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		if key == "cache_breakpoint" {
			point, found = d.cachePoint("custom_fields.cache_breakpoint"), true
		} else {
			d.ignore()
		}
	}
	return point, found
}

// cacheOptions reads OpenAI's prompt_cache_options. Its only ttl is OpenAI's default: of the lifetimes
// here the models' own is as good an answer as any, so it is listed rather than paid for.
func (d *decoder) cacheOptions() {
	o := d.object()
	for key, ok := o.next(); ok; key, ok = o.next() {
		if key != "mode" {
			d.ignore()
			continue
		}
		switch d.s.String() {
		case "implicit":
		case "explicit":
			d.req.NoAutoCache = true
		default:
			d.fail(o.value, "", "expected implicit or explicit")
		}
	}
}

// cacheAtEnd marks everything that a request says as worth caching, unless its end is marked already.
// There is at least one message.
func cacheAtEnd(req *llm.ChatRequest, point llm.Part) {
	last := &req.Messages[len(req.Messages)-1]
	n := len(last.Parts)
	if n > 0 {
		if _, marked := last.Parts[n-1].(llm.CachePoint); marked {
			return
		}
	}
	last.Parts = append(last.Parts[:n:n], point)
}
