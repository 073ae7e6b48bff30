// Package charts is the Helm chart, as files in the binary.
package charts
