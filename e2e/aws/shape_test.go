//go:build aws || e2e

package aws_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// event is one event of a stream.
type event struct {
	kind string // "event", "exception", "chunk", "said" or "data", as the fixtures' lines begin
	name string
	data []byte
}

// events takes a stream apart; what is no stream has none. A frame that cannot be read is an event "broken".
func (a answer) events() []event {
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	switch media {
	case "application/vnd.amazon.eventstream":
		return frames(a.body)
	case "text/event-stream":
		return lines(a.body)
	}
	return nil
}

func frames(body []byte) (out []event) {
	decoder, from := eventstream.NewDecoder(), bytes.NewReader(body)
	for from.Len() > 0 {
		m, err := decoder.Decode(from, nil)
		if err != nil {
			return append(out, event{kind: "broken", name: "frame"})
		}
		e := event{kind: header(m, ":message-type"), data: slices.Clone(m.Payload)}
		e.name = cmp.Or(header(m, ":event-type"), header(m, ":exception-type"))
		if e.name == "chunk" {
			e = unwrapped(e)
		}
		out = append(out, e)
	}
	return out
}

func header(m eventstream.Message, name string) string {
	if v := m.Headers.Get(name); v != nil {
		return v.String()
	}
	return ""
}

// unwrapped is what a chunk of InvokeModelWithResponseStream holds.
func unwrapped(e event) event {
	var chunk struct {
		Bytes string `json:"bytes"`
	}
	if json.Unmarshal(e.data, &chunk) != nil {
		return e
	}
	inner, err := base64.StdEncoding.DecodeString(chunk.Bytes)
	if err != nil {
		return e
	}
	return event{"chunk", typeOf(inner), inner}
}

// typeOf is the member "type", which names an event.
func typeOf(data []byte) string {
	var named struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(data, &named) != nil {
		return ""
	}
	return named.Type
}

func lines(body []byte) (out []event) {
	name := ""
	scan := bufio.NewScanner(bytes.NewReader(body))
	scan.Buffer(nil, len(body)+1)
	for scan.Scan() {
		if said, ok := strings.CutPrefix(scan.Text(), "event:"); ok {
			name = strings.TrimSpace(said)
		}
		data, ok := strings.CutPrefix(scan.Text(), "data:")
		if !ok {
			continue
		}
		e := event{"data", "", []byte(strings.TrimSpace(data))}
		if name != "" {
			e.kind, e.name = "said", name
		} else if string(e.data) == "[DONE]" {
			e.name = "[DONE]"
		}
		out, name = append(out, e), ""
	}
	return out
}

// shape is what two replies to one request have in common, whatever the model said: names to values.
type shape map[string]string

// shapeOf tells the shape of an answer.
func shapeOf(a answer) shape {
	s := shape{"status": fmt.Sprint(a.status)}
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	s["header content-type"] = media
	for name := range a.header {
		if name == "X-Amzn-Errortype" {
			kind, _, _ := strings.Cut(a.header.Get(name), ":")
			s["header x-amzn-errortype"] = kind
		} else if strings.HasPrefix(name, "X-Amzn-") {
			s["header "+strings.ToLower(name)] = "there"
		}
	}
	if list := a.events(); list != nil {
		s["order of events"] = order(list)
		for _, e := range list {
			s.read("event "+e.name+": ", e.data)
		}
		return s
	}
	s.read("body ", a.body)
	return s
}

// order are the kinds of events; of many alike that follow one another one is told.
func order(list []event) string {
	var names []string
	for _, e := range list {
		name := e.kind + " " + e.name
		if name = strings.TrimSpace(name); e.kind == "event" || e.kind == "chunk" || e.kind == "said" {
			name = e.name
		}
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	return strings.Join(slices.DeleteFunc(names, func(n string) bool { return n == "ping" }), ", ")
}

// read adds a JSON value; other bytes are told as such.
func (s shape) read(at string, data []byte) {
	var v any
	if len(data) == 0 || string(data) == "[DONE]" {
		return
	}
	if json.Unmarshal(data, &v) != nil {
		s[at] = "not JSON"
		return
	}
	s.walk(at, "", v)
}

// enums are members whose words are a part of the contract.
var enums = regexp.MustCompile(`(?i)^(stopReason|stop_reason|finish_reason|role|type|object|status|code|__type|service_tier)$`)

// opaque are members that the model fills, and padding.
var opaque = regexp.MustCompile(`^(input|arguments|p|additionalModelResponseFields|obfuscation|system_fingerprint)$`)

func (s shape) walk(at, name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			s.add(at, "an object")
		}
		for member, value := range v {
			if opaque.MatchString(member) {
				s.add(at+"."+member, "there")
				continue
			}
			s.walk(at+"."+member, member, value)
		}
	case []any:
		if len(v) == 0 {
			s.add(at, "a list")
		}
		for _, value := range v {
			s.walk(at+"[]", name, value)
		}
	case string:
		s.add(at, word(name, v))
	case float64:
		s.add(at, "a number")
	case bool:
		s.add(at, "a boolean")
	default:
		s.add(at, "null")
	}
}

// add joins what stands in one place in several elements or events.
func (s shape) add(at, what string) {
	had := strings.Split(s[at], " or ")
	if s[at] == "" {
		had = nil
	}
	if !slices.Contains(had, what) {
		had = append(had, what)
		slices.Sort(had)
	}
	s[at] = strings.Join(had, " or ")
}

// word is a text as far as it is AWS's: the words of a list, and messages without what is in them.
func word(name, value string) string {
	switch {
	case enums.MatchString(name):
		return `"` + value + `"`
	case strings.EqualFold(name, "message") || name == "originalMessage":
		return `"` + pattern(value) + `"`
	}
	return "a text"
}

// What differs from one message to the next.
var (
	anID     = regexp.MustCompile(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F-]{22,27}`)
	anARN    = regexp.MustCompile(`arn:aws[a-z-]*:[^\s"']+`)
	aModel   = regexp.MustCompile(`\b(?:(?:us|eu|apac|jp|au|ca|global)\.)?[a-z0-9]+\.[a-z][a-z0-9.-]*-[a-z0-9.:-]*[a-z0-9]`)
	aNumber  = regexp.MustCompile(`\d+(?:[.,]\d+)*`)
	aKeyName = regexp.MustCompile(`\bA[KS]I[A-Z0-9]{8,}\b`)
)

// pattern is a message without ids and numbers.
func pattern(message string) string {
	for _, rule := range []struct {
		find *regexp.Regexp
		put  string
	}{{anID, "ID"}, {anARN, "ARN"}, {aKeyName, "KEY"}, {aModel, "MODEL"}, {aNumber, "N"}} {
		message = rule.find.ReplaceAllString(message, rule.put)
	}
	return message
}

// difference is one place where AWS and the sandbox are not alike; "" is what is not there.
type difference struct {
	Where   string `json:"where"`
	AWS     string `json:"aws"`
	Sandbox string `json:"sandbox"`
}

// compare tells what differs, in the order of its places.
func compare(genuine, pretended answer) []difference {
	has, wants := shapeOf(genuine), shapeOf(pretended)
	places := slices.Sorted(maps.Keys(has))
	for at := range wants {
		if _, ok := has[at]; !ok {
			places = append(places, at)
		}
	}
	slices.Sort(places)
	var out []difference
	for _, at := range places {
		if has[at] != wants[at] {
			out = append(out, difference{at, has[at], wants[at]})
		}
	}
	return out
}
