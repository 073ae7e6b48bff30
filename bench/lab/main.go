// Command lab measures what stands between a client and Bedrock, several candidates side by side in one run: outcrop
// serve and outcrop adapter with everything on, a reverse proxy that only passes bytes on, the same job through the AWS
// SDK, and whatever a file of peers names. make bench runs it and writes the tables of docs/performance.md.
//
// Everything runs on the loopback as processes of their own: a Bedrock that answers at once (lab mock), the candidates,
// and the load generator, which checks every answer. Ratios are of candidates that took turns in the same minute.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// options are what a run is asked for.
type options struct {
	outcrop string
	peers   string
	out     string // the file whose tables are written; "" for standard output
	only    string
	parts   string
	rounds  int
	least   time.Duration
	streams int
}

func (o options) wants(name string) bool { return strings.Contains(name, o.only) }

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

// command runs one of the lab's programs: mock, proxy and sdk are started by run.
func command(args []string) error {
	name := "run"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("lab "+name, flag.ContinueOnError)
	if name == "run" {
		return runLab(flags, args)
	}
	dir := flags.String("dir", "", "where the mock's certificate is")
	http2 := flags.Bool("http2", false, "HTTP/2 in place of HTTP/1.1")
	upstream := flags.String("upstream", "", "address of the mock")
	upstream2 := flags.String("upstream2", "", "address of the mock that speaks HTTP/2")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if name == "mock" {
		return serveMock(*dir, *http2)
	}
	trust, err := trusting(*dir, *http2)
	if err != nil {
		return err
	}
	switch name {
	case "proxy":
		return serveProxy(*upstream, trust)
	case "sdk":
		trust2, err := trusting(*dir, true)
		if err != nil {
			return err
		}
		return serveSDK(*upstream, *upstream2, trust, trust2)
	}
	return fmt.Errorf("%q is none of run, mock, proxy and sdk", name)
}

func runLab(flags *flag.FlagSet, args []string) error {
	var o options
	flags.StringVar(&o.outcrop, "outcrop", "bin/outcrop", "the binary that is measured")
	flags.StringVar(&o.peers, "peers", "", "JSON file of other gateways to measure, see bench/peers.example.json")
	flags.StringVar(&o.out, "write", "", "document whose tables are rewritten, such as docs/performance.md; without it they are printed")
	flags.StringVar(&o.only, "only", "", "only works whose name contains this")
	flags.StringVar(&o.parts, "parts", "cost,latency,memory,scale,redis", "what is measured")
	flags.IntVar(&o.rounds, "rounds", 7, "how often the candidates take turns")
	flags.DurationVar(&o.least, "round", time.Second, "how long a round is for each of them at least: it is cut into turns")
	flags.IntVar(&o.streams, "streams", 9900, "how many streams are held open at once; fewer where descriptors do not suffice")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "outcrop-lab-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if o.outcrop, err = filepath.Abs(o.outcrop); err != nil {
		return err
	}
	r, err := newRig(dir, o.outcrop)
	if r != nil {
		defer func() { r.stop(0) }()
	}
	if err != nil {
		return err
	}
	tables := &report{}
	var failed []error // a part that fails does not lose the others
	for _, part := range []struct {
		name string
		run  func(*rig, *report, options) error
	}{{"cost", costs}, {"latency", latency}, {"memory", memory}, {"scale", scale}, {"redis", redis}} {
		if !strings.Contains(o.parts, part.name) {
			continue
		}
		running := len(r.all)
		if err := part.run(r, tables, o); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", part.name, err))
		}
		r.stop(running)
	}
	return errors.Join(append(failed, tables.write(o.out))...)
}
