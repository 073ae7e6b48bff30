// Package faults breaks what stands around the real binary, and looks at what its clients see and what it
// accounts for: make faults runs it, docs/reliability.md has its table.
package faults
