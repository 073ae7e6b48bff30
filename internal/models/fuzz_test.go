package models

import "testing"

// FuzzCatalogue: a catalogue of the operator's is read or refused, and then every model of it is found.
func FuzzCatalogue(f *testing.F) {
	f.Add([]byte(`{"models":[{"id":"us.acme.brand-new-v1:0","context_window":128000,"input":["text"]},{"id":"us.amazon.nova-lite-v1:0","converse":{"prefill":false}}]}`))
	f.Add([]byte(`{"models":[null,{"id":""},{"id":"x","pricing":null}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := LoadWith(text)
		if err != nil {
			return
		}
		for _, m := range c.models {
			if _, ok := c.Lookup(m.ID); !ok {
				t.Fatalf("%q is not found", m.ID)
			}
			c.Family(m.ID)
		}
	})
}
