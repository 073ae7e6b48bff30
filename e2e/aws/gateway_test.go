//go:build aws || e2e

// Package aws runs requests through the real binary against AWS and compares what AWS answers with what the
// sandbox does. make e2e-aws does it with an account; docs/e2e-aws.md is about it.
package aws_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// clientKey opens the gateway; it is the one of the gateway's fixtures.
const clientKey = "key-a"

// patience is how long the program may take to end.
const patience = 30 * time.Second

// configuration is DIAL's configuration with a deployment for each trial.
func configuration(trials []*trial, region string) ([]byte, error) {
	deployments := fields{}
	for _, t := range trials {
		if t.left != "" {
			continue
		}
		kind := "chat"
		switch t.route {
		case routeEmbed:
			kind = "embedding"
		case routeRerank:
			kind = "rerank"
		}
		upstream := fields{"extraData": fields{"region": region}}
		if t.surface != "" {
			upstream["surface"] = t.surface
		}
		deployments[t.name] = fields{"type": kind, "endpoint": "bedrock:" + t.model, "upstreams": []fields{upstream}}
	}
	return json.MarshalIndent(fields{
		"models": deployments,
		"keys":   fields{clientKey: fields{"project": "e2e", "roles": []string{"default"}}},
		"roles":  fields{"default": fields{}},
	}, "", "  ")
}

// startGateway runs bin/outcrop serve until the test ends, which asks AWS at the given addresses. It has no
// credentials but those that the recorder throws away.
func startGateway(t *testing.T, config []byte, at map[string]string, region string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "aidial.config.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	binary, err := filepath.Abs(filepath.Join("..", "..", "bin", "outcrop"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "serve", "--config", file, "--listen", "127.0.0.1:0")
	cmd.Env = append(cleanEnv(), "HOME="+dir, "AWS_EC2_METADATA_DISABLED=true", "AWS_REGION="+region,
		"AWS_ACCESS_KEY_ID=recorder", "AWS_SECRET_ACCESS_KEY=recorder",
		"AWS_ENDPOINT_URL_BEDROCK_RUNTIME="+at[serviceRuntime], "AWS_ENDPOINT_URL_BEDROCK_MANTLE="+at[serviceMantle], "AWS_ENDPOINT_URL_BEDROCK="+at[serviceControl])
	log := &strings.Builder{}
	cmd.Stderr = log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (make build makes it)", err)
	}
	address, rest := make(chan string, 1), make(chan struct{})
	go watch(stdout, address, rest)
	t.Cleanup(func() {
		<-rest
		var ended *exec.ExitError
		if err := cmd.Wait(); err != nil && !errors.Is(err, context.Canceled) && !errors.As(err, &ended) {
			t.Errorf("outcrop serve: %v", err)
		}
		if t.Failed() {
			t.Logf("outcrop serve wrote:\n%s", log)
		}
	})
	select {
	case url := <-address:
		return url
	case <-rest:
	case <-t.Context().Done():
	}
	t.Fatal("outcrop serve did not start")
	return ""
}

// watch finds the address in what the program prints.
func watch(stdout io.Reader, address chan<- string, rest chan<- struct{}) {
	defer close(rest)
	for lines, found := bufio.NewScanner(stdout), false; lines.Scan(); {
		_, url, ok := strings.Cut(lines.Text(), "http://")
		if ok && !found {
			url, _, _ = strings.Cut(url, " ")
			address <- "http://" + url
			found = true
		}
	}
}

// cleanEnv is this process's environment without what says who somebody is to AWS or to us.
func cleanEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "OUTCROP_") || name == "DEFAULT_REGION" || name == "HOME"
	})
}
