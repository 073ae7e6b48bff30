//go:build k8s

// Package k8s_test tries the chart on a real control plane whose nodes are played by kwok, and the rendered
// pods in podman. `make e2e-k8s` builds what it needs; docs/kubernetes.md has its last result.
package k8s_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// kube is the control plane that all tests of the package share.
var kube *cluster

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if kube, err = startCluster(); err != nil {
			fmt.Fprintln(os.Stderr, "the control plane did not start:", err)
			return 1
		}
		defer kube.stop()
		return m.Run()
	}())
}

// cluster is etcd, the API server, the controllers, the scheduler and kwok, each a process of its own.
type cluster struct {
	bin, dir   string
	kubeconfig string
	url        string // of the API server; also the issuer of service accounts' tokens
	ca         string // file that trusts the API server
	processes  []*process
}

// process is one of them; its output is in a file.
type process struct {
	cmd *exec.Cmd
	log string
}

const adminToken = "admin-of-a-throwaway-cluster"

func startCluster() (_ *cluster, err error) {
	c := &cluster{bin: os.Getenv("OUTCROP_K8S_BIN")}
	if c.bin == "" {
		return nil, errors.New("OUTCROP_K8S_BIN is not set: run make e2e-k8s")
	}
	if c.dir, err = os.MkdirTemp("", "outcrop-k8s-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.stop()
		}
	}()
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	c.url = fmt.Sprintf("https://127.0.0.1:%d", ports[2])
	c.ca = filepath.Join(c.dir, "certs", "apiserver.crt")
	c.kubeconfig = filepath.Join(c.dir, "kubeconfig")
	if err := c.files(); err != nil {
		return nil, err
	}
	if err := c.startServers(ports); err != nil {
		return nil, err
	}
	if err := c.startControllers(); err != nil {
		return nil, err
	}
	return c, c.furnish()
}

func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// files writes the key of service accounts, the administrator's token and the kubeconfig.
func (c *cluster) files() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	kubeconfig := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c",
"clusters":[{"name":"c","cluster":{"server":%q,"certificate-authority":%q}}],
"users":[{"name":"admin","user":{"token":%q}}],
"contexts":[{"name":"c","context":{"cluster":"c","user":"admin"}}]}`, c.url, c.ca, adminToken)
	for name, content := range map[string]string{
		"sa.key": string(private), "tokens.csv": adminToken + ",admin,admin,system:masters\n", "kubeconfig": kubeconfig,
	} {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) startServers(ports []int) error {
	store := fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	peer := fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	if err := c.start("etcd", "--data-dir", filepath.Join(c.dir, "etcd"), "--listen-client-urls", store, "--advertise-client-urls", store,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer, "--unsafe-no-fsync"); err != nil {
		return err
	}
	if err := wait(time.Minute, "etcd", func() error { return get(store + "/health") }); err != nil {
		return err
	}
	key := filepath.Join(c.dir, "sa.key")
	if err := c.start("kube-apiserver", "--etcd-servers="+store, "--bind-address=127.0.0.1", "--secure-port="+fmt.Sprint(ports[2]),
		"--cert-dir="+filepath.Join(c.dir, "certs"), "--service-account-issuer="+c.url, "--service-account-jwks-uri="+c.url+"/openid/v1/jwks", "--service-account-key-file="+key,
		"--service-account-signing-key-file="+key, "--api-audiences="+c.url+",sts.amazonaws.com",
		"--token-auth-file="+filepath.Join(c.dir, "tokens.csv"), "--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16",
		"--allow-privileged=false"); err != nil {
		return err
	}
	return wait(2*time.Minute, "the API server", func() error {
		_, err := c.kubectl(context.Background(), nil, "get", "--raw", "/readyz")
		return err
	})
}

func (c *cluster) startControllers() error {
	if err := c.start("kube-controller-manager", "--kubeconfig="+c.kubeconfig, "--leader-elect=false", "--secure-port=0",
		"--service-account-private-key-file="+filepath.Join(c.dir, "sa.key"), "--root-ca-file="+c.ca); err != nil {
		return err
	}
	if err := c.start("kube-scheduler", "--kubeconfig="+c.kubeconfig, "--leader-elect=false", "--secure-port=0"); err != nil {
		return err
	}
	return c.start("kwok", "--kubeconfig="+c.kubeconfig, "--config="+filepath.Join(c.bin, "stages.yaml"), "--manage-all-nodes=true",
		"--node-lease-duration-seconds=40")
}

// furnish adds three nodes in three zones, and lets everybody read the keys of service accounts, as EKS does.
func (c *cluster) furnish() error {
	var manifests strings.Builder
	for i, zone := range []string{"a", "b", "c"} {
		fmt.Fprintf(&manifests, `---
apiVersion: v1
kind: Node
metadata:
  name: node-%d
  labels: {kubernetes.io/hostname: node-%d, topology.kubernetes.io/zone: zone-%s, kubernetes.io/os: linux, kubernetes.io/arch: amd64}
status:
  capacity: {cpu: "4", memory: 16Gi, pods: "110", ephemeral-storage: 100Gi}
  allocatable: {cpu: "4", memory: 16Gi, pods: "110", ephemeral-storage: 100Gi}
`, i, i, zone)
	}
	manifests.WriteString(`---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: issuer-discovery-for-everybody}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:service-account-issuer-discovery"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:unauthenticated"}]
`)
	ctx := context.Background()
	if _, err := c.kubectl(ctx, strings.NewReader(manifests.String()), "apply", "-f", "-"); err != nil {
		return err
	}
	for _, definition := range []string{"servicemonitors", "prometheusrules"} {
		file := filepath.Join(c.bin, "monitoring.coreos.com_"+definition+".yaml")
		if _, err := c.kubectl(ctx, nil, "apply", "--server-side", "-f", file); err != nil {
			return err
		}
	}
	return wait(2*time.Minute, "the nodes", func() error {
		_, err := c.kubectl(ctx, nil, "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=5s")
		return err
	})
}

func (c *cluster) start(name string, args ...string) error {
	log := filepath.Join(c.dir, name+".log")
	out, err := os.Create(log)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }() // the process has its own
	cmd := exec.CommandContext(context.Background(), filepath.Join(c.bin, name), args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return err
	}
	c.processes = append(c.processes, &process{cmd, log})
	return nil
}

// stop ends the processes, the last first, and removes what they wrote.
func (c *cluster) stop() {
	for i := len(c.processes) - 1; i >= 0; i-- {
		p := c.processes[i]
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
	_ = os.RemoveAll(c.dir)
}

// kubectl runs one command and returns its standard output; its error has what kubectl said.
func (c *cluster) kubectl(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	return c.command(ctx, stdin, filepath.Join(c.bin, "kubectl"), args...)
}

// helm does the same with helm.
func (c *cluster) helm(ctx context.Context, args ...string) (string, error) {
	helm, err := exec.LookPath("helm")
	if err != nil {
		return "", errors.New("helm is not on PATH: run make e2e-k8s")
	}
	return c.command(ctx, nil, helm, args...)
}

func (c *cluster) command(ctx context.Context, stdin io.Reader, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig, "HELM_CACHE_HOME="+c.dir, "HELM_CONFIG_HOME="+c.dir, "HELM_DATA_HOME="+c.dir)
	cmd.Stdin = stdin
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// wait asks until there is no error, for so long at most.
func wait(limit time.Duration, what string, ask func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %s: %w", what, limit, err)
		}
		<-time.After(200 * time.Millisecond)
	}
}

// fetch is a GET; the caller closes the body.
func fetch(address string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req)
}

func get(url string) error {
	resp, err := fetch(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}
