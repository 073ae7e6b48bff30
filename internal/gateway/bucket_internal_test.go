package gateway

import (
	"strings"
	"testing"
)

// TestBucketNames: the names that DIAL Core gives, with its documentation's secret and key.
func TestBucketNames(t *testing.T) {
	b, err := NewBuckets("password", "salt")
	if err != nil {
		t.Fatal(err)
	}
	for place, want := range map[string]string{
		"Users/user/":        "Tv2SsFTR7PQ1rWgFkdZqtk",
		"Users/admin/":       "4X25dj1mja51jykqxsXnCH",
		"Keys/EPM-RTC-GPT/":  "3CcedGxCx23EwiVbVmscVktScRyf46KypuBQ65miviST",
		"Keys/EPM-RTC-RAIL/": "7G9WZNcoY26Vy9D7bEgbv6zqbJGfyDp9KZyEbJR4XMZt",
		reviewOf("0123"):     "2CZ9i2bcBACFts8JbBu3MdTHfU5imDZBmDVomBuDCkbhEstv1KXNzCiw693js8BLmo",
	} {
		if got := b.Name(place); got != want {
			t.Errorf("%s: %s, want %s", place, got, want)
		}
	}
	if b.Name("Users/a/") == b.Name("Keys/a/") {
		t.Error("a user and a project have one place")
	}
}

// reviewOf is where a publication of DIAL's example waits.
func reviewOf(id string) string { return "Keys/EPM-RTC-GPT/publications/" + id + "/" }

// TestBase58: zero bytes before a number are digits.
func TestBase58(t *testing.T) {
	for text, want := range map[string]string{"": "", "\x00": "1", "\x00\x00\x01": "112", "\xff": "5Q", "Hello World!": "2NEpo7TZRRrLZSi2U"} {
		if got := toBase58([]byte(text)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	if got := toBase58([]byte(strings.Repeat("\x00", 5))); got != "11111" {
		t.Error(got)
	}
}
