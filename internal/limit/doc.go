// Package limit says yes or "come back in n seconds", and counts what was used.
package limit
