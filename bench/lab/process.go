package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// process is a program that runs beside.
type process struct {
	cmd     *exec.Cmd
	log     string // file
	address string
	metrics string // URL of its numbers; "" for none
}

// start runs a program. Its log goes to a file in dir: a JSON line for each request is part of what is measured.
func start(dir, name string, env []string, args ...string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Stderr, cmd.Dir = append(os.Environ(), env...), log, dir
	return &process{cmd: cmd, log: log.Name()}, nil
}

// listening runs it and reads the address that it prints.
func (p *process) listening() error {
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "listening "); ok {
			p.address = address
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return nil
		}
	}
	return fmt.Errorf("%s did not listen: %w", p.cmd.Path, errors.Join(lines.Err(), p.cmd.Wait()))
}

// answers runs it and waits until its health says that it serves.
func (p *process) answers(url string) error {
	if err := p.cmd.Start(); err != nil {
		return err
	}
	for range 600 {
		if response, err := http.Get(url); err == nil {
			_ = response.Body.Close()
			if response.StatusCode < 500 {
				return nil
			}
		}
		<-time.After(50 * time.Millisecond)
	}
	said, err := os.ReadFile(p.log)
	return errors.Join(fmt.Errorf("%s does not answer at %s; it said: %.2000s", p.cmd.Path, url, said), err)
}

func (p *process) stop() {
	if p == nil || p.cmd.Process == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// spent is what a process has used.
type spent struct {
	cpu          time.Duration // of all threads
	user, system time.Duration
}

func (p *process) spent() (s spent, err error) {
	pid := strconv.Itoa(p.cmd.Process.Pid)
	tasks, err := filepath.Glob("/proc/" + pid + "/task/*/schedstat")
	if err != nil {
		return s, err
	}
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		on, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(on, 10, 64)
		if err != nil {
			return s, err
		}
		s.cpu += time.Duration(ns)
	}
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return s, err
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	for i, to := range map[int]*time.Duration{11: &s.user, 12: &s.system} {
		ticks, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return s, err
		}
		*to = time.Duration(ticks) * (time.Second / 100) // USER_HZ
	}
	return s, nil
}

// mallocs is how often it has allocated so far. To be asked for its numbers costs it more than a short turn may.
func (p *process) mallocs() (float64, error) { return p.number("go_memstats_mallocs_total") }

// number is one of the process's metrics, 0 when it has none.
func (p *process) number(name string) (float64, error) {
	if p.metrics == "" {
		return 0, nil
	}
	response, err := http.Get(p.metrics)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, nil
}

// resident is its memory in bytes, VmRSS of /proc/PID/status.
func (p *process) resident() (int64, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(rest)
	kb, err := strconv.ParseInt(fields[0], 10, 64)
	return kb << 10, err
}
