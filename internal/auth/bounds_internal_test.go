package auth

import (
	"strconv"
	"testing"
	"time"
)

func TestTheCacheIsBounded(t *testing.T) {
	c, now := cache{max: 10}, time.Now()
	keep := Digest("keep")
	c.put(keep, &entry{until: now.Add(time.Hour)})
	for i := range 1000 {
		c.put(Digest(strconv.Itoa(i)), &entry{until: now.Add(time.Hour)})
		if c.len() > 10 {
			t.Fatalf("%d entries", c.len())
		}
		if _, ok := c.get(keep, now); !ok {
			t.Fatalf("what was looked for all the time has gone after %d others", i)
		}
	}
	if _, ok := c.get(Digest("0"), now); ok {
		t.Error("what nobody looked for is still there")
	}
	if _, ok := c.get(keep, now.Add(time.Hour)); ok {
		t.Error("an entry outlives its time")
	}
}

func TestPassesAreBounded(t *testing.T) {
	p := NewPasses(time.Hour)
	p.max = 3
	var keys []string
	for range 5 {
		keys = append(keys, p.Issue(&Pass{}))
	}
	for i, key := range keys {
		if _, ok, _ := p.find(t.Context(), key, Digest(key)); ok != (i >= 2) {
			t.Errorf("key %d: %v", i, ok)
		}
	}
	if p.Len() != 3 || p.order.Len() != 3 {
		t.Errorf("%d keys, %d in order", p.Len(), p.order.Len())
	}
}
