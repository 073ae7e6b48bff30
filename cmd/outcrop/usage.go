package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"outcrop/internal/client"
	"outcrop/internal/ledger"
	"outcrop/internal/usage"
)

// ledgerFile is the usage ledger in a --data-dir.
const ledgerFile = "outcrop.db"

// tokenVariable has the token of who asks a server, which a command line should not show.
const tokenVariable = "OUTCROP_TOKEN"

const usageHelp = `Prints what was used and what it cost: requests, tokens, the share of the prompt cache and
what it saved, errors and latencies, by day, model, project, user, upstream and more.

It asks a server (--url), as an administrator with a token of its identity provider: in
` + tokenVariable + ` or --token. Or it reads the ledger itself, where it is: --data-dir or --postgres,
also while servers run. Times are UTC, and sums are by the hour.`

type usageFlags struct {
	url, token, from, to, by, output string
	only                             []string
	rows                             int
	place                            ledgerPlace
}

// ledgerPlace is where a ledger is, of --data-dir or --postgres.
type ledgerPlace struct{ dataDir, postgres string }

func (p *ledgerPlace) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.dataDir, "data-dir", "", "`DIR` of the server's --data-dir, whose ledger is read itself")
	cmd.Flags().StringVar(&p.postgres, "postgres", "", "`URL` of the PostgreSQL whose ledger is read itself, postgres://user:password@host/database")
}

// options are the ledger's, which has to be there.
func (p *ledgerPlace) options() (ledger.Options, error) {
	o := ledger.Options{URL: p.postgres, AsIs: true}
	if p.dataDir == "" {
		return o, nil
	}
	if p.postgres != "" {
		return o, errors.New("--data-dir and --postgres are two ledgers: give one of them")
	}
	o.Path = filepath.Join(p.dataDir, ledgerFile)
	if _, err := os.Stat(o.Path); err != nil {
		return o, fmt.Errorf("--data-dir: there is no usage ledger: %w", err)
	}
	return o, nil
}

func newUsageCommand() *cobra.Command {
	var f usageFlags
	cmd := &cobra.Command{
		Use: "usage", Short: "Print what was used and what it cost", Long: usageHelp, Args: cobra.NoArgs,
		Example: `  outcrop usage --url https://dial.example.com --from 2026-11-01 --by day,model
  outcrop usage --data-dir /var/lib/outcrop --by project --only model=eu.amazon.nova-lite-v1:0
  outcrop usage --postgres postgres://outcrop@db/outcrop --by user -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := f.report(cmd)
			if err != nil {
				return err
			}
			return emit(cmd.OutOrStdout(), f.output, report, func(w io.Writer) error { return printUsage(w, report) })
		},
	}
	f.place.flags(cmd)
	cmd.Flags().StringVar(&f.url, "url", "http://127.0.0.1:8080", "address of the server")
	cmd.Flags().StringVar(&f.token, "token", "", "token of an administrator (default: $"+tokenVariable+")")
	cmd.Flags().StringVar(&f.from, "from", "", "a date, or a time like 2026-11-01T08:00:00Z (default 30 days before the end)")
	cmd.Flags().StringVar(&f.to, "to", "", "the end, which is not part of it (default now)")
	cmd.Flags().StringVar(&f.by, "by", "model", "what is told apart, with commas: month, day, hour, deployment, fallback, model, project, user, upstream, region, operation, tier")
	cmd.Flags().StringArrayVar(&f.only, "only", nil, "only what is so, `NAME=VALUE`, as project=team-a; repeatable")
	cmd.Flags().IntVar(&f.rows, "limit", usage.UsualRows, "rows at most; the total is of all")
	outputFlag(cmd, &f.output)
	cmd.AddCommand(newUsageMigrateCommand())
	return cmd
}

// report is the answer of whom the flags name.
func (f *usageFlags) report(cmd *cobra.Command) (*usage.Report, error) {
	if f.rows < 1 || f.rows > usage.MostRows {
		return nil, fmt.Errorf("--limit is %d: it must be 1 to %d", f.rows, usage.MostRows)
	}
	options, err := f.place.options()
	if err != nil {
		return nil, err
	}
	if options.Path != "" || options.URL != "" {
		if cmd.Flags().Changed("url") {
			return nil, errors.New("--url asks a server, --data-dir and --postgres read a ledger: give one of them")
		}
		return f.read(cmd.Context(), options)
	}
	token := cmp.Or(f.token, os.Getenv(tokenVariable))
	if token == "" {
		return nil, errors.New("no token: set " + tokenVariable + " to an administrator's, or read the ledger itself with --data-dir or --postgres")
	}
	if _, err := chatKey(chatOptions{url: f.url, key: token}); err != nil { // the address
		return nil, err
	}
	params := url.Values{"group_by": {f.by}, "limit": {strconv.Itoa(f.rows)}}
	for name, value := range map[string]string{"from": f.from, "to": f.to} {
		if value != "" {
			params.Set(name, value)
		}
	}
	for _, only := range f.only {
		name, value, ok := strings.Cut(only, "=")
		if !ok {
			return nil, errOnly(only)
		}
		params.Set(name, value)
	}
	return client.New(f.url, "", nil).WithToken(token).Usage(cmd.Context(), params)
}

func errOnly(only string) error {
	return fmt.Errorf("--only is %q: one like project=team-a is expected", only)
}

// read reads a ledger itself.
func (f *usageFlags) read(ctx context.Context, o ledger.Options) (*usage.Report, error) {
	q := usage.Query{Rows: f.rows}
	var err error
	if q.From, q.To, err = usage.Span(f.from, f.to, time.Now()); err != nil {
		return nil, errors.New("--" + err.Error())
	}
	if q.By, err = usage.ParseGroups(f.by); err != nil {
		return nil, fmt.Errorf("--by: %w", err)
	}
	for _, only := range f.only {
		name, value, ok := strings.Cut(only, "=")
		filter := usage.Filter{Is: value}
		if err := filter.Group.UnmarshalText([]byte(name)); !ok || err != nil {
			return nil, errors.Join(errOnly(only), err)
		}
		q.Filters = append(q.Filters, filter)
	}
	l, err := ledger.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	report, err := l.Usage(ctx, q)
	return &report, errors.Join(err, l.Close())
}

func newUsageMigrateCommand() *cobra.Command {
	var place ledgerPlace
	var to int
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the schema of a usage ledger to a version, forth or back",
		Long: `Brings the schema of a usage ledger to a version. outcrop serve goes forth by itself; this
goes back as well, before an earlier version of outcrop is run again. Stop the servers first, and keep
a copy: what only the later schema holds is lost.`,
		Example: "  outcrop usage migrate --data-dir /var/lib/outcrop --to 1",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := place.options()
			switch {
			case err != nil:
				return err
			case o.Path == "" && o.URL == "":
				return errors.New("which ledger? Give --data-dir or --postgres")
			case to < 1:
				return fmt.Errorf("--to is %d: it must be 1 to %d", to, ledger.Version)
			}
			from, err := ledger.Migrate(cmd.Context(), o, to)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "The usage ledger had the schema %d, and has %d.\n", from, to)
			return err
		},
	}
	place.flags(cmd)
	cmd.Flags().IntVar(&to, "to", ledger.Version, "the version")
	return cmd
}
