package fixturetest

import (
	"fmt"
	"regexp"
	"strings"
)

// names stand in a fixture for what is random in replies, so that a later request of it can name the same.
type names struct {
	real []pair
}

type pair struct{ random, name string }

// random is what no two runs of a fixture have alike: the ids of responses, of which those of their parts are made,
// and what is sealed.
var random = regexp.MustCompile(`resp_dial_([A-Za-z0-9_-]{16,})|"encrypted_content": ?"([A-Za-z0-9+/=]{40,})"`)

// out is a text with the names.
func (n *names) out(text string) string {
	for _, found := range random.FindAllStringSubmatch(text, -1) {
		switch {
		case n.knows(found[1] + found[2]):
		case found[1] != "":
			n.real = append(n.real, pair{found[1], fmt.Sprint(len(n.real) + 1)})
		default:
			n.real = append(n.real, pair{found[2], fmt.Sprintf("(sealed %d)", len(n.real)+1)})
		}
	}
	for _, p := range n.real {
		text = strings.ReplaceAll(text, p.random, p.name)
	}
	return text
}

func (n *names) knows(random string) bool {
	for _, p := range n.real {
		if p.random == random {
			return true
		}
	}
	return false
}

// in is a text of a fixture with what the names stand for.
func (n *names) in(text []byte) []byte {
	out := string(text)
	for _, p := range n.real {
		if strings.HasPrefix(p.name, "(") {
			out = strings.ReplaceAll(out, p.name, p.random)
			continue
		}
		out = regexp.MustCompile(`resp_dial_`+p.name+`\b`).ReplaceAllLiteralString(out, "resp_dial_"+p.random)
	}
	return []byte(out)
}
