package sandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"outcrop/internal/models"
)

// corpusCase is one request of testdata/requests-*.json.
type corpusCase struct {
	ID          string `json:"id"`
	Op          string `json:"op"`
	Model       string `json:"model"`
	Description string `json:"description"`
	Request     struct {
		Body json.RawMessage `json:"body"`
	} `json:"request"`
	Expect struct {
		Status      int    `json:"status"`
		ErrorType   string `json:"errortype"`
		Match       string `json:"match"`
		Message     string `json:"message"`
		Layer       string `json:"layer"`
		BodyKey     string `json:"body_key"`
		Header      string `json:"errortype_header"`
		Obsolete    bool   `json:"obsolete"`
		Placeholder bool   `json:"placeholder"`
	} `json:"expect"`
}

func readCorpus(t testing.TB, name string) []corpusCase {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []corpusCase }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return file.Cases
}

// call builds the call that a server would hand to validate.
func (cc corpusCase) call(t testing.TB, catalogue *models.Catalogue) *call {
	t.Helper()
	body := decodeObject(cc.Request.Body)
	if cc.Expect.Placeholder {
		expand(t, cc.ID, body)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	c := &call{Op: cc.Op, ModelID: cc.Model, Body: body, Raw: raw, Caller: "arn:aws:iam::123456789012:user/x"}
	c.Model, _ = catalogue.Lookup(cc.Model)
	return c
}

// expand replaces what a corpus leaves to the reader: texts of a given size and
// 21 images of which one is too large for so many.
func expand(t testing.TB, id string, body map[string]any) {
	t.Helper()
	switch id {
	case "m25": // <200049 tokens>
		first := firstBlock(body)
		first["text"] = ""
		first["text"] = strings.Repeat("word", 200_049-countTokens(body))
	case "m26": // <MASSIVE_TEXT>
		firstBlock(body)["text"] = strings.Repeat("word", 1_000_001)
	case "m28":
		message := object(array(body["messages"])[0])
		for i := range manyImages + 1 {
			message["content"] = append(array(message["content"]), testImage(t, 1+2000*(i/manyImages), 1))
		}
	case "i03":
		body["inputText"] = strings.Repeat("x", 160_000)
	case "i04":
		body["inputText"] = strings.Repeat("word", 9_875)
	default:
		t.Fatalf("%s: a placeholder that the test does not know", id)
	}
}

func firstBlock(body map[string]any) map[string]any {
	return object(array(dig(array(body["messages"])[0], "content"))[0])
}

// testImage is a PNG block of the given size.
func testImage(t testing.TB, w, h int) map[string]any {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return map[string]any{"image": map[string]any{"format": "png",
		"source": map[string]any{"bytes": base64.StdEncoding.EncodeToString(b.Bytes())}}}
}

// loadCatalogue spares hundreds of cases the parsing.
var loadCatalogue = sync.OnceValues(models.Load)

func testCatalogue(t testing.TB) *models.Catalogue {
	t.Helper()
	catalogue, err := loadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	return catalogue
}

func TestCorpusValid(t *testing.T) {
	catalogue := testCatalogue(t)
	cases := readCorpus(t, "requests-valid.json")
	for _, cc := range cases {
		t.Run(cc.ID, func(t *testing.T) {
			c := cc.call(t, catalogue)
			if c.Model == nil {
				t.Errorf("the catalogue does not know %s", cc.Model)
			}
			if err := validate(c, nil); err != nil {
				t.Errorf("%s: refused: %v", cc.Description, err)
			}
		})
	}
	if len(cases) != 42 {
		t.Errorf("%d valid cases, want 42", len(cases))
	}
}

// moods says how the cases that depend on the state of an account, or on a
// model's mood, are switched on. Everything else must be refused by itself.
func moods() map[string]string {
	return map[string]string{
		"r05": "no-model-access", "r06": "legacy-idle", "r07": "use-case-form", "r08": "marketplace", "r09": "iam",
		"r10": "unknown-key", "r11": "expired-token", "r12": "bad-api-key",
		"r13": "throttle-tokens", "r14": "throttle-day", "r15": "throttle-requests",
		"m27": "too-long", "m29": "invalid-tool-use", "m30": "no-streaming",
	}
}

// authLayer lists the cases that the signature layer refuses before a request
// reaches validate: the server's tests send them with real credentials. Here
// they only show that a mood can give the same answer.
func authLayer() []string { return []string{"r10", "r11", "r12"} }

func TestCorpusInvalid(t *testing.T) {
	catalogue := testCatalogue(t)
	seen := map[string]int{}
	for _, name := range []string{"requests-invalid.json", "requests-known.json"} {
		for _, cc := range readCorpus(t, name) {
			seen[name]++
			if cc.Expect.Obsolete {
				seen["obsolete"]++
				continue
			}
			t.Run(cc.ID, func(t *testing.T) {
				state := &mood{Refuse: moods()[cc.ID]}
				stateLayer := slices.Contains([]string{"auth", "throttle"}, cc.Expect.Layer)
				if stateLayer && state.Refuse == "" {
					t.Errorf("layer %s needs a mood", cc.Expect.Layer)
				}
				c := cc.call(t, catalogue)
				if state.Refuse != "" {
					if err := validate(c, nil); err != nil {
						t.Errorf("refused without its mood: %v", err)
					}
				}
				expectRefusal(t, cc, validate(c, state))
			})
		}
	}
	if seen["requests-invalid.json"] != 55 || seen["requests-known.json"] != 37 || seen["obsolete"] != 1 {
		t.Errorf("cases: %v, want 55 invalid and 37 known, 1 of them obsolete", seen)
	}
	for _, id := range authLayer() {
		if moods()[id] == "" {
			t.Errorf("%s: no mood gives the answer of the signature layer", id)
		}
	}
}

func expectRefusal(t *testing.T, cc corpusCase, err *apiError) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s: accepted, want %d %s %q", cc.Description, cc.Expect.Status, cc.Expect.ErrorType, cc.Expect.Message)
	}
	if err.Status != cc.Expect.Status || err.Type != cc.Expect.ErrorType {
		t.Errorf("%d %s, want %d %s", err.Status, err.Type, cc.Expect.Status, cc.Expect.ErrorType)
	}
	want, ok := cc.Expect.Message, false
	switch cc.Expect.Match {
	case "exact":
		ok = err.Message == want
	case "prefix":
		ok = strings.HasPrefix(err.Message, want)
	case "contains":
		ok = strings.Contains(err.Message, want)
	case "any":
		ok = err.Message != ""
	}
	if !ok {
		t.Errorf("message (%s)\n got %s\nwant %s", cc.Expect.Match, err.Message, want)
	}
	key := cc.Expect.BodyKey
	if key == "" {
		key = "message"
	}
	if err.body()[key] != err.Message {
		t.Errorf("body %v, want the text under %q", err.body(), key)
	}
	if cc.Expect.Header != "" && err.header() != cc.Expect.Header {
		t.Errorf("x-amzn-errortype %s, want %s", err.header(), cc.Expect.Header)
	}
}

// The example must stay what it says, or the placeholders show nothing.
func TestExpandedSizes(t *testing.T) {
	body := decodeObject([]byte(`{"messages":[{"role":"user","content":[{"text":"<200049 tokens>"}]}]}`))
	expand(t, "m25", body)
	if n := countTokens(body); n != 200_049 {
		t.Errorf("m25 expands to %s tokens", strconv.Itoa(n))
	}
}
