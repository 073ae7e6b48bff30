// Command coldstart measures what a person feels before anything else: how long the built binary takes
// from its start to its first answer, how much memory it holds when idle, and how large it is.
//
//	go run ./bench/coldstart bin/outcrop
//
// It prints the table of docs/performance.md and exits with status 1 when a target is missed.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	starts = 10              // of which the median counts
	settle = 5 * time.Second // from the first answer to the look at the memory

	maxColdStart = 300 * time.Millisecond
	maxIdle      = 40_000_000 // bytes
	maxSize      = 40_000_000 // bytes
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "coldstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("give the path of the binary, such as bin/outcrop")
	}
	info, err := os.Stat(args[0])
	if err != nil {
		return err
	}
	took := make([]time.Duration, starts)
	for i := range took {
		if took[i], _, err = once(ctx, args[0], 0); err != nil {
			return err
		}
	}
	slices.Sort(took)
	_, idle, err := once(ctx, args[0], settle)
	if err != nil {
		return err
	}
	return report(out, took, idle, info.Size())
}

// once starts the binary, asks it one question and stops it. It returns the time from the start to the
// whole answer and, when it is to stay for a while, the resident memory at the end of that, in bytes.
func once(ctx context.Context, binary string, stay time.Duration) (took time.Duration, idle int64, err error) {
	cmd := exec.CommandContext(ctx, binary, "serve", "--sandbox", "--listen", "127.0.0.1:0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, end(cmd)) }()
	address, err := readAddress(stdout)
	if err != nil {
		return 0, 0, err
	}
	if err := ask(ctx, address); err != nil {
		return 0, 0, err
	}
	took = time.Since(began)
	if stay == 0 {
		return took, 0, nil
	}
	time.Sleep(stay)
	idle, err = resident(cmd.Process.Pid)
	return took, idle, err
}

// end asks the program to stop, which it does with status 0.
func end(cmd *exec.Cmd) error {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return cmd.Wait()
}

var addressLine = regexp.MustCompile(`address\s+(http://\S+)`)

// readAddress finds the address in the banner.
func readAddress(banner io.Reader) (string, error) {
	lines := bufio.NewScanner(banner)
	for lines.Scan() {
		if match := addressLine.FindStringSubmatch(lines.Text()); match != nil {
			return match[1], nil
		}
	}
	return "", errors.Join(errors.New("the binary printed no address"), lines.Err())
}

// ask sends one short chat and wants the whole answer.
func ask(ctx context.Context, address string) error {
	const question = `{"messages":[{"role":"user","content":"[[sandbox text=\"hi\"]]"}]}`
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"/openai/deployments/claude-sonnet/chat/completions", strings.NewReader(question))
	if err != nil {
		return err
	}
	request.Header.Set("Api-Key", "outcrop-demo")
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"content":"hi"`)) {
		return fmt.Errorf("the first answer is %s: %s", response.Status, answer)
	}
	return nil
}

var residentLine = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// resident is the resident memory of a process, in bytes, as Linux counts it.
func resident(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("memory is read from Linux's /proc: %w", err)
	}
	match := residentLine.FindSubmatch(status)
	if match == nil {
		return 0, errors.New("/proc does not tell the resident memory")
	}
	kilobytes, err := strconv.ParseInt(string(match[1]), 10, 64)
	return kilobytes << 10, err
}

func report(out io.Writer, took []time.Duration, idle, size int64) error {
	median := took[len(took)/2]
	_, err := fmt.Fprintf(out, `| | measured | target |
|---|--:|--:|
| cold start to first answer, median of %d (fastest, slowest) | %d ms (%d, %d) | < %d ms |
| resident memory, idle for %s after one answer | %s | < %s |
| binary | %s | < %s |

%s, %s/%s, %d CPUs
`,
		len(took), median.Milliseconds(), took[0].Milliseconds(), took[len(took)-1].Milliseconds(), maxColdStart.Milliseconds(),
		settle, megabytes(idle), megabytes(maxIdle), megabytes(size), megabytes(maxSize),
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if median >= maxColdStart || idle >= maxIdle || size >= maxSize {
		err = errors.Join(err, errors.New("a target is missed"))
	}
	return err
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
