// Command outcrop puts Amazon Bedrock behind AI DIAL: a gateway, a sandbox, and the operator's tool.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	stderr := &lines{to: os.Stderr}
	code := run(untilSignal(), os.Args[1:], os.Stdin, os.Stdout, stderr)
	stderr.Flush()
	os.Exit(code)
}

// untilSignal ends with the first signal. By then a second one ends the process at once, so that whoever is told of the first
// can rely on it: with signal.NotifyContext that would come true some moments later.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals)
		cancel()
	}()
	return ctx
}

// run is the program without the process around it. The context ends with the first signal.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if exit, ok := errors.AsType[*exitError](err); ok {
		return exit.code
	}
	if err != nil {
		fmt.Fprintln(stderr, "outcrop:", printable(err.Error()))
		return 1
	}
	return 0
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "outcrop",
		Short:         "Amazon Bedrock behind AI DIAL",
		Long:          "Outcrop puts Amazon Bedrock behind AI DIAL: a gateway with DIAL's API, a Bedrock sandbox, and the operator's tool.\n\nStart with: outcrop serve --sandbox",
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newServeCommand(), newAdapterCommand(), newSandboxCommand(), newChatCommand(), newConfigCommand(), newKeysCommand(), newExplainCommand(), newAWSCommand(), newHelmCommand(), newDoctorCommand(), newUsageCommand(), &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version())
			return err
		},
	})
	return root
}

// version is the module's version as the Go tool stamped it, or the commit, or "dev".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && len(setting.Value) >= 12 {
			return "dev-" + setting.Value[:12]
		}
	}
	return "dev"
}
