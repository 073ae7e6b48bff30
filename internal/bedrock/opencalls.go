package bedrock

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"
)

// openCalls are the calls of an answer in their order, by the upstream's index and id.
type openCalls struct {
	index []int
	ids   []string
}

func (o *openCalls) count() int { return len(o.index) }

// find gives the place of the latest call with that index. An id that is not that call's is a new
// call's: some servers write index 0 for all.
func (o *openCalls) find(index int, id string) (int, bool) {
	for i := len(o.index) - 1; i >= 0; i-- {
		if o.index[i] == index {
			return i, id == "" || id == o.ids[i]
		}
	}
	return 0, false
}

func (o *openCalls) begin(index int, id string) int {
	o.index = append(o.index, index)
	o.ids = append(o.ids, strings.Clone(id))
	return len(o.index) - 1
}

// Some models number their calls anew in every answer: call_0, functions.get_weather:0. Clients pair
// results with calls by id over the whole conversation, so the answer's own id is added, and taken
// off again when the call comes back.
var (
	repeatingID = regexp.MustCompile(`^(?:call_?|[A-Za-z0-9_.-]+:)\d{1,4}$`)
	markedID    = regexp.MustCompile(`^((?:call_?|[A-Za-z0-9_.-]+:)\d{1,4})-x[0-9a-f]{10}$`)
)

func uniqueCallID(id, answer string, call int) string {
	if id == "" {
		id = "call_" + strconv.Itoa(call)
	} else if !repeatingID.MatchString(id) {
		return strings.Clone(id)
	}
	if answer == "" {
		answer = rand.Text() // a server that gives its answers no ids
	}
	sum := sha256.Sum256([]byte(answer))
	return id + "-x" + hex.EncodeToString(sum[:5])
}

// bareCallID undoes uniqueCallID.
func bareCallID(id string) string {
	if m := markedID.FindStringSubmatch(id); m != nil {
		return m[1]
	}
	return id
}
