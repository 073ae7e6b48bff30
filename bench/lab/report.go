package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// report is the tables, as Markdown.
type report struct {
	costs, details, latencies, memories, scales, rest strings.Builder
	firstScale                                        [2]measured
}

// micros is a time in microseconds.
func micros(d float64) string { return fmt.Sprintf("%.0f", d/1e3) }

// met marks a figure that misses its goal.
func met(value, must, reach float64) string {
	switch {
	case must == 0:
		return ""
	case value > must:
		return " **missed**"
	case reach > 0 && value <= reach:
		return " (reach)"
	}
	return ""
}

func (r *report) cost(w *work, all []*candidate, results map[string]*taken) {
	if r.costs.Len() == 0 {
		r.costs.WriteString("| work | CPU / ReverseProxy | must | reach | CPU / AWS SDK client | must | adapter / ReverseProxy |\n|---|--:|--:|--:|--:|--:|--:|\n")
		r.details.WriteString("| work | candidate | CPU, µs (user, system) | allocations | answers per second and core |\n|---|---|--:|--:|--:|\n")
	}
	proxy, sdk, serve, adapter := results[all[0].name], results[all[1].name], results[all[2].name], results[all[3].name]
	toProxy, toSDK := ratio(serve, proxy), ratio(serve, sdk)
	fmt.Fprintf(&r.costs, "| %s | %.2f%s | %.2f | %.2f | %.3f%s | %.2f | %.2f |\n", w.name,
		toProxy, met(toProxy, w.must, w.reach), w.must, w.reach, toSDK, met(toSDK, w.sdk, 0), w.sdk, ratio(adapter, proxy))
	for _, c := range all {
		t := results[c.name]
		cpu := t.each(func(m measured) time.Duration { return m.cpu })
		fmt.Fprintf(&r.details, "| %s | %s | %s (%s, %s) | %.0f | %.0f |\n", w.name, c.name, micros(cpu),
			micros(t.each(func(m measured) time.Duration { return m.user })), micros(t.each(func(m measured) time.Duration { return m.system })), t.mallocs, 1e9/cpu)
	}
}

func (r *report) latency(rate int, all []*candidate, took map[string][][]time.Duration) {
	if r.latencies.Len() == 0 {
		r.latencies.WriteString("| requests/s | candidate | added p50, µs | / ReverseProxy | added p99, µs | / ReverseProxy | the slowest, ms |\n|--:|---|--:|--:|--:|--:|--:|\n")
	}
	direct := took[all[0].name]
	added := func(c *candidate, share float64) float64 {
		times := took[c.name]
		return median(len(times), func(i int) float64 {
			return float64(times[i][int(share*float64(len(times[i])))] - direct[i][int(share*float64(len(direct[i])))])
		})
	}
	for _, c := range all[1:] {
		slowest := time.Duration(0)
		for _, times := range took[c.name] {
			slowest = max(slowest, times[len(times)-1])
		}
		p50, p99 := added(c, 0.50), added(c, 0.99)
		fmt.Fprintf(&r.latencies, "| %d | %s | %s | %.2f | %s | %.2f | %.1f |\n", rate, c.name,
			micros(p50), p50/added(all[1], 0.50), micros(p99), p99/added(all[1], 0.99), slowest.Seconds()*1e3)
	}
}

func (r *report) memory(c *candidate, idle, live int64, streams, must, reach int) {
	if r.memories.Len() == 0 {
		fmt.Fprintf(&r.memories, "| %d open streams, a delta every 5 s | idle, MB | with all, MB | per stream, KB | must | reach |\n|---|--:|--:|--:|--:|--:|\n", streams)
	}
	each := float64(live-idle) / float64(streams) / 1024
	goal := func(n int) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprint("≤ ", n)
	}
	fmt.Fprintf(&r.memories, "| %s | %.1f | %.0f | %.1f%s | %s | %s |\n", c.name, float64(idle)/(1<<20), float64(live)/(1<<20), each,
		met(each, float64(must), float64(reach)), goal(must), goal(reach))
}

// scale has what outcrop and the proxy took.
func (r *report) scale(streams int, took [2]measured) {
	if r.scales.Len() == 0 {
		r.scales.WriteString("| streams at once | outcrop serve: CPU per stream of 20 deltas, µs | / that of 10 | ReverseProxy, µs | / that of 10 | outcrop / ReverseProxy |\n|--:|--:|--:|--:|--:|--:|\n")
		r.firstScale = took
	}
	fmt.Fprintf(&r.scales, "| %d |", streams)
	for i, m := range took {
		fmt.Fprintf(&r.scales, " %s | %.2f |", micros(float64(m.cpu)), float64(m.cpu)/float64(r.firstScale[i].cpu))
	}
	fmt.Fprintf(&r.scales, " %.2f |\n", float64(took[0].cpu)/float64(took[1].cpu))
}

func (r *report) redis(local, shared *taken) {
	cpu := func(t *taken) float64 { return t.each(func(m measured) time.Duration { return m.cpu }) }
	extra := median(len(local.turns), func(i int) float64 { return float64(shared.turns[i].cpu - local.turns[i].cpu) })
	fmt.Fprintf(&r.rest, "Counting in Redis: a plain chat costs %s µs of our CPU instead of %s, %s µs more for the two round trips (admit and settle; must: ≤ 60 µs each).\n\n",
		micros(cpu(shared)), micros(cpu(local)), micros(extra))
}

func (r *report) text(s string) { r.rest.WriteString(s + "\n\n") }

// The lab's part of the document stands between these.
const begins, ends = "<!-- lab:begin -->\n", "<!-- lab:end -->\n"

func (r *report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", machine())
	for _, table := range []*strings.Builder{&r.costs, &r.details, &r.latencies, &r.memories, &r.scales} {
		if table.Len() > 0 {
			b.WriteString(table.String() + "\n")
		}
	}
	b.WriteString(r.rest.String())
	return b.String()
}

// write prints the report, or puts it into the document.
func (r *report) write(file string) error {
	if file == "" {
		_, err := fmt.Print(r.String())
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), begins)
	_, after, closed := strings.Cut(rest, ends)
	if !found || !closed {
		return fmt.Errorf("%s has no place between %q and %q", file, strings.TrimSpace(begins), strings.TrimSpace(ends))
	}
	return os.WriteFile(file, []byte(before+begins+r.String()+ends+after), 0o600)
}

// machine says where and when the figures were taken.
func machine() string {
	model := "an unknown CPU"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		kernel = []byte("an unknown kernel")
	}
	revision, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		revision = []byte("an unknown commit")
	}
	return fmt.Sprintf("Taken %s at %s: %s, %d CPUs, Linux %s, %s/%s.", time.Now().UTC().Format(time.DateOnly), strings.TrimSpace(string(revision)),
		model, runtime.NumCPU(), strings.TrimSpace(string(kernel)), runtime.Version(), runtime.GOARCH)
}
