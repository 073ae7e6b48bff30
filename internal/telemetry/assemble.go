package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"outcrop/internal/jsonscan"
)

var errNotAssembled = errors.New("not a stream of chunks")

// assemble is a reply as one JSON object: of a stream its chunks merged, as DIAL merges them, of any other reply that
// itself. What is not whole, or not JSON, is "{}".
func assemble(body []byte) []byte {
	none := []byte("{}")
	if body = bytes.TrimSpace(body); len(body) == 0 {
		return none
	}
	if body[0] == '{' || body[0] == '[' {
		if !json.Valid(body) {
			return none
		}
		return body
	}
	if merged, err := assembleStream(body); err == nil {
		return merged
	}
	return none
}

// assembleStream merges the chunks of a stream. A stream of the Responses API tells the whole response at its end.
func assembleStream(body []byte) ([]byte, error) {
	chat, response, ended := object{}, object(nil), false
	for data := range frames(body) {
		if ended = string(data) == "[DONE]"; ended {
			break
		}
		chunk, err := decodeObject(data)
		if err != nil {
			return nil, err
		}
		if chunk["error"] != nil {
			return nil, errNotAssembled
		}
		if whole, ok := chunk["response"].(object); ok {
			response = whole
		}
		if _, ok := chunk["choices"].([]any); !ok {
			continue
		}
		if err := mergeChunk(chat, chunk); err != nil {
			return nil, err
		}
	}
	switch {
	case chat["choices"] != nil && ended:
		return completion(chat)
	case response["status"] == "completed" || response["status"] == "incomplete":
		return json.Marshal(response)
	default:
		return nil, errNotAssembled
	}
}

// mergeChunk adds a chunk of a chat: of what is told once for all choices, the last word is taken, of the model the first.
func mergeChunk(into, chunk object) error {
	nested := object{}
	for name, value := range chunk {
		switch value.(type) {
		case object, []any:
			nested[name] = value
			continue
		}
		if before := into[name]; value != nil && (name != "model" || before == nil) {
			into[name] = value
		}
	}
	return merge(into, nested)
}

// completion is merged chunks as a reply that is no stream.
func completion(chat object) ([]byte, error) {
	if kind, _ := chat["object"].(string); kind != "text_completion" {
		chat["object"] = "chat.completion"
	}
	choices, _ := chat["choices"].([]any)
	for name, value := range chat {
		if name != "choices" {
			dropIndices(value)
		}
	}
	for _, element := range choices {
		choice, ok := element.(object)
		if !ok {
			return nil, errNotAssembled
		}
		for _, value := range choice {
			dropIndices(value)
		}
		if delta, ok := choice["delta"]; ok {
			delete(choice, "delta")
			choice["message"] = delta
		}
	}
	return marshalOrdered(chat)
}

// dropIndices removes the indices of the elements of lists, which only streams have.
func dropIndices(value any) {
	switch v := value.(type) {
	case object:
		for _, member := range v {
			dropIndices(member)
		}
	case []any:
		for _, element := range v {
			if o, ok := element.(object); ok {
				delete(o, "index")
			}
			dropIndices(element)
		}
	}
}

// marshalOrdered is an object with the members of every reply before the others.
func marshalOrdered(o object) ([]byte, error) {
	names := []string{"id", "object", "created", "model", "choices", "usage"}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	out := []byte{'{'}
	for _, name := range names {
		value, ok := o[name]
		if !ok {
			continue
		}
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(jsonscan.AppendString(out, name), ':'), text...)
	}
	return append(out, '}'), nil
}

// frames are the data of a stream's events.
func frames(body []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for line := range bytes.Lines(body) {
			data, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("data:"))
			if data = bytes.TrimSpace(data); ok && len(data) > 0 && !yield(data) {
				return
			}
		}
	}
}

// object is a JSON object. Its numbers are as they were written.
type object = map[string]any

func decodeObject(data []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var o object
	if err := d.Decode(&o); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, errNotAssembled
	}
	return o, nil
}

// merge adds the members of another object.
func merge(into, from object) error {
	for name, value := range from {
		merged, err := mergeValues(name, into[name], value)
		if err != nil {
			return err
		}
		into[name] = merged
	}
	return nil
}

// mergeValues is two values of one name as one: strings are joined, objects merged, lists by the indices of their
// elements, and anything else is replaced.
func mergeValues(name string, before, value any) (any, error) {
	switch v := value.(type) {
	case nil:
		return before, nil
	case string:
		text, _ := before.(string)
		if name == "role" || name == "type" || name == "finish_reason" { // some servers repeat them in each chunk
			text = ""
		}
		return text + v, nil
	case object:
		all, ok := before.(object)
		if !ok {
			all = object{}
		}
		return all, merge(all, v)
	case []any:
		return mergeLists(before, v)
	default:
		return value, nil
	}
}

// mergeLists adds the elements of a list to those with the same index.
func mergeLists(before any, list []any) (any, error) {
	all, _ := before.([]any)
	if all == nil {
		all = []any{}
	}
	for _, element := range list {
		o, _ := element.(object)
		index, ok := o["index"].(json.Number)
		if !ok {
			return nil, errNotAssembled
		}
		at := slices.IndexFunc(all, func(other any) bool {
			have, _ := other.(object)
			return have["index"] == index
		})
		if at < 0 {
			at, all = len(all), append(all, object{})
		}
		have, _ := all[at].(object)
		if err := merge(have, o); err != nil {
			return nil, err
		}
	}
	return all, nil
}
