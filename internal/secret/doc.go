// Package secret is a value that prints as REDACTED through every formatter, log and encoder.
//
// A password that is a plain string ends up in a log sooner or later: by a %+v
// of a configuration, by an error that quotes its input, by a debug dump. A
// [String] has to be asked for its value by name ([String.Reveal]), so every
// place that can leak is found by searching for one word.
package secret
