package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"

	"outcrop/internal/config"
)

const (
	// idleTimeout is how long an idle connection is kept: DIAL Core's server.idleTimeout.
	idleTimeout = 300 * time.Second
	// drainTimeout is how long running replies may go on after a signal.
	drainTimeout = 25 * time.Second
	// readyTimeout bounds the look for credentials at the start.
	readyTimeout = 10 * time.Second
	// maxHeader is the longest header of a request, in bytes.
	maxHeader = 64 << 10
)

type serveFlags struct {
	listen  string
	configs []string
	sandbox bool
	log     string
	merge   config.Options
	// fetchAllow are the networks of --fetch-allow.
	fetchAllow []netip.Prefix
	// catalogue is the file that changes the built-in catalogue, "" for none.
	catalogue string
}

func newServeCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve Bedrock models through the DIAL API",
		Long: "Serve Bedrock models through the DIAL API.\n\n" +
			"With --sandbox, everything runs in this process and no AWS account is needed.\n" +
			"With --config FILE, the models, keys and roles of DIAL's aidial.config.json are served;\n" +
			"AWS credentials and region come from the environment unless an upstream names its own.",
		Example: "  outcrop serve --sandbox\n  outcrop serve --config aidial.config.json --config keys.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:8080", "address to listen on")
	cmd.Flags().StringArrayVar(&f.configs, "config", nil, "DIAL configuration `FILE`, JSON or YAML; repeat to merge several, later ones win")
	cmd.Flags().BoolVar(&f.merge.OverwriteArrays, "overwrite-arrays", false, "let a list of a later file replace the earlier one instead of following it")
	cmd.Flags().BoolVar(&f.sandbox, "sandbox", false, "answer from a built-in sandbox instead of AWS")
	catalogueFlag(cmd, &f.catalogue)
	cmd.Flags().Var((*networks)(&f.fetchAllow), "fetch-allow", "network (`CIDR`) from which files that a request names by URL may be fetched although it is not public; repeatable")
	cmd.Flags().StringVar(&f.log, "log", "", "log format on standard error: json or text (default json, with --sandbox text)")
	return cmd
}

// serve runs until the context ends, then lets running replies finish.
func serve(ctx context.Context, f serveFlags, stdout, stderr io.Writer) error {
	log, err := newLog(f, stderr)
	if err != nil {
		return err
	}
	cfg, err := loadConfig(f, stderr, log)
	if err != nil {
		return err
	}
	catalogue, err := loadCatalogue(f.catalogue)
	if err != nil {
		return err
	}
	for _, problem := range catalogueProblems(cfg, catalogue) {
		log.Warn("configuration", "warning", problem.String())
	}
	listener, err := listen(ctx, f.listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	upstreams, stop, err := newUpstreams(ctx, f, catalogue, log)
	if err != nil {
		return err
	}
	defer stop()
	handler, err := build(cfg, upstreams, f.fetchAllow, log)
	if err != nil {
		return err
	}
	go upstreams.check(ctx, log)
	if err := announce(stdout, listener.Addr(), f, cfg); err != nil {
		return err
	}
	server := newServer(handler, log)
	server.IdleTimeout = idleTimeout
	server.MaxHeaderBytes = maxHeader
	return service{server, listener, drainTimeout, log}.run(ctx)
}

func newLog(f serveFlags, stderr io.Writer) (*slog.Logger, error) {
	return logTo(stderr, f, slog.LevelInfo)
}

// logTo is a log of what is at least of the level, in the format of the flags.
func logTo(stderr io.Writer, f serveFlags, level slog.Level) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: level}
	switch {
	case f.log == "json" || f.log == "" && !f.sandbox:
		return slog.New(slog.NewJSONHandler(stderr, options)), nil
	case f.log == "text" || f.log == "":
		return slog.New(slog.NewTextHandler(stderr, options)), nil
	default:
		return nil, fmt.Errorf("--log must be json or text, not %q", f.log)
	}
}

// loadConfig reads the files. With errors among them all mistakes go to stderr, as config check prints
// them; warnings alone go to the log.
func loadConfig(f serveFlags, stderr io.Writer, log *slog.Logger) (*config.Config, error) {
	if len(f.configs) == 0 {
		if f.sandbox {
			return demoConfig(), nil
		}
		return nil, errors.New("nothing to serve: give --config FILE, or --sandbox to try it without AWS")
	}
	cfg, problems := config.Load(f.configs, f.merge)
	if !config.HasErrors(problems) {
		for _, problem := range problems {
			log.Warn("configuration", "warning", problem.String())
		}
		return cfg, nil
	}
	for _, problem := range problems {
		if _, err := fmt.Fprintln(stderr, problem); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("the configuration has errors, nothing is served")
}

// announce says what is served, where, and how to call it.
func announce(w io.Writer, address net.Addr, f serveFlags, cfg *config.Config) error {
	base := "http://" + reachable(address)
	if !f.sandbox || len(f.configs) > 0 {
		served := 0
		for _, m := range cfg.Models {
			if m.NotServed() == "" {
				served++
			}
		}
		_, err := fmt.Fprintf(w, "Outcrop serves %d of %s on %s\n", served, counted(len(cfg.Models), "model"), base)
		return err
	}
	_, err := io.WriteString(w, demoBanner(base, cfg))
	return err
}

// getenv is the process's environment.
func getenv(name string) string { return os.Getenv(name) }

// networks is a flag that takes a network each time.
type networks []netip.Prefix

func (n *networks) String() string { return "" }

func (n *networks) Type() string { return "CIDR" }

// Set takes a network, or an address, which is one of one.
func (n *networks) Set(text string) error {
	network, err := netip.ParsePrefix(text)
	if address, bad := netip.ParseAddr(text); err != nil && bad == nil {
		network, err = netip.PrefixFrom(address, address.BitLen()), nil
	}
	if err != nil {
		return fmt.Errorf("%q is not a network like 10.1.0.0/16", text)
	}
	*n = append(*n, network.Masked())
	return nil
}
