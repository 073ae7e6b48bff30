package bedrock

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"testing"

	"outcrop/internal/llm"
)

// The counts are those of the public tokenizers gpt-tokenizer (o200k_base, gpt-oss's), llama3-tokenizer-js
// and @anthropic-ai/tokenizer (Claude 2's; newer Claudes do not publish theirs).
func TestEstimateIsNearTheTokenizers(t *testing.T) {
	texts := []struct {
		name, text            string
		gptOss, claude, llama int
	}{
		{"English", "Amazon Bedrock is a fully managed service that offers a choice of foundation models from leading companies through a single interface. With it you can experiment with and evaluate the models for your use case, privately customise them with your data, and build agents that carry out tasks using your enterprise systems and data sources.", 60, 61, 61},
		{"Go", "func (c *Client) Ready(ctx context.Context) error {\n\tif !c.apiKey.IsZero() {\n\t\treturn nil\n\t}\n\t_, err := c.wallet.get(ctx)\n\treturn err\n}\n", 41, 55, 41},
		{"JSON", `{"type":"object","properties":{"city":{"type":"string","description":"The city to look up"},"units":{"type":"string","enum":["celsius","fahrenheit"]}},"required":["city"],"additionalProperties":false}`, 48, 47, 46},
		{"German", "Die Bundesregierung hat heute beschlossen, die Förderung erneuerbarer Energien weiter auszubauen und die Genehmigungsverfahren zu beschleunigen.", 28, 48, 39},
		{"Russian", "Сегодня утром правительство объявило о новых мерах поддержки малого и среднего бизнеса в регионах страны.", 20, 54, 28},
		{"Chinese", "今天上午，政府宣布了支持中小企业发展的新措施，包括减税和提供低息贷款。", 22, 41, 28},
		{"Japanese", "今日の午前中、政府は中小企業を支援するための新しい対策を発表しました。", 26, 35, 23},
		{"figures", "2024-01-15 12:30:45, 1234567, 99.95, 42, 3.14159265, 2025-12-31T23:59:59Z, 10000000", 52, 43, 52},
	}
	for _, tt := range texts {
		for family, want := range map[string]int{"gpt-oss": tt.gptOss, "Claude": tt.claude, "Llama": tt.llama} {
			m := measureOf(family)
			got := m.text(tt.text)
			if ratio := float64(got) / float64(want); ratio < 0.7 || ratio > 1.4 {
				t.Errorf("%s for %s: %d tokens, its tokenizer counts %d", tt.name, family, got, want)
			}
		}
	}
}

func picture(t *testing.T, w, h int, asJPEG bool) []byte {
	t.Helper()
	var b bytes.Buffer
	err := error(nil)
	if img := image.NewGray(image.Rect(0, 0, w, h)); asJPEG {
		err = jpeg.Encode(&b, img, nil)
	} else {
		err = png.Encode(&b, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEstimateCountsImagesByTheirPixels(t *testing.T) {
	webp := func(kind, rest string) []byte { return []byte("RIFF\x00\x00\x00\x00WEBP" + kind + rest) }
	tests := []struct {
		name, family string
		bytes        []byte
		want         int
	}{
		// The three examples of docs.claude.com/en/docs/build-with-claude/vision.
		{"200x200", "Claude", picture(t, 200, 200, false), 54},
		{"1000x1000", "Claude", picture(t, 1000, 1000, true), 1334},
		{"1092x1092", "Claude", picture(t, 1092, 1092, false), 1590},
		{"scaled down", "Claude", picture(t, 4000, 3000, false), 1600},
		{"long and thin, scaled down", "Claude", picture(t, 3136, 100, false), 105},
		{"WebP, lossy", "Claude", webp("VP8 ", "\x00\x00\x00\x00\x00\x00\x00\x9d\x01\x2a\xc8\x00\xc8\x00\x00\x00"), 54},
		{"WebP, lossless", "Claude", webp("VP8L", "\x00\x00\x00\x00\x2f\xc7\xc0\x31\x00\x00\x00\x00\x00\x00\x00\x00"), 54},
		{"WebP, extended", "Claude", webp("VP8X", "\x00\x00\x00\x00\x00\x00\x00\x00\xc7\x00\x00\xc7\x00\x00\x00\x00"), 54},
		{"damaged", "Claude", []byte("\x89PNG\r\n\x1a\n"), 1600},
		{"Nova, 900x900", "Nova", picture(t, 900, 900, false), 1247}, // about 1300, AWS says
		{"Qwen, 28 by 28 pixels a token", "Qwen", picture(t, 280, 280, false), 100},
	}
	for _, tt := range tests {
		m := measureOf(tt.family)
		if got := m.file(llm.Blob{Bytes: tt.bytes}); got != tt.want {
			t.Errorf("%s: got %d tokens, want %d", tt.name, got, tt.want)
		}
	}
}
