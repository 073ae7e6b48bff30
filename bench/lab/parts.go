package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"syscall"
	"time"
)

// latency is the second table: how much later an answer comes than from the mock itself, at two rates.
func latency(r *rig, report *report, o options) error {
	proxy, err := r.proxy(false)
	if err != nil {
		return err
	}
	serve, err := r.serve("outcrop serve", way{})
	if err != nil {
		return err
	}
	sdk, err := r.sdk()
	if err != nil {
		return err
	}
	direct, err := r.direct()
	if err != nil {
		return err
	}
	w := works()[0]
	all := []*candidate{direct, proxy, serve, sdk}
	for _, rate := range []int{300, 2000} {
		took := map[string][][]time.Duration{}
		for round := range o.rounds {
			for i := range all {
				c := all[(i+round)%len(all)]
				times, err := openLoop(c, w, rate, 2*o.least)
				if err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				took[c.name] = append(took[c.name], times)
			}
		}
		report.latency(rate, all, took)
	}
	return nil
}

// memory is the third table: what a process holds for each stream that is open and says something now and then.
func memory(r *rig, report *report, o options) error {
	streams := min(o.streams, descriptors()/2-200)
	slow := &work{model: modelSlow, deployment: "slow", stream: true, chat: works()[0].chat, plain: works()[0].plain}
	for _, way := range []struct {
		must, reach int // KB
		start       func() (*candidate, error)
	}{
		{0, 0, func() (*candidate, error) { return r.proxy(false) }},
		{80, 45, func() (*candidate, error) { return r.serve("outcrop serve", way{}) }},
		{0, 0, func() (*candidate, error) { return r.proxy(true) }},
		{52, 30, func() (*candidate, error) { return r.serve("outcrop serve, HTTP/2", way{http2: true}) }},
	} {
		running := len(r.all)
		c, err := way.start()
		if err != nil {
			return err
		}
		idle, live, err := holding(c, slow, streams)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		report.memory(c, idle, live, streams, way.must, way.reach)
		r.stop(running)
	}
	return nil
}

// holding opens streams and returns the resident memory before, and when each has said something twice.
func holding(c *candidate, w *work, streams int) (idle, live int64, err error) {
	<-time.After(3 * time.Second)
	if idle, err = c.process.resident(); err != nil {
		return 0, 0, err
	}
	h, err := hold(c, w, streams)
	if err != nil {
		return 0, 0, err
	}
	defer h.end()
	for range 60 {
		<-time.After(time.Second)
		least, failed := h.least()
		if failed != nil {
			return 0, 0, failed
		}
		if least >= 4 { // the start, and deltas five seconds apart
			live, err = c.process.resident()
			return idle, live, err
		}
	}
	return 0, 0, errors.New("a stream was not served")
}

// descriptors is how many files a process may have open.
func descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return int(min(limit.Max, 1<<20))
}

// scale is the fourth table: the same events per second on few and on many streams, with a large configuration; and what that
// costs who only passes bytes on.
func scale(r *rig, report *report, o options) error {
	const events, perSecond = 20, 3000
	serve, err := r.serve("outcrop serve, large", way{large: true})
	if err != nil {
		return err
	}
	proxy, err := r.proxy(false)
	if err != nil {
		return err
	}
	for _, streams := range []int{10, 100, 1000, 5000} {
		streams = min(streams, descriptors()/2-200)
		every := time.Duration(streams) * time.Second / perSecond
		if _, err := r.ask(r.mock1, http.MethodPut, "/pace/"+modelPaced, encoded(pace{events, every})); err != nil {
			return err
		}
		w := *works()[2]
		w.conns, w.words, w.least = streams, events, o.least
		var took [2]measured
		for i, c := range []*candidate{serve, proxy} {
			if _, err := closedLoop(c, &w, 0); err != nil { // connections exist, pools are filled
				return err
			}
			if took[i], err = once(c, &w); err != nil {
				return err
			}
		}
		report.scale(streams, took)
	}
	_, err = r.ask(r.mock1, http.MethodPut, "/pace/"+modelPaced, encoded(pace{deltas, 10 * time.Millisecond}))
	return err
}

// redis is the fifth table: what it costs to count in a Redis.
func redis(r *rig, report *report, o options) error {
	address, _, err := freePorts()
	if err != nil {
		return err
	}
	program, err := exec.LookPath("redis-server")
	if errors.Is(err, exec.ErrNotFound) {
		report.text("Redis was not measured: redis-server is not installed.")
		return nil
	}
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	p, err := start(r.dir, "redis", nil, program, "--port", port, "--save", "", "--bind", "127.0.0.1")
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	r.all = append(r.all, p)
	<-time.After(time.Second)
	local, err := r.serve("outcrop serve", way{})
	if err != nil {
		return err
	}
	shared, err := r.serve("outcrop serve, Redis", way{redis: "redis://" + address})
	if err != nil {
		return err
	}
	w := works()[0]
	w.least = o.least
	results, err := rounds([]*candidate{local, shared}, w, o.rounds)
	if err != nil {
		return err
	}
	report.redis(results[local.name], results[shared.name])
	return nil
}
