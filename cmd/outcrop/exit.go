package main

import "fmt"

// exitError ends the process with a status of its own. The command has said on
// its output what there is to say; main prints nothing more.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }
