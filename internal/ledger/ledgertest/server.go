package ledgertest

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // a driver of database/sql
)

// remedy is what to do where there is no PostgreSQL.
const remedy = "PostgreSQL is not installed, so that this test does not run: apt-get install postgresql"

// Server is a PostgreSQL on a port of its own. What it has committed survives Kill.
type Server struct {
	t         testing.TB
	bin, dir  string
	port      string
	as        *syscall.Credential // root may not run it
	running   *exec.Cmd
	databases atomic.Int32
}

// Start makes a cluster and starts it. It ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, bin: programs(t), port: freePort(t)}
	s.makeDir()
	t.Cleanup(s.Kill)
	made := s.command("initdb", "-D", s.dir, "-U", "outcrop", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if out, err := made.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	s.Begin()
	s.await()
	return s
}

// programs is where PostgreSQL's are; without them the test is skipped, unless OUTCROP_TEST_SERVERS is require.
func programs(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	if found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb"); err == nil && len(found) > 0 {
		return filepath.Dir(found[len(found)-1])
	}
	if os.Getenv("OUTCROP_TEST_SERVERS") == "require" {
		t.Fatal(remedy)
	}
	t.Skip(remedy)
	return ""
}

// makeDir makes a directory that who runs the server may reach.
func (s *Server) makeDir() {
	s.t.Helper()
	dir, err := os.MkdirTemp("", "outcrop-postgres-") // below t.TempDir only root gets
	if err != nil {
		s.t.Fatal(err)
	}
	s.dir = dir
	s.t.Cleanup(func() { _ = os.RemoveAll(dir) }) // the next start of the machine does it too
	if os.Getuid() != 0 {
		return
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		who, err = user.Lookup("nobody")
	}
	if err != nil {
		s.t.Fatal(err)
	}
	uid, _ := strconv.ParseUint(who.Uid, 10, 32) // Unix has numbers
	gid, _ := strconv.ParseUint(who.Gid, 10, 32)
	s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Setpgid: true}
	return cmd
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// Begin starts the server, and does not wait for it.
func (s *Server) Begin() {
	s.t.Helper()
	s.running = s.command("postgres", "-D", s.dir, "-k", s.dir, "-h", "127.0.0.1", "-p", s.port, "-c", "fsync=off", "-c", "log_min_messages=fatal")
	if err := s.running.Start(); err != nil {
		s.t.Fatal(err)
	}
}

// Kill ends it at once, as a crash does.
func (s *Server) Kill() {
	if s.running == nil {
		return
	}
	pid := s.running.Process.Pid
	// Its processes make themselves groups of their own, and one that outlives it keeps the next server from beginning.
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	_ = s.running.Wait() // it was killed
	s.running = nil
	for child := range strings.FieldsSeq(string(children)) {
		n, err := strconv.Atoi(child)
		for range 100 {
			if err != nil || syscall.Kill(n, syscall.SIGKILL) != nil {
				break // it is gone
			}
			<-time.After(20 * time.Millisecond)
		}
	}
}

// URL is a database's.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://outcrop@127.0.0.1:%s/%s?sslmode=disable", s.port, database)
}

// Database makes a new database, and is its URL.
func (s *Server) Database() string {
	s.t.Helper()
	name := fmt.Sprintf("test%d", s.databases.Add(1))
	db, err := sql.Open("pgx", s.URL("postgres"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // the server is told enough
	if _, err := db.ExecContext(context.Background(), "CREATE DATABASE "+name); err != nil {
		s.t.Fatal(err)
	}
	return s.URL(name)
}

func (s *Server) await() {
	s.t.Helper()
	db, err := sql.Open("pgx", s.URL("postgres"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // the server is told enough
	for range 300 {
		if err = db.PingContext(context.Background()); err == nil {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	s.t.Fatalf("PostgreSQL does not answer: %v", err)
}
