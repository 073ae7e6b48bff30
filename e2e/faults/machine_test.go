//go:build faults

package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMachine: the disk is full, descriptors are used up, memory is short.
func TestMachine(t *testing.T) {
	l := &lab{t: t, bedrock: newBedrock(t), client: newClient()}
	l.clear = serve(t, l.bedrock, nil).Listener.Addr().String()
	models := object{"well": l.model(chatStream, "http://"+l.clear), "plain": l.model(chat, "http://"+l.clear)}
	for _, policy := range []string{"refuse", "admit"} {
		models["full-"+policy] = l.model(chatStream, "http://"+l.clear)
	}
	var got []record
	for _, policy := range []string{"refuse", "admit"} {
		t.Run("full disk, "+policy, func(t *testing.T) { got = append(got, fullDisk(t, l, configured(models), policy)) })
	}
	t.Run("descriptors", func(t *testing.T) { got = append(got, descriptors(t, l, configured(models))) })
	t.Run("memory", func(t *testing.T) { got = append(got, memory(t, l, configured(models))) })
	if want := 4; len(got) != want {
		t.Logf("%d of %d parts ran: the table is not compared", len(got), want)
		return
	}
	checkRecords(t, "machine", got)
}

// smallDisk is a directory with 4 MB, unless this machine does not let us make one.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
			t.Skip("NO FULL DISK: this machine does not let us mount a small tmpfs (CAP_SYS_ADMIN): " + err.Error())
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fullDisk fills the disk of --data-dir under a running process, and makes room again.
func fullDisk(t *testing.T, l *lab, configuration object, policy string) record {
	dir := smallDisk(t)
	p := start(t, setup{
		configuration: configuration, settings: object{"limits": object{"whenStoreDown": policy}}, args: []string{"--data-dir", filepath.Join(dir, "data")},
	})
	ask := func(model string) seen {
		s, err := chatStream.send(t.Context(), l.client, p.url, model)
		if err != nil {
			t.Error(err)
		}
		return s
	}
	if s := ask("well"); !s.whole() {
		t.Fatalf("before: %s", s)
	}
	fill(t, filepath.Join(dir, "ballast"))
	asked, last := 0, seen{}
	for range 20 { // what is written there already has some room
		last = ask("full-" + policy)
		asked++
		p.health(t)
	}
	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
	until(t, "a whole answer", func() bool { return ask("well").whole() })
	var r row
	until(t, "all is in the ledger", func() bool {
		r = ledger(t, "--data-dir", filepath.Join(dir, "data"))["full-"+policy]
		return r.Requests >= asked
	})
	text := "each once"
	if r.Requests != asked || r.Lost > 0 || policy == "admit" && r.Output != asked*words {
		text = fmt.Sprintf("%+v of %d", r, asked)
	}
	p.stop(t)
	return record{"the disk of `--data-dir` is full", "`whenStoreDown: " + policy + "`", last.String(), text}
}

// fill writes until there is no room.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{64 << 10, 4096, 1} {
		for err = nil; err == nil; {
			_, err = file.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// descriptors lets connections use them all up, and go.
func descriptors(t *testing.T, l *lab, configuration object) record {
	const limit = 80
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := start(t, setup{
		configuration: configuration, args: []string{"--data-dir", dir},
		wrap: []string{shell, "-c", "ulimit -n " + strconv.Itoa(limit) + `; exec "$0" "$@"`},
	})
	before := p.held(t)
	if s, err := chat.send(t.Context(), l.client, p.url, "plain"); err != nil || !s.whole() {
		t.Fatalf("before: %v: %s", err, s)
	}
	var open []net.Conn
	for range 2 * limit { // the system takes those that the process cannot
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	s, err := chat.send(ctx, l.client, p.url, "plain")
	sees := s.String()
	if err != nil {
		sees = "waits for a connection"
	}
	for _, c := range open {
		drop(c)
	}
	until(t, "a whole answer", func() bool {
		s, err := chat.send(t.Context(), l.client, p.url, "plain")
		return err == nil && s.whole()
	})
	p.health(t)
	until(t, "descriptors are free", func() bool { return p.held(t).within(held{before.goroutines + 2, before.descriptors + 2}) })
	p.stop(t)
	r := ledger(t, "--data-dir", dir)["plain"]
	if r.Errors > 1 || r.Lost > 0 || r.Output < 2*words {
		t.Errorf("%+v", r)
	}
	return record{"no descriptors are left", "connections that ask nothing", sees, "what is answered when they have gone"}
}

// memory sends more large bodies at once than the process may have of memory.
func memory(t *testing.T, l *lab, configuration object) record {
	const clients, size, limit = 24, 24 << 20, 256 << 20
	p := start(t, setup{configuration: configuration, env: []string{"GOMEMLIMIT=" + strconv.Itoa(limit)}})
	body := bytes.Repeat([]byte(" "), size)
	copy(body, `{"messages":[{"role":"user","content":"Hi"}],"max_tokens":5`)
	body[size-1] = '}'
	seen, all := make(map[int]int), sync.WaitGroup{}
	var mu sync.Mutex
	for range clients {
		all.Go(func() {
			status := post(t, l.client, p.url+"/openai/deployments/plain/chat/completions", body)
			mu.Lock()
			defer mu.Unlock()
			seen[status]++
		})
	}
	all.Wait()
	p.health(t)
	peak := mostMemory(t, p)
	t.Logf("%d bodies of %d MB: %v, %d MB at most", clients, size>>20, seen, peak>>20)
	if s, err := chat.send(t.Context(), l.client, p.url, "plain"); err != nil || !s.whole() {
		t.Errorf("afterwards: %v: %s", err, s)
	}
	if peak > limit || seen[http.StatusOK] == 0 {
		t.Errorf("%d MB where %d MB are the limit; statuses %v", peak>>20, limit>>20, seen)
	}
	return record{"more memory is asked for than `GOMEMLIMIT`", "24 bodies of 24 MB at once", "an answer, or 503; who sends on after it may find the connection closed", "what is answered"}
}

// post is the status of an answer; 0 is none.
func post(t *testing.T, client *http.Client, url string, body []byte) int {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0
	}
	r.Header.Set("Api-Key", key)
	r.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(r)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // the status is what counts
	return resp.StatusCode
}

// mostMemory is what a process had at most, in bytes.
func mostMemory(t *testing.T, p *program) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}
