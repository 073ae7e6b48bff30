//go:build aws

package aws_test

import (
	"errors"
	"os"
	"testing"
)

// TestAWS is the proof on a real account.
func TestAWS(t *testing.T) {
	o, err := readOptions(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	a, err := openAccount(t.Context(), os.Getenv)
	if errors.Is(err, errNoAccount) {
		t.Skip("\n\n" + err.Error() + "\n")
	}
	if err != nil {
		t.Fatal(err)
	}
	if s := prove(t, a, o, os.Stdout); s != nil {
		s.verdict(t, o.strict)
	}
}
