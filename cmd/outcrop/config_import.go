package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"outcrop/internal/config"
	"outcrop/internal/importer"
	"outcrop/internal/models"
	"outcrop/internal/onboard"
)

// importFlags are those of outcrop config import.
type importFlags struct {
	importer.Options
	from, out, output, catalogue, profile string
	write, generate                       bool
}

func newConfigImportCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import [FILE]",
		Short: "Write the models section of a configuration, keeping what was changed by hand",
		Long: `Writes models into FILE (JSON or YAML; it is made if it is not there) and prints what would
change, as a diff. Nothing is written without --write or -o.

Models are merged by name, else by endpoint. What the file lacks is added. What the file
says otherwise stays as it is and is reported; --overwrite FIELD replaces it. A field that
should stay away is written as null. Order, comments and form of the file are kept.

For each region the id is chosen that can be called there: the model's own id, which stays
in the region, else the profile of the region's geography. A global profile, which may
answer from anywhere, is only chosen with --geo global or by its full id.

Exit codes: 0 done; 1 the file or the request has a mistake, and nothing was written.`,
		Example: `  outcrop config import --models 'anthropic.*' --regions us-east-1 aidial.config.json
  outcrop config import --from catalogue --models amazon.nova-lite-v1:0 --regions eu-central-1 -o - models.yaml
  outcrop config import --all-callable --regions us-east-1,us-west-2 --roles default --write aidial.config.yaml
  outcrop config import --provider anthropic --adapter http://dial-bedrock --overwrite pricing aidial.config.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), strings.Join(args, ""), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "account", "where the models come from: account (what its credentials can call in --regions), or catalogue (offline)")
	flags.StringSliceVar(&f.Models, "models", nil, "model `IDS`, of models or of profiles, or patterns such as 'anthropic.claude-*'")
	flags.StringSliceVar(&f.Providers, "provider", nil, "all models of these providers, as model ids name them: anthropic, amazon, meta")
	flags.BoolVar(&f.AllCallable, "all-callable", false, "all models that can be called")
	flags.StringSliceVar(&f.Exclude, "exclude", nil, "ids or patterns that are left out")
	flags.StringSliceVar(&f.Regions, "regions", nil, "AWS regions, an upstream for each (default: that of the environment or profile)")
	flags.StringVar(&f.Geo, "geo", "", "geography whose profiles are preferred: us, eu, apac, jp, au, ca, in, us-gov, global")
	flags.StringVar(&f.Adapter, "adapter", "", "`URL` of a Bedrock adapter that serves the models, for DIAL Core (default: endpoints are bedrock:ID)")
	flags.StringVar(&f.NameTemplate, "name-template", "{id}", "names of the deployments, of {id}, {base}, {geo}, {provider} and {model}")
	flags.StringSliceVar(&f.Roles, "roles", nil, "roles that get an empty entry in their limits for each model")
	flags.StringSliceVar(&f.Keys, "keys", nil, "projects that get a key, as `PROJECT[:ROLE]`: a placeholder, which config check refuses until it is replaced")
	flags.BoolVar(&f.generate, "generate-keys", false, "with --keys and --write or -o: random keys, each printed once")
	flags.StringSliceVar(&f.Overwrite, "overwrite", nil, "`FIELDS` whose values in the file are replaced (limits, pricing.prompt, …), or all")
	flags.BoolVar(&f.Prune, "prune", false, "remove models that can no longer be called, which are otherwise only named")
	flags.BoolVar(&f.write, "write", false, "write FILE")
	flags.StringVarP(&f.out, "out", "o", "", "write another `FILE`, or - for stdout")
	flags.StringVar(&f.profile, "profile", "", "profile of the AWS configuration files (default: the usual chain of credentials)")
	flags.StringVar(&f.output, "output", "text", "form of the report: text, json or yaml")
	catalogueFlag(cmd, &f.catalogue)
	return cmd
}

// importReport is what the command prints with --output json or yaml.
type importReport struct {
	File    string            `json:"file,omitempty"`
	Written string            `json:"written,omitempty"` // the file; "" when nothing was written
	Changes []importer.Change `json:"changes"`
	Diff    string            `json:"diff,omitempty"`
}

func (f *importFlags) run(ctx context.Context, file string, stdout, stderr io.Writer) error {
	if err := f.check(file); err != nil {
		return err
	}
	catalogue, err := loadCatalogue(f.catalogue)
	if err != nil {
		return err
	}
	f.Catalogue, f.Today = catalogue, time.Now().UTC().Format(time.DateOnly)
	before, err := readForImport(file)
	if err != nil {
		return err
	}
	if err := f.sources(ctx, stderr); err != nil {
		return err
	}
	keys := map[string]string{}
	if f.generate {
		f.NewKey = func(project string) string {
			keys[project] = rand.Text()
			return keys[project]
		}
	}
	name := cmp.Or(file, strings.TrimPrefix(f.out, "-"), "aidial.config.json")
	done, err := importer.Import(name, before, f.Options)
	if errors.Is(err, importer.ErrNoDocument) {
		return unreadable(file, err)
	}
	if err != nil {
		return err
	}
	report := importReport{File: file, Changes: append([]importer.Change{}, done.Changes...)}
	if err := f.store(file, before, done.Data, &report); err != nil {
		return err
	}
	secrets := slices.Concat(importer.Secrets(name, before), importer.Secrets(name, done.Data))
	report.Diff = hide(importer.Diff(name, before, done.Data), secrets)
	return f.print(report, done.Data, keys, stdout, stderr)
}

func (f *importFlags) check(file string) error {
	switch {
	case f.from != "account" && f.from != "catalogue":
		return fmt.Errorf("--from is %q: it must be account or catalogue", f.from)
	case f.output != "text" && f.output != "json" && f.output != "yaml":
		return fmt.Errorf("--output is %q: it must be text, json or yaml", f.output)
	case f.write && f.out != "":
		return errors.New("--write and -o together: which file is meant? Type one of the two")
	case f.write && file == "":
		return errors.New("--write without a file: type outcrop config import … --write aidial.config.json")
	case f.generate && len(f.Keys) == 0:
		return errors.New("--generate-keys without --keys: type --keys PROJECT too")
	case f.generate && !f.write && f.out == "":
		return errors.New("--generate-keys makes keys only where they are written: type --write or -o FILE too")
	}
	return nil
}

// readForImport is the text of the file, empty for one that is not there.
func readForImport(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// unreadable says where the file is not JSON or YAML, in the words of config check.
func unreadable(file string, otherwise error) error {
	_, problems := config.Load([]string{file}, config.Options{})
	for _, p := range problems {
		if p.Severity == config.Error {
			return fmt.Errorf("%s\nnothing was written", p)
		}
	}
	return fmt.Errorf("%s: %w", file, otherwise)
}

// sources fills in the regions and what the account offers there.
func (f *importFlags) sources(ctx context.Context, stderr io.Writer) error {
	if f.from == "catalogue" {
		if region := cmp.Or(getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION")); len(f.Regions) == 0 && f.Geo == "" && region != "" {
			f.Regions = []string{region}
		}
		return nil
	}
	if err := f.Check(); err != nil {
		return err
	}
	flags := awsFlags{profile: f.profile, catalogue: f.catalogue}
	if len(f.Regions) > 0 {
		flags.region = f.Regions[0]
	}
	account, _, err := flags.account(ctx, stderr)
	if err != nil {
		return fmt.Errorf("--from account: %w\ntype --from catalogue to import without an account", err)
	}
	if len(f.Regions) == 0 {
		f.Regions = []string{account.Config.Region}
	}
	if f.Offers, err = importer.Offers(ctx, account, f.Regions); err != nil {
		return fmt.Errorf("%w\nthe identity needs bedrock:ListFoundationModels and bedrock:ListInferenceProfiles (outcrop aws whoami says who it is); or type --from catalogue", err)
	}
	f.Elsewhere = func(base string) []string { return elsewhere(ctx, account, base) }
	denied := importer.Authorized(ctx, account, f.Offers, f.wantedBases())
	for _, base := range slices.Sorted(maps.Keys(denied)) {
		if _, err := fmt.Fprintf(stderr, "warning: %s is left out: %s\n", base, denied[base]); err != nil {
			return err
		}
	}
	return nil
}

// wantedBases are the models that the operator may mean, by base id.
func (f *importFlags) wantedBases() []string {
	var out []string
	for _, m := range f.Catalogue.All() {
		if f.Means(m) && !slices.Contains(out, m.Base) {
			out = append(out, m.Base)
		}
	}
	return out
}

// elsewhere names regions of other continents that have the model.
func elsewhere(ctx context.Context, account *onboard.Account, base string) []string {
	var out []string
	for _, region := range []string{"us-east-1", "us-west-2", "eu-central-1", "eu-west-1", "ap-northeast-1", "ap-southeast-2"} {
		offers, err := importer.Offers(ctx, account, []string{region})
		if err != nil {
			continue
		}
		for id := range offers[region] {
			if of, geo := models.Base(id); of == base && geo != "global" {
				out = append(out, region)
				break
			}
		}
	}
	return out
}

// store writes what was asked to be written.
func (f *importFlags) store(file string, before, after []byte, report *importReport) error {
	target := f.out
	if f.write {
		target = file
	}
	if target == "" || target == "-" || f.write && string(before) == string(after) {
		return nil
	}
	if now, err := readForImport(file); f.write && (err != nil || string(now) != string(before)) {
		return errors.Join(fmt.Errorf("%s was changed by somebody else since it was read: nothing was written, type the command again", file), err)
	}
	report.Written = target
	if err := importer.ReplaceFile(target, after); err != nil {
		return fmt.Errorf("nothing was written: %w", err)
	}
	return nil
}

// hide takes secrets out of a text that is shown.
func hide(s string, secrets []string) string {
	const shortest = 8 // as config check
	for _, one := range secrets {
		if len(one) >= shortest && !strings.HasPrefix(one, "${") {
			s = strings.ReplaceAll(s, one, "REDACTED")
		}
	}
	return s
}

func (f *importFlags) print(r importReport, data []byte, keys map[string]string, stdout, stderr io.Writer) error {
	var b strings.Builder
	for _, c := range r.Changes {
		fmt.Fprintln(&b, c)
	}
	for _, project := range slices.Sorted(maps.Keys(keys)) {
		fmt.Fprintf(&b, "the key of project %s, shown this once: %s\n", project, keys[project])
	}
	switch {
	case f.out == "-":
		if _, err := stdout.Write(data); err != nil {
			return err
		}
	case f.output != "text":
		if err := emit(stdout, f.output, r, nil); err != nil {
			return err
		}
		if len(keys) == 0 {
			return nil
		}
	default:
		if _, err := io.WriteString(stdout, r.Diff); err != nil {
			return err
		}
	}
	switch {
	case r.Written != "":
		fmt.Fprintf(&b, "written: %s\n", r.Written)
	case r.Diff == "":
		b.WriteString("nothing changes\n")
	case f.out != "-":
		b.WriteString("nothing was written: type --write to write the file\n")
	}
	_, err := io.WriteString(stderr, b.String())
	return err
}
