package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"outcrop/internal/auth"
	"outcrop/internal/config"
	"outcrop/internal/secret"
)

// keyPrefix begins the keys that we make, so that scanners of repositories can find a lost one.
const keyPrefix = "ock-"

// shownDigits is how much of a digest tells keys apart for people.
const shownDigits = 12

// authKey is a key of the configuration as requests are looked at with.
func authKey(k config.Key) auth.Key {
	return auth.Key{Digest: k.Sum(), Project: k.Project, Roles: k.Roles, Secured: k.Secured, AllowedIPs: k.AllowedIPs, Expires: k.Expires}
}

func newKeysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make API keys, and list those of a configuration",
	}
	cmd.AddCommand(newKeysNewCommand(), newKeysDigestCommand(), newKeysListCommand())
	return cmd
}

// newKey is what keys new prints.
type newKey struct {
	Key   string          `json:"key"`
	Entry json.RawMessage `json:"entry"` // a member of keys: {name: entry}
}

// keyEntry is an entry of keys as we write one.
type keyEntry struct {
	Project string   `json:"project"`
	Roles   []string `json:"roles"`
	Digest  string   `json:"digest,omitempty"`
	Expires string   `json:"expires,omitempty"`
}

func newKeysNewCommand() *cobra.Command {
	var form, name string
	var digest bool
	var entry keyEntry
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Make a new API key, and the entry of the configuration for it",
		Long: `Makes a key of 160 random bits, prints it once, and the entry to add to keys.
The entry has the key's digest, so that the file holds no secret: nothing keeps the
key but whoever reads it here.

With --digest=false the name of the entry is the key, as AI DIAL reads it.`,
		Example: "  outcrop keys new --project team-a --role default --expires 2027-12-31",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			made, err := makeKey(name, entry, digest, time.Now())
			if err != nil {
				return err
			}
			return emit(cmd.OutOrStdout(), form, made, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "The key, which is shown this once:\n\n  %s\n\nThe entry to add to \"keys\" of the configuration:\n\n%s\n", made.Key, indented(made.Entry))
				return err
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "name of the entry (default the project)")
	cmd.Flags().StringVar(&entry.Project, "project", "my-project", "who uses the key: keys of one project are one caller")
	cmd.Flags().StringArrayVar(&entry.Roles, "role", []string{"default"}, "role of the key; repeatable")
	cmd.Flags().StringVar(&entry.Expires, "expires", "", "when it stops to be good: a date (its last day, UTC) or a time like 2027-12-31T18:00:00Z")
	cmd.Flags().BoolVar(&digest, "digest", true, "let the entry have the key's digest; false makes the key the entry's name, as AI DIAL reads it")
	outputFlag(cmd, &form)
	return cmd
}

func makeKey(name string, entry keyEntry, digest bool, now time.Time) (newKey, error) {
	if strings.TrimSpace(entry.Project) == "" || len(entry.Roles) == 0 {
		return newKey{}, errors.New("a key needs --project and --role")
	}
	if entry.Expires != "" {
		expires, err := config.ParseExpiry(entry.Expires)
		if err != nil {
			return newKey{}, fmt.Errorf("--expires is %q: it must be a date like 2027-12-31, or a time like 2027-12-31T18:00:00Z", entry.Expires)
		}
		if !expires.After(now) {
			return newKey{}, fmt.Errorf("--expires is %s, which is past: the key would never be good", entry.Expires)
		}
	}
	random := make([]byte, 20)
	if _, err := rand.Read(random); err != nil {
		return newKey{}, err
	}
	key := keyPrefix + hex.EncodeToString(random)
	switch {
	case !digest:
		name = key
	case name == "":
		name = entry.Project
	}
	if digest {
		entry.Digest = config.Digest(secret.New(key))
	}
	written, err := json.Marshal(map[string]keyEntry{name: entry})
	return newKey{key, written}, err
}

// indented is a JSON object's members for people, to be put into another object.
func indented(object []byte) string {
	var b bytes.Buffer
	if err := json.Indent(&b, object, "", "  "); err != nil {
		return string(object)
	}
	text := strings.TrimSuffix(strings.TrimPrefix(b.String(), "{\n"), "\n}")
	return text
}

// longestKey bounds what is read of the standard input.
const longestKey = 64 << 10

func newKeysDigestCommand() *cobra.Command {
	var form string
	cmd := &cobra.Command{
		Use:   "digest",
		Short: "Print the digest of a key that is read from standard input",
		Long: `Reads a key from standard input (never from an argument, which other users of the
machine could see) and prints its digest: what an entry of keys may have in "digest".`,
		Example: "  outcrop keys digest < key.txt",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			data, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), longestKey+1))
			key := strings.TrimRight(string(data), "\r\n")
			switch {
			case err != nil:
				return fmt.Errorf("the key cannot be read from standard input: %w", err)
			case key == "":
				return errors.New("standard input is empty: give the key there, for example outcrop keys digest < key.txt")
			case len(data) > longestKey:
				return errors.New("standard input is longer than 64 KiB: that is no key")
			case strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c >= 0x7f }):
				return errors.New("the key has a space, a line break or another character in it that no header can carry: give one key, on one line")
			}
			digest := config.Digest(secret.New(key))
			return emit(cmd.OutOrStdout(), form, map[string]string{"digest": digest}, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, digest)
				return err
			})
		},
	}
	outputFlag(cmd, &form)
	return cmd
}

// listedKey is a key without the key.
type listedKey struct {
	Name    string   `json:"name,omitempty"` // of an entry that is only named
	Digest  string   `json:"digest"`         // its first digits
	Project string   `json:"project"`
	Roles   []string `json:"roles"`
	Expires string   `json:"expires,omitempty"`
	Expired bool     `json:"expired,omitempty"`
	// Networks are those that it may be used from; without the member, all.
	Networks *[]string `json:"networks,omitempty"`
	Secured  bool      `json:"secured,omitempty"`
}

func newKeysListCommand() *cobra.Command {
	var form string
	var from source
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the keys of a configuration, without the keys",
		Example: "  outcrop keys list --config aidial.config.json --config keys.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(from.paths) == 0 {
				return errors.New("no configuration was named: give --config FILE")
			}
			cfg, problems, err := from.load()
			if err != nil {
				return err
			}
			if config.HasErrors(problems) {
				return errors.Join(printProblems(cmd.ErrOrStderr(), problems), errors.New("the configuration has errors"))
			}
			keys := listKeys(cfg, time.Now())
			return emit(cmd.OutOrStdout(), form, keys, func(w io.Writer) error { return writeKeys(w, keys) })
		},
	}
	cmd.Flags().StringArrayVar(&from.paths, "config", nil, "DIAL configuration `FILE`, or a directory of such files; repeat to merge several")
	cmd.Flags().BoolVar(&from.merge.OverwriteArrays, "overwrite-arrays", false, "let a list of a later file replace the earlier one instead of following it")
	outputFlag(cmd, &form)
	return cmd
}

func listKeys(cfg *config.Config, now time.Time) []listedKey {
	out := make([]listedKey, 0, len(cfg.Keys))
	compiled := cfg.Compile().Keys // which hold no secret
	for i, k := range cfg.Keys {
		sum, shown := k.Sum(), compiled[i]
		listed := listedKey{
			Name: shown.Name, Digest: hex.EncodeToString(sum[:])[:shownDigits], Project: shown.Project, Roles: shown.Roles,
			Expires: shown.Expires, Expired: !k.Expires.IsZero() && !k.Expires.After(now), Networks: shown.AllowedIPs, Secured: shown.Secured,
		}
		out = append(out, listed)
	}
	return out
}

func writeKeys(w io.Writer, keys []listedKey) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(table, "NAME\tDIGEST\tPROJECT\tROLES\tEXPIRES\tFROM\tSECURED"); err != nil {
		return err
	}
	for _, k := range keys {
		name, expires, from, secured := k.Name, "never", "everywhere", "no"
		if name == "" {
			name = "-" // the name is the key
		}
		if k.Expires != "" {
			expires = k.Expires
		}
		if k.Expired {
			expires += " (past)"
		}
		if k.Networks != nil {
			if from = strings.Join(*k.Networks, ","); from == "" {
				from = "nowhere"
			}
		}
		if k.Secured {
			secured = "yes"
		}
		if _, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", printable(name), k.Digest, printable(k.Project), printable(strings.Join(k.Roles, ",")), expires, from, secured); err != nil {
			return err
		}
	}
	return table.Flush()
}
