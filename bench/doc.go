// Package bench measures what Outcrop adds to a call of Bedrock: go test -bench . ./bench.
package bench
