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
	// readyTimeout bounds the look for credentials at the start.
	readyTimeout = 10 * time.Second
	// configPoll is how often the configuration is looked at.
	configPoll = 5 * time.Second
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
	// poll is how often the files are looked at; 0 is only on SIGHUP.
	poll time.Duration
	// wait lets the server start without a good configuration.
	wait    bool
	drain   drain
	metrics string
	// promptLog is the file of the prompt log, "" for what the settings say.
	promptLog string
	stores    storeFlags
	load      loadFlags
	// catalogue is the file that changes the built-in catalogue, "" for none.
	catalogue string
	// settings is the file of DIAL's static settings, "" for AIDIAL_SETTINGS or none; stated are they, and doubts
	// what is doubtful about them.
	settings string
	stated   *config.Settings
	doubts   []config.Problem
}

func newServeCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve Bedrock models through the DIAL API",
		Long: "Serve Bedrock models through the DIAL API.\n\n" +
			"With --sandbox, everything runs in this process and no AWS account is needed.\n" +
			"With --config FILE, the models, keys and roles of DIAL's aidial.config.json are served. A change of the\n" +
			"file is served as soon as it is seen, if it has no mistakes; requests go on with what they began with.\n" +
			"AWS credentials and region come from the environment unless an upstream names its own.",
		Example: "  outcrop serve --sandbox\n  outcrop serve --config aidial.config.json --config keys.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.settle(cmd.Flags(), os.Environ(), cmd.ErrOrStderr()); err != nil {
				return err
			}
			return serve(cmd.Context(), f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:8080", "address to listen on")
	cmd.Flags().StringArrayVar(&f.configs, "config", nil, "DIAL configuration `FILE`, JSON or YAML, or a directory of such files; repeat to merge several, later ones win")
	cmd.Flags().DurationVar(&f.poll, "config-poll", configPoll, "how often to look whether the configuration has changed, and to serve it if it is good; 0 for only on SIGHUP")
	cmd.Flags().BoolVar(&f.wait, "wait-for-config", false, "without a good configuration start all the same, and be not ready until there is one")
	cmd.Flags().BoolVar(&f.merge.OverwriteArrays, "overwrite-arrays", false, "let a list of a later file replace the earlier one instead of following it")
	invalidFlag(cmd.Flags(), &f.merge.SkipInvalid)
	settingsFlag(cmd.Flags(), &f.settings)
	cmd.Flags().BoolVar(&f.sandbox, "sandbox", false, "answer from a built-in sandbox instead of AWS")
	catalogueFlag(cmd, &f.catalogue)
	metricsFlag(cmd, &f.metrics)
	f.stores.flags(cmd.Flags())
	cmd.Flags().StringVar(&f.promptLog, "prompt-log", "", "`FILE` for the prompt log, a JSON line for each request to a deployment, - for the standard output; without the flag AIDIAL_LOG_FILE says")
	f.drain.flags(cmd)
	f.load.flags(cmd.Flags())
	cmd.Flags().Var((*networks)(&f.fetchAllow), "fetch-allow", "network (`CIDR`) from which files that a request names by URL may be fetched although it is not public; repeatable")
	cmd.Flags().StringVar(&f.log, "log", "", "log format on standard error: json or text (default json, with --sandbox text)")
	return cmd
}

// serve runs until the context ends, then lets running replies finish.
func serve(ctx context.Context, f serveFlags, stdout, stderr io.Writer) error {
	if err := f.check(); err != nil {
		return err
	}
	log, err := newLog(f, stderr)
	if err != nil {
		return err
	}
	f.logDoubts(log)
	limitMemory()
	catalogue, err := loadCatalogue(f.catalogue)
	if err != nil {
		return err
	}
	create, stop, err := newClients(ctx, f.sandbox, catalogue, log)
	if err != nil {
		return err
	}
	defer stop()
	l := newLive(f, catalogue, create, log)
	if l.parts.tokens, err = tokensOf(ctx, l.parts.settings, nil, log); err != nil {
		return err
	}
	if l.parts.buckets, err = bucketsOf(l.parts.settings); err != nil {
		return err
	}
	release, err := l.keep(ctx, f)
	if err != nil {
		return err
	}
	defer release()
	if err := l.begin(f, stderr); err != nil {
		return err
	}
	listener, err := listen(ctx, f.listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	metricsAt, stopMetrics, err := serveMetrics(ctx, f.metrics, l.metrics, log)
	if err != nil {
		return err
	}
	defer stopMetrics()
	go roomyHeap(ctx)
	go l.check(ctx)
	defer l.follow(ctx, f)()
	if err := announce(stdout, listener.Addr(), f, l.current.Load().config); err != nil {
		return err
	}
	logStart(log, listener.Addr(), metricsAt, f.drain, l.parts.load)
	server := newServer(l.handler(f), log)
	server.IdleTimeout = f.idleTimeout()
	l.crowd.watch(server)
	return service{server, listener, f.drain, l.ready, log, l}.run(ctx)
}

func (f serveFlags) check() error {
	switch {
	case len(f.configs) == 0 && !f.sandbox:
		return nothingNamed()
	case len(f.configs) == 0 && f.wait:
		return errors.New("--wait-for-config waits for what --config names: give --config DIRECTORY")
	case f.poll < 0:
		return errors.New("--config-poll is negative: it must be a time like 5s, or 0 to look only on SIGHUP")
	}
	return errors.Join(f.drain.check(), f.load.check())
}

func newLog(f serveFlags, stderr io.Writer) (*slog.Logger, error) {
	return logTo(stderr, f, slog.LevelInfo)
}

// logTo is a log of what is at least of the level, in the format of the flags.
func logTo(stderr io.Writer, f serveFlags, level slog.Level) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: level}
	switch {
	case f.log == "json" || f.log == "" && !f.sandbox:
		return slog.New(newMasked(slog.NewJSONHandler(stderr, options), stderr)), nil
	case f.log == "text" || f.log == "":
		return slog.New(newMasked(slog.NewTextHandler(stderr, options), stderr)), nil
	default:
		return nil, fmt.Errorf("--log must be json or text, not %q", f.log)
	}
}

// announce says what is served, where, and how to call it.
func announce(w io.Writer, address net.Addr, f serveFlags, cfg *config.Config) error {
	base := "http://" + reachable(address)
	if cfg == nil {
		_, err := fmt.Fprintf(w, "Outcrop waits for a configuration on %s\n", base)
		return err
	}
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
