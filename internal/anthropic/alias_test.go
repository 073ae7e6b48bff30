package anthropic

import "testing"

// TestTheModelOutlivesTheBody: deployments are remembered by the name that a request gives them, and logged by it, when
// the memory of its body is another request's.
func TestTheModelOutlivesTheBody(t *testing.T) {
	const text = `{"model":"claude","max_tokens":9,"messages":[{"role":"user","content":"Hello"}]}`
	body := []byte(text)
	head, err := Peek(body)
	if err != nil {
		t.Fatal(err)
	}
	_, shape, err := Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	for i := range body {
		body[i] = 'Z'
	}
	if head.Model != "claude" || shape.Model != "claude" {
		t.Errorf("the models are %q and %q now", head.Model, shape.Model)
	}
}
