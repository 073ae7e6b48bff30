// Package charts is the Helm chart, as files in the binary.
package charts

import "embed"

// FS has the chart below outcrop/: Chart.yaml, values.yaml, values.schema.json, templates.
//
//go:embed all:outcrop
var FS embed.FS
