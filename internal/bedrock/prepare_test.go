package bedrock

import (
	"testing"

	"outcrop/internal/openai"
)

// BenchmarkBuild is the translation to Converse's body alone, for a model of which nothing is known
// and for those whose rules ask the most: cache points, strict limits, flat schemas.
func BenchmarkBuild(b *testing.B) {
	for _, name := range []string{"2KB", "56KB-tools", "1MB-image"} {
		req, _, err := openai.DecodeChat(benchBodies[name])
		if err != nil {
			b.Fatal(err)
		}
		for how, id := range map[string]string{"stranger": stranger, "claude": claude35, "nova": novaLite} {
			if name == "1MB-image" && how != "stranger" {
				continue // what the benchmark calls an image is none, and they would say so
			}
			tr := modelTraits(b, id)
			b.Run(name+"/"+how, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := build(req, tr); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
