package redistest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a redis-server on a port of its own. Its data, an append-only file, survives Stop and Kill.
type Server struct {
	// Address is host and port.
	Address string

	t       testing.TB
	program string
	args    []string
	running *exec.Cmd
	done    chan struct{}
}

// Start starts a server with further arguments, "--requirepass", "secret". It ends with the test.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is not installed: apt-get install redis-server")
	}
	s := &Server{t: t, program: program, Address: FreeAddress(t)}
	_, port, _ := net.SplitHostPort(s.Address)
	s.args = append([]string{
		"--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--appendonly", "yes", "--appendfsync", "everysec",
		"--daemonize", "no", "--loglevel", "warning",
	}, args...)
	t.Cleanup(s.Kill)
	s.Restart()
	return s
}

// FreeAddress is a port of this machine that nobody listens at.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// URL is the server's.
func (s *Server) URL() string { return "redis://" + s.Address }

// Restart starts the server again, after Stop or Kill if need be, and waits until it answers.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.Begin()
	s.await()
}

// Begin starts a server that is stopped, and does not wait for it.
func (s *Server) Begin() {
	s.t.Helper()
	s.running = exec.CommandContext(context.Background(), s.program, s.args...)
	s.running.Stderr = os.Stderr
	if err := s.running.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait() // it was signalled
		close(done)
	}(s.running, s.done)
}

// Stop shuts the server down in order.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Kill ends it at once, as a crash does.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Pause stalls it: it takes connections and commands, and answers none of them until Resume.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume goes on after Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) end(with syscall.Signal) {
	if s.running == nil {
		return
	}
	s.signal(with)
	<-s.done
	s.running = nil
}

func (s *Server) signal(with syscall.Signal) {
	if err := s.running.Process.Signal(with); err != nil {
		s.t.Log(err)
	}
}

// await waits until the server has loaded its data.
func (s *Server) await() {
	s.t.Helper()
	for range 500 {
		if s.pings() {
			return
		}
		select {
		case <-s.done:
			s.t.Fatalf("redis-server ended: %s %s", s.program, strings.Join(s.args, " "))
		case <-time.After(20 * time.Millisecond):
		}
	}
	s.t.Fatal("redis-server does not answer")
}

func (s *Server) pings() bool {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", s.Address)
	if err != nil {
		return false
	}
	defer end(conn)
	reply := make([]byte, 64)
	if conn.SetDeadline(time.Now().Add(time.Second)) != nil {
		return false
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	n, err := conn.Read(reply)
	answer := string(reply[:n])
	return err == nil && (strings.HasPrefix(answer, "+PONG") || strings.HasPrefix(answer, "-NOAUTH"))
}
