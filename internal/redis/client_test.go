package redis_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"outcrop/internal/kv"
	"outcrop/internal/redis"
	"outcrop/internal/redis/redistest"
)

const password = "h4rd-to-gue%2Fss"

func TestOptionsThatAreWrong(t *testing.T) {
	for _, c := range []struct {
		name   string
		o      redis.Options
		remedy string
	}{
		{"no URL", redis.Options{}, "must be redis://"},
		{"another scheme", redis.Options{URL: "http://:" + password + "@host"}, "must be redis://"},
		{"a port that is none", redis.Options{URL: "redis://:" + password + "@host:port"}, "must be redis://"},
		{"a password that is not encoded", redis.Options{URL: "redis://:h4rd-to-gue%ss@host"}, "%XX"},
		{"no host", redis.Options{URL: "redis://:" + password + "@"}, "names no host"},
		{"a database that is none", redis.Options{URL: "redis://:" + password + "@host/main"}, "no database"},
		{"a query", redis.Options{URL: "redis://host?db=1"}, "must be redis://"},
		{"a CA file without TLS", redis.Options{URL: "redis://host", CAFile: "ca.pem"}, "rediss://"},
		{"a CA file that is not there", redis.Options{URL: "rediss://host", CAFile: "/nowhere/ca.pem"}, "/nowhere/ca.pem"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := redis.Open(t.Context(), c.o)
			if err == nil || !strings.Contains(err.Error(), c.remedy) || strings.Contains(err.Error(), "h4rd") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestServersThatAreNoUse(t *testing.T) {
	plain := redistest.Start(t)
	locked := redistest.Start(t, "--requirepass", "h4rd-to-gue/ss")
	replica := redistest.Start(t, append([]string{"--replicaof"}, strings.Split(plain.Address, ":")...)...)
	cluster := redistest.Start(t, "--cluster-enabled", "yes")
	full := redistest.Start(t, "--maxmemory", "1")
	web := httptest.NewUnstartedServer(http.NotFoundHandler())
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	defer web.Close()
	secure := "rediss://:" + password + "@"
	for _, c := range []struct{ name, url, remedy string }{
		{"nobody there", "redis://:" + password + "@" + redistest.FreeAddress(t), "is it running"},
		{"no such host", "redis://:" + password + "@redis.invalid", "no address"},
		{"no password", "redis://" + locked.Address, "it wants a password"},
		{"wrong password", "redis://:wr0ng-h4rd@" + locked.Address, "correct them"},
		{"wrong user", "redis://wr0ng:h4rd@" + locked.Address, "correct them"},
		{"TLS where there is none", secure + plain.Address, "write redis://"},
		{"no TLS where there is", "redis://:" + password + "@" + web.Listener.Addr().String(), "rediss://"},
		{"an unknown authority", secure + web.Listener.Addr().String(), "CA file"},
		{"a replica", "redis://" + replica.Address, "primary"},
		{"a node of a cluster", "redis://" + cluster.Address, "hash tag"},
		{"no memory", "redis://" + full.Address, "maxmemory"},
		{"no such database", "redis://" + plain.Address + "/99", "number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var logged bytes.Buffer
			o := redis.Options{URL: c.url, Log: slog.New(slog.NewTextHandler(&logged, nil)), Timeout: time.Second}
			client := open(t, o)
			_, err := client.Get(t.Context(), "a")
			switch {
			case client.Up() || err == nil:
				t.Error("Redis seems to be up")
			case !strings.Contains(err.Error(), c.remedy):
				t.Errorf("the error does not tell the remedy: %v", err)
			case !errors.Is(err, client.Err()):
				t.Errorf("Err = %v, Get = %v", client.Err(), err)
			case strings.Contains(err.Error()+logged.String(), "h4rd"):
				t.Errorf("the password is told: %v\n%s", err, logged.String())
			}
		})
	}
}

// A server may be started after its clients.
func TestRedisComesLater(t *testing.T) {
	server := redistest.Start(t)
	server.Stop()
	c := open(t, redis.Options{URL: server.URL()})
	if c.Up() {
		t.Fatal("it is up")
	}
	server.Restart()
	eventually(t, "Redis", c.Up)
	if _, err := c.Get(t.Context(), "a"); !errors.Is(err, kv.ErrNone) {
		t.Error(err)
	}
}

// A stalled server holds nobody up: the first commands wait for the timeout, later ones fail at once.
func TestRedisStalls(t *testing.T) {
	server := redistest.Start(t)
	c := open(t, redis.Options{URL: server.URL(), Timeout: 100 * time.Millisecond})
	server.Pause()
	for i := range 4 {
		began := time.Now()
		_, err := c.Get(t.Context(), "a")
		took := time.Since(began)
		if err == nil || errors.Is(err, kv.ErrNone) || took > 500*time.Millisecond || i > 1 && took > 50*time.Millisecond {
			t.Errorf("%d: %v after %s", i, err, took)
		}
	}
	server.Resume()
	eventually(t, "Redis", c.Up)
	if _, err := c.Get(t.Context(), "a"); !errors.Is(err, kv.ErrNone) {
		t.Error(err)
	}
}

// A network that swallows packets holds nobody up either, not even the start.
func TestRedisIsSilent(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, conn) }()
		}
	}()
	began := time.Now()
	c := open(t, redis.Options{URL: "redis://" + l.Addr().String()})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Open took %s", took)
	}
	began = time.Now()
	_, err = c.Get(t.Context(), "a")
	if took := time.Since(began); err == nil || took > time.Second {
		t.Errorf("%v after %s", err, took)
	}
}

func TestTLS(t *testing.T) {
	web := httptest.NewUnstartedServer(http.NotFoundHandler())
	web.StartTLS()
	web.Close()
	pair := web.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certFile := file(t, "CERTIFICATE", pair.Certificate[0])
	plain, port := redistest.FreeAddress(t), ""
	_, port, _ = net.SplitHostPort(plain)
	redistest.Start(t, "--tls-port", port, "--tls-cert-file", certFile, "--tls-key-file", file(t, "PRIVATE KEY", key), "--tls-auth-clients", "no")
	c := open(t, redis.Options{URL: "rediss://127.0.0.1:" + port + "/3", CAFile: certFile})
	if err := c.Put(t.Context(), "a", []byte("1"), time.Hour); err != nil {
		t.Error(err)
	}
}

func file(t *testing.T, kind string, der []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
