package importer

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/models"
)

// importType is the type of a model in a configuration, "" for a kind that is not served.
func importType(m *models.Model) string {
	switch m.Kind {
	case models.Chat, models.Image:
		return "chat"
	case models.Embedding:
		return "embedding"
	case models.Rerank:
		return "rerank"
	}
	return ""
}

// entryValue is the model as the import writes it.
func (p *importPlan) entryValue(m *models.Model, endpoint string, regions []string) *tree {
	upstreams := &tree{kind: treeList}
	for _, region := range regions {
		upstreams.items = append(upstreams.items, object(field("extraData", object(field("region", text(region))))))
	}
	out := object(
		field("type", text(importType(m))),
		field("displayName", text(displayName(m))),
		field("displayVersion", optional(displayVersion(m))),
		field("endpoint", text(endpoint)),
		field("limits", limitsOf(m)),
		field("pricing", pricingOf(m)),
		field("embeddingDimensions", count(m.VectorSize)),
		field("features", featuresOf(m)),
		field("inputAttachmentTypes", attachmentsOf(m)),
		field("maxInputAttachments", maxAttachments(m)),
		field("upstreams", upstreams),
	)
	if len(regions) == 0 {
		out.members = slices.DeleteFunc(out.members, func(m treeMember) bool { return m.name == "upstreams" })
	}
	return out
}

// displayName is the name without the geography, which is the version's: DIAL shows models of one name as
// versions of one model.
func displayName(m *models.Model) string {
	name := m.Name
	if m.Geo != "" && strings.HasSuffix(name, ")") {
		if i := strings.LastIndex(name, " ("); i > 0 {
			name = name[:i]
		}
	}
	if name == "" {
		name = m.Base
	}
	return name
}

// versionForm is the end of a model id that says which version it is: -20250929-v1:0, -v1:0, -v2.
var versionForm = regexp.MustCompile(`-((\d{8}-)?v\d+(:\d+)*(:[a-z0-9]+)?|\d{8})$`)

func displayVersion(m *models.Model) string {
	var parts []string
	if m.Geo != "" {
		parts = append(parts, strings.ToUpper(m.Geo))
	}
	if found := versionForm.FindStringSubmatch(m.Base); found != nil {
		parts = append(parts, found[1])
	}
	return strings.Join(parts, " ")
}

func optional(s string) *tree {
	if s == "" {
		return nil
	}
	return text(s)
}

func count(n int) *tree {
	if n <= 0 {
		return nil
	}
	return &tree{kind: treeNumber, text: strconv.Itoa(n)}
}

// filled is an object, or nil for an empty one.
func filled(t *tree) *tree {
	if len(t.members) == 0 {
		return nil
	}
	return t
}

func limitsOf(m *models.Model) *tree {
	return filled(object(field("maxTotalTokens", count(m.ContextWindow)), field("maxCompletionTokens", count(m.MaxOutputTokens))))
}

func pricingOf(m *models.Model) *tree {
	if m.Prices == nil || m.Prices.Input == 0 && m.Prices.Output == 0 {
		return nil // what an image or a search costs has no place in DIAL's prices
	}
	price := func(perMillion float64, always bool) *tree {
		if perMillion == 0 && !always {
			return nil
		}
		return text(perToken(perMillion))
	}
	p := m.Prices
	return object(
		field("unit", text("token")), field("prompt", price(p.Input, true)), field("completion", price(p.Output, true)),
		field("cacheRead", price(p.CacheRead, false)), field("cacheWrite", price(p.CacheWrite, false)),
	)
}

// perToken is a price per million tokens as the price of one, to the digit: dividing a float would add some, and
// so has whoever worked out a price of the catalogue.
func perToken(perMillion float64) string {
	const decimals = 9 // a price has fewer
	digits := strings.TrimRight(strconv.FormatFloat(perMillion, 'f', decimals, 64), "0")
	whole, fraction, _ := strings.Cut(digits, ".")
	const millionth = 6
	whole = strings.Repeat("0", max(0, millionth+1-len(whole))) + whole
	cut := len(whole) - millionth
	out := strings.TrimRight(whole[:cut]+"."+whole[cut:]+fraction, "0")
	return strings.TrimSuffix(out, ".")
}

// featuresOf are those that differ from DIAL's defaults.
func featuresOf(m *models.Model) *tree {
	if m.Kind != models.Chat {
		return nil
	}
	say := func(name string, when bool, value string) treeMember {
		if !when {
			return field(name, nil)
		}
		return field(name, &tree{kind: treeBool, text: value})
	}
	c := m.Converse
	if c == nil {
		c = &models.Converse{System: true}
	}
	var efforts *tree
	switch c.Thinking {
	case "", models.ThinkingNone, models.ThinkingAlways:
	default:
		efforts = texts([]string{"low", "medium", "high"})
	}
	return filled(object(
		say("systemPromptSupported", !c.System, "false"),
		say("toolsSupported", c.Tools, "true"),
		say("temperatureSupported", c.Sampling == models.SamplingNone, "false"),
		say("customTemperatureSupported", c.Sampling == models.SamplingNone, "false"),
		say("contentPartsSupported", len(m.Input) > 1, "true"),
		say("maxCompletionTokensSupported", true, "true"),
		say("cacheSupported", m.PromptCache != nil && m.PromptCache.Explicit, "true"),
		field("reasoningEfforts", efforts),
	))
}

// mimeOf are the MIME types of Converse's format names that DIAL's clients send.
func mimeOf(kind, format string) string {
	special := map[string]string{
		"docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "pdf": "application/pdf",
		"mov": "video/quicktime", "mkv": "video/x-matroska", "flv": "video/x-flv", "mpg": "video/mpeg", "wmv": "video/x-ms-wmv", "three_gp": "video/3gpp",
	}
	if mime := special[format]; mime != "" {
		return mime
	}
	return kind + "/" + format
}

func attachmentsOf(m *models.Model) *tree {
	if m.Kind != models.Chat {
		return nil
	}
	var out []string
	add := func(kind string, formats ...string) {
		for _, f := range formats {
			if mime := mimeOf(kind, f); !slices.Contains(out, mime) {
				out = append(out, mime)
			}
		}
	}
	has := func(modality string) bool { return slices.Contains(m.Input, modality) }
	switch {
	case len(m.ImageTypes) > 0:
		add("image", m.ImageTypes...)
	case has("image"):
		add("image", "png", "jpeg", "gif", "webp")
	}
	add("application", m.DocumentTypes...)
	if has("pdf") {
		add("application", "pdf")
	}
	add("video", m.VideoTypes...)
	if len(out) == 0 {
		return nil
	}
	return texts(out)
}

// maxAttachments is Converse's bound of images in one request; without images that of documents.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
func maxAttachments(m *models.Model) *tree {
	const images, documents = 20, 5
	switch attachments := attachmentsOf(m); {
	case attachments == nil:
		return nil
	case len(m.ImageTypes) > 0 || slices.Contains(m.Input, "image"):
		return count(images)
	}
	return count(documents)
}
