//go:build !linux

package main

// unmapUnused does nothing where nothing is known of the program's pages.
func unmapUnused() {}
