package onboard

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteText prints the answer for people.
func (w *Whoami) WriteText(out io.Writer) error {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-13s%s\n", name, value)
		}
	}
	line("account", orUnknown(w.Account))
	line("principal", orUnknown(w.Principal.ARN))
	line("kind", w.Principal.Kind)
	line("credentials", w.Credentials.Source)
	for _, role := range w.Credentials.Roles {
		line("", "then the role "+role)
	}
	line("access key", w.keyText())
	line("expires", w.expiresText())
	w.apiKeyText(line)
	line("region", w.regionText())
	for i, told := range w.Region.All {
		if len(w.Region.All) > 1 {
			line("", fmt.Sprintf("%d. %s=%s", i+1, told.Source, told.Value))
		}
	}
	for _, x := range w.Warnings {
		fmt.Fprintf(&b, "\nwarning [%s]: %s\n  to do: %s\n", x.Code, x.Text, x.Remedy)
	}
	for _, note := range w.Notes {
		fmt.Fprintf(&b, "\nnote: %s\n", note)
	}
	if w.Problem != nil {
		fmt.Fprintf(&b, "\nnot known: %s\n", w.Problem.Text)
		if w.Problem.Remedy != "" {
			fmt.Fprintf(&b, "  to do: %s\n", w.Problem.Remedy)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func orUnknown(s string) string {
	if s == "" {
		return "not known"
	}
	return s
}

func (w *Whoami) keyText() string {
	c := w.Credentials
	if c.AccessKeyID == "" {
		return ""
	}
	text := c.AccessKeyID
	if c.Created != nil {
		text += ", created " + c.Created.UTC().Format(time.DateOnly)
	}
	if c.LastUsed != nil {
		text += ", last used " + c.LastUsed.UTC().Format(time.DateOnly)
	}
	return text
}

func (w *Whoami) expiresText() string {
	switch {
	case w.Credentials.Expires != nil:
		return stamp(*w.Credentials.Expires)
	case w.Credentials.LongLived:
		return "never"
	}
	return ""
}

func (w *Whoami) apiKeyText(line func(name, value string)) {
	if w.APIKey == nil {
		return
	}
	k := w.APIKey
	line("made with", k.AccessKeyID)
	line("good for", k.Region)
	if k.Expires != nil {
		line("expires", stamp(*k.Expires))
	}
	line("credential", k.Credential)
}

func (w *Whoami) regionText() string {
	switch r := w.Region; {
	case r.Region == "":
		return "none"
	case r.Injected && strings.HasPrefix(r.Source, "AWS_"):
		return r.Region + " (from " + r.Source + ", which EKS seems to have set)"
	default:
		return r.Region + " (from " + r.Source + ")"
	}
}
