package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"outcrop/internal/adapter"
	"outcrop/internal/bedrock"
	"outcrop/internal/config"
	"outcrop/internal/fetch"
	"outcrop/internal/llm"
	"outcrop/internal/models"
	"outcrop/internal/telemetry"
)

type adapterFlags struct {
	listen     string
	sandbox    bool
	log        string
	fetchAllow []netip.Prefix
	catalogue  string
	drain      drain
	load       loadFlags
	metrics    string
	// trust lets extraData name files and addresses.
	trust bool
}

func newAdapterCommand() *cobra.Command {
	var f adapterFlags
	cmd := &cobra.Command{
		Use:   "adapter",
		Short: "Serve Bedrock behind an AI DIAL Core, in place of DIAL's Bedrock adapter",
		Long: "Serve Bedrock behind an AI DIAL Core, in place of DIAL's Bedrock adapter.\n\n" +
			"It has the routes, headers and environment variables of that one: docs/adapter.md lists them, and what\n" +
			"is different. The deployment in a request's path is a model id or ARN, and the upstream's extraData\n" +
			"comes in the header X-Upstream-Extra-Data.",
		Example: "  AWS_DEFAULT_REGION=eu-west-1 DIAL_URL=http://dial-core outcrop adapter\n  outcrop adapter --sandbox --listen 127.0.0.1:5001",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serveAdapter(cmd.Context(), f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&f.listen, "listen", "0.0.0.0:5000", "address to listen on")
	cmd.Flags().BoolVar(&f.sandbox, "sandbox", false, "answer from a built-in sandbox instead of AWS")
	catalogueFlag(cmd, &f.catalogue)
	metricsFlag(cmd, &f.metrics)
	f.drain.flags(cmd)
	f.load.flags(cmd.Flags())
	cmd.Flags().Var((*networks)(&f.fetchAllow), "fetch-allow", "network (`CIDR`) from which files that a request names by URL may be fetched although it is not public; repeatable")
	cmd.Flags().BoolVar(&f.trust, "trust-extra-data", false, "take files and addresses from X-Upstream-Extra-Data; only where nobody but DIAL Core can send requests")
	cmd.Flags().StringVar(&f.log, "log", "", "log format on standard error: json or text (default json, with --sandbox text)")
	return cmd
}

// serveAdapter runs until the context ends, then lets running replies finish.
func serveAdapter(ctx context.Context, f adapterFlags, stdout, stderr io.Writer) error {
	if err := errors.Join(f.drain.check(), f.load.check()); err != nil {
		return err
	}
	environment, err := adapter.ReadEnvironment(os.Environ())
	if err != nil {
		return err
	}
	log, err := logTo(stderr, serveFlags{log: f.log, sandbox: f.sandbox}, environment.Level)
	if err != nil {
		return err
	}
	logEnvironment(environment, log)
	limitMemory()
	catalogue, err := loadCatalogue(f.catalogue)
	if err != nil {
		return err
	}
	listener, err := listen(ctx, f.listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	options := environment.Options
	stop, err := adapterUpstreams(ctx, f, catalogue, adapterLog{log, environment}, &options)
	if err != nil {
		return err
	}
	defer stop()
	options.Extra = readExtra(f.trust, log)
	options.Fetch = fetch.Options{Allow: f.fetchAllow}
	options.Models = listed(catalogue)
	options.Log, options.Version = log, version()
	ready := &readiness{}
	ready.configured.Store(true) // by the requests
	options.Ready = ready.reason
	held := newHolders()
	options.Client = held.watched(options.Client)
	var metrics *telemetry.Metrics
	if f.metrics != "" {
		ends := newAdapterNames(catalogue, log)
		metrics = telemetry.New(telemetry.Options{Version: version(), Ready: ready.ready, Credentials: held.credentials, Name: ends.name})
		ends.metrics, options.Record = metrics, metrics.Record
	}
	var crowd *crowd
	options.Load, crowd = f.load.begin(config.LoadBounds{Queue: -1}, metrics, log)
	handler, err := adapter.New(options)
	if err != nil {
		return err
	}
	metricsAt, stopMetrics, err := serveMetrics(ctx, f.metrics, metrics, log)
	if err != nil {
		return err
	}
	defer stopMetrics()
	if _, err := fmt.Fprintf(stdout, "Outcrop adapts Bedrock for DIAL Core on http://%s\n", reachable(listener.Addr())); err != nil {
		return err
	}
	logStart(log, listener.Addr(), metricsAt, f.drain, options.Load)
	go roomyHeap(ctx)
	server := newServer(inFlight(metrics, handler), log)
	server.IdleTimeout = cmp.Or(environment.KeepAlive, idleTimeout)
	crowd.watch(server)
	return service{server: server, listener: listener, drain: f.drain, ready: ready, log: log}.run(ctx)
}

// logEnvironment says at the start what of the environment is doubtful, or set in vain.
func logEnvironment(e *adapter.Environment, log *slog.Logger) {
	for _, warning := range e.Warnings {
		log.Warn("environment", "warning", warning)
	}
	for _, v := range e.Meaningless {
		log.Info("a variable of DIAL's adapter has no meaning here", "variable", v.Name, "note", strings.ReplaceAll(v.Note, "`", ""))
	}
}

// adapterLog is the log beside what it tells of.
type adapterLog struct {
	*slog.Logger
	environment *adapter.Environment
}

// adapterUpstreams chooses between AWS and a sandbox in this process, which stop ends.
func adapterUpstreams(ctx context.Context, f adapterFlags, catalogue *models.Catalogue, log adapterLog, o *adapter.Options) (stop func(), err error) {
	if f.sandbox {
		o.Client, stop, err = newClients(ctx, true, catalogue, log.Logger)
		return stop, err
	}
	process, warnings, err := bedrock.Load(ctx, withRegion(log.environment.Region), catalogue)
	for _, warning := range warnings {
		log.Warn("AWS settings", "warning", warning)
	}
	if err != nil {
		return nil, err
	}
	o.Client = process.Client
	go checkProcess(ctx, process, log)
	return func() {}, nil
}

// withRegion is the environment in which the region is the one that the adapter has chosen.
func withRegion(region string) func(string) string {
	return func(name string) string {
		switch name {
		case "AWS_REGION":
			return region
		case "AWS_DEFAULT_REGION", "DEFAULT_REGION":
			return ""
		default:
			return getenv(name)
		}
	}
}

// checkProcess looks for the credentials of upstreams that name none, so that the log says that there are
// none before a client meets it.
func checkProcess(ctx context.Context, process *bedrock.Process, log adapterLog) {
	client, err := process.Client(bedrock.Settings{})
	if err != nil {
		return // the adapter says so
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := client.Ready(ctx); err != nil {
		log.Warn("no AWS credentials in the environment: only upstreams whose extraData has some can be served", "error", err)
	}
}

// readExtra maps extraData to an upstream. What is doubtful about it goes to the log: once, because the
// adapter remembers what it has read.
func readExtra(trust bool, log *slog.Logger) func(string) (adapter.Upstream, error) {
	read := config.ReadExtraData
	if trust {
		read = config.ReadTrustedExtraData
	}
	return func(doc string) (adapter.Upstream, error) {
		u, problems := read([]byte(doc))
		if err := extraProblems(problems, log); err != nil {
			return adapter.Upstream{}, err
		}
		return adapter.Upstream{
			Settings: settings(u, u.Region), Model: modelOptions(config.Model{Timeouts: config.DefaultTimeouts()}, u),
			ModelID: u.ModelID,
		}, nil
	}
}

// extraProblems is the client's error of the mistakes among the problems; the others are logged.
func extraProblems(problems []config.Problem, log *slog.Logger) error {
	var fields, texts []string
	for _, p := range problems {
		field := strings.TrimPrefix(strings.TrimPrefix(p.Path, "extraData"), ".")
		text := config.Problem{Path: field, Message: p.Message, Remedy: p.Remedy, Severity: p.Severity}.String()
		text = strings.TrimPrefix(text, p.Severity.String()+": ")
		if p.Severity == config.Error {
			fields, texts = append(fields, field), append(texts, text)
		} else {
			log.Warn("X-Upstream-Extra-Data", "warning", text)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return &llm.Error{Kind: llm.KindInvalid, Param: fields[0], Message: strings.Join(texts, "; ")}
}

// listed are the models of the catalogue that can be named as they are.
func listed(catalogue *models.Catalogue) (out []adapter.Model) {
	for _, m := range catalogue.All() {
		switch m.Kind {
		case models.Chat, models.Embedding, models.Image: // there is no route for the others
			if !m.ProfileOnly() && m.Lifecycle.Status != models.EndOfLife {
				out = append(out, adapter.Model{ID: m.ID, Name: m.Name})
			}
		}
	}
	return out
}
