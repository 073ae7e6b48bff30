package main

import (
	"cmp"
	"errors"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"outcrop/internal/config"
	"outcrop/internal/gateway"
	"outcrop/internal/telemetry"
)

// loadFlags bound what is in work at once; 0 leaves it to the settings or to what the process has.
type loadFlags struct {
	requests int
	bodies   int64
}

func (f *loadFlags) flags(flags *pflag.FlagSet) {
	flags.IntVar(&f.requests, "max-requests", 0, "how many requests may be in work at once, their streams included; more are refused with 429 or 503 and Retry-After; 0 for as many as memory and descriptors are for")
	flags.Int64Var(&f.bodies, "body-memory", 0, "how many `BYTES` the bodies of all requests in work may have together; 0 for a sixteenth of the memory, at least 32 MiB")
}

func (f loadFlags) check() error {
	switch {
	case f.requests < 0:
		return errors.New("--max-requests is negative: it must be a number of requests, or 0")
	case f.bodies < 0:
		return errors.New("--body-memory is negative: it must be a number of bytes, or 0")
	}
	return nil
}

const (
	// requestMemory is what a request in work has of the memory, in bytes: an open stream was measured to take 106 KB
	// (docs/performance.md).
	requestMemory = 128 << 10
	// requestDescriptors are one of the client and one of the upstream, otherDescriptors those of everything else.
	requestDescriptors, otherDescriptors = 2, 200
	// leastBodies is what the bodies have at least, in bytes; one that is longer than half of that may be there besides.
	leastBodies = 32 << 20
	// bodyShare is which part of the memory the bodies have: a body is in memory several times, as it came, as it grew, and
	// as the upstream gets it.
	bodyShare = 16
	// leastQueue and mostQueue are how many requests may wait, of any number of places, and usualWait how long.
	leastQueue, mostQueue = 16, 256
	usualWait             = time.Second
)

// room is what the process has.
type room struct {
	memory      int64 // bytes
	descriptors int
}

// roomOf is what this process has: the memory that the garbage collector keeps within, or else half the machine's.
func roomOf() room {
	r := room{memory: debug.SetMemoryLimit(-1), descriptors: math.MaxInt32}
	if r.memory == math.MaxInt64 {
		r.memory = machineMemory(os.ReadFile) / 2
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		r.descriptors = int(min(limit.Cur, math.MaxInt32))
	}
	return r
}

// usualMemory is what a machine is taken to have that does not say.
const usualMemory = 4 << 30

// machineMemory is MemTotal (https://docs.kernel.org/filesystems/proc.html#meminfo), in bytes.
func machineMemory(read func(string) ([]byte, error)) int64 {
	text, err := read("/proc/meminfo")
	if err != nil {
		return usualMemory
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			if kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64); err == nil {
				return kib << 10
			}
		}
	}
	return usualMemory
}

// options are the bounds: what the flags say, else the settings, else what the process has room for.
func (f loadFlags) options(stated config.LoadBounds, r room) gateway.LoadOptions {
	fit := min(r.memory/2/requestMemory, int64(max(0, r.descriptors-otherDescriptors)/requestDescriptors))
	o := gateway.LoadOptions{
		Places: cmp.Or(f.requests, stated.Requests, int(max(fit, 1))), Share: stated.PerCaller, Queue: stated.Queue,
		Wait: cmp.Or(stated.Wait, usualWait), Bodies: cmp.Or(f.bodies, stated.Bodies, max(r.memory/bodyShare, leastBodies)),
	}
	if o.Queue < 0 {
		o.Queue = min(max(o.Places, leastQueue), mostQueue)
	}
	return o
}

// watchLoad shows in the metrics what is in work, and how many connections were closed for want of descriptors.
func watchLoad(m *telemetry.Metrics, l *gateway.Load, c *crowd) {
	m.WatchLoad(func() telemetry.Load {
		s := l.State()
		s.Refused["connections"] = c.refused.Load()
		return telemetry.Load{Places: s.Places, Running: s.Running, Waiting: s.Waiting, Bodies: s.Bodies, Refused: s.Refused}
	})
}

// begin are the bounds of this process, shown in the metrics.
func (f loadFlags) begin(stated config.LoadBounds, m *telemetry.Metrics, log *slog.Logger) (*gateway.Load, *crowd) {
	r := roomOf()
	o := f.options(stated, r)
	l, c := gateway.NewLoad(o), newCrowd(r, o.Places, log)
	if m != nil {
		watchLoad(m, l, c)
	}
	return l, c
}
