package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"outcrop/internal/sandbox"
)

// sandboxFlags are the flags of outcrop sandbox.
type sandboxFlags struct {
	listen      string
	credentials []string // KEY:SECRET
	apiKeys     []string
	account     string
	tls         bool
	certOut     string
	pace        time.Duration
	refuse      string
	access      []string // MODEL=STATE
	around      sandboxAccountFlags
}

func newSandboxCommand() *cobra.Command {
	var f sandboxFlags
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Bedrock on your machine: runtime, control plane, STS and IAM, with faults on demand",
		Long: `Serves Amazon Bedrock's runtime and control plane and an account's STS, IAM, EKS
and Service Quotas at one address, good enough for AWS's own SDKs. Signatures are
verified, policies are evaluated, requests are validated with Bedrock's own texts, and a directive such as [[sandbox cut=3]] in a message
breaks the reply on purpose. docs/sandbox.md describes every directive.`,
		Example: `  outcrop sandbox
  outcrop sandbox --listen 127.0.0.1:9443 --tls --tls-cert-out sandbox.pem
  outcrop sandbox --credentials AKIAEXAMPLE:secret --pace 20ms`,
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:9001", "address to serve at; port 0 takes a free one")
	flags.StringArrayVar(&f.credentials, "credentials", nil, "accept the access key KEY with the secret SECRET, given as KEY:SECRET (repeatable; default sandbox:sandbox)")
	flags.StringArrayVar(&f.apiKeys, "api-key", nil, "accept this Bedrock API key as a bearer token (repeatable; default sandbox)")
	flags.StringVar(&f.account, "account", "", "account id of the callers, 12 digits (default 000000000000)")
	flags.BoolVar(&f.tls, "tls", false, "serve HTTPS with HTTP/2 under a self-signed certificate; SDKs send API keys over HTTPS only")
	flags.StringVar(&f.certOut, "tls-cert-out", "", "write the certificate to trust to this file (with --tls)")
	flags.DurationVar(&f.pace, "pace", 0, "time that every generated token takes, such as 10ms")
	flags.StringVar(&f.refuse, "refuse", "", "refuse every call like an account in that state; docs/sandbox.md lists the names")
	flags.StringArrayVar(&f.access, "access", nil, "`MODEL=STATE`: the state in which models begin, such as anthropic=form or cohere.rerank-v3-5:0=agreement (repeatable, or a list with commas; docs/sandbox.md lists the states)")
	f.around.register(cmd)
	return cmd
}

// run serves until ctx ends. What goes wrong in the server itself is logged: a
// panic in it would look to a client like one of the faults on demand.
func (f *sandboxFlags) run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	if f.certOut != "" && !f.tls {
		return errors.New("--tls-cert-out writes a certificate only together with --tls")
	}
	credentials, err := parseCredentials(f.credentials)
	if err != nil {
		return err
	}
	if slices.Contains(f.apiKeys, "") {
		return errors.New("--api-key is empty")
	}
	if f.pace < 0 {
		return fmt.Errorf("--pace %s is negative", f.pace)
	}
	options := sandbox.Options{Credentials: credentials, APIKeys: f.apiKeys, Account: f.account, Pace: f.pace, Mood: f.refuse, Access: splitList(f.access)}
	if err := f.around.options(&options); err != nil {
		return err
	}
	handler, err := sandbox.New(options)
	if err != nil {
		return nameFlags(err)
	}
	listener, certificate, err := sandbox.Listen(ctx, f.listen, f.tls)
	if err != nil {
		return err
	}
	if f.certOut != "" {
		if err := os.WriteFile(f.certOut, certificate, 0o644); err != nil {
			return errors.Join(fmt.Errorf("--tls-cert-out: %w", err), listener.Close())
		}
	}
	if _, err := io.WriteString(out, f.greeting(listener.Addr())); err != nil {
		return errors.Join(err, listener.Close())
	}
	return service{server: newServer(handler, log), listener: listener, drain: drain{timeout: sandboxShutdown}, log: log}.run(ctx)
}

// splitList takes lists with commas apart.
func splitList(lists []string) (out []string) {
	for _, list := range lists {
		for item := range strings.SplitSeq(list, ",") {
			if item = strings.TrimSpace(item); item != "" {
				out = append(out, item)
			}
		}
	}
	return out
}

// nameFlags puts the flags into an error of sandbox.New, which names its options.
func nameFlags(err error) error {
	return errors.New(strings.NewReplacer("sandbox: Account", "--account", "sandbox: Mood", "--refuse", "sandbox: Access", "--access",
		"sandbox: Clusters", "--cluster ", "sandbox: Route", "--route", "sandbox: ServiceControlPolicy", "--scp", "sandbox: OIDCKeys", "--oidc-keys ").Replace(err.Error()))
}

// parseCredentials splits KEY:SECRET. The text of an error never holds the
// secret.
func parseCredentials(pairs []string) ([]sandbox.Credential, error) {
	var out []sandbox.Credential
	for i, pair := range pairs {
		key, secret, ok := strings.Cut(pair, ":")
		if !ok || key == "" || secret == "" {
			return nil, fmt.Errorf("--credentials number %d is not KEY:SECRET", i+1)
		}
		out = append(out, sandbox.Credential{AccessKeyID: key, SecretAccessKey: secret})
	}
	return out, nil
}

// sandboxShutdown is how long streams under way may still run after a signal.
const sandboxShutdown = 2 * time.Second

// greeting is the address and the lines to paste into a shell.
func (f *sandboxFlags) greeting(addr net.Addr) string {
	scheme := "http"
	if f.tls {
		scheme = "https"
	}
	url := scheme + "://" + reachable(addr)
	key, secret, apiKey := "sandbox", "sandbox", "sandbox"
	if len(f.credentials) > 0 {
		key, _, _ = strings.Cut(f.credentials[0], ":")
		secret = "…the secret you gave for " + key
	}
	if len(f.apiKeys) > 0 {
		apiKey = "…the API key you gave"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Bedrock sandbox at %s (runtime, mantle, control plane, STS, IAM, EKS, Service Quotas). Ctrl-C ends it.\n\n", url)
	for _, name := range []string{"BEDROCK_RUNTIME", "BEDROCK_MANTLE", "BEDROCK", "STS", "IAM", "EKS", "SERVICE_QUOTAS"} {
		fmt.Fprintf(&b, "export AWS_ENDPOINT_URL_%s=%s\n", name, url)
	}
	fmt.Fprintf(&b, "export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s\nexport AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1\n", shellWord(key), shellWord(secret))
	if f.tls {
		fmt.Fprintf(&b, "export AWS_CA_BUNDLE=%s\n", shellWord(cmp.Or(f.certOut, "…the file of --tls-cert-out")))
		fmt.Fprintf(&b, "# or, instead of the access key:\nexport AWS_BEARER_TOKEN_BEDROCK=%s\n", shellWord(apiKey))
	}
	b.WriteString("\nFaults on demand, in any message: [[sandbox throttle=2]], [[sandbox cut=3]], … (docs/sandbox.md)\n")
	return b.String()
}

// reachable is an address that a client on this machine can use.
func reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("localhost", port)
	}
	return addr.String()
}

// shellWord quotes a word for a shell where it needs quotes.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=+@", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
