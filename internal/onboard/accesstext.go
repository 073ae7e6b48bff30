package onboard

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"outcrop/internal/iam"
)

// WriteText prints the plan, or what became of it, for people.
func (p *AccessPlan) WriteText(out io.Writer) error {
	var b strings.Builder
	p.steps(&b)
	p.remains(&b)
	_, err := io.WriteString(out, b.String())
	return err
}

// WriteSteps prints what is going to be done.
func (p *AccessPlan) WriteSteps(out io.Writer) error {
	var b strings.Builder
	p.steps(&b)
	_, err := io.WriteString(out, b.String())
	return err
}

func (p *AccessPlan) steps(b *strings.Builder) {
	for _, m := range p.Models {
		m.write(b, p.Applied)
	}
	if p.Form != nil {
		p.Form.write(b)
	}
}

func (m *ModelPlan) write(b *strings.Builder, applied bool) {
	fmt.Fprintf(b, "%s (%s %s): %s\n", m.ID, m.Provider, m.Name, m.Access)
	for _, asked := range m.Asked {
		if asked != m.ID {
			fmt.Fprintf(b, "  the model behind %s\n", asked)
		}
	}
	if m.Offer != nil && (m.Agreed || m.todo()) {
		verb := "agree to"
		if m.Agreed {
			verb = "agreed to"
		} else if applied {
			verb = "not agreed to"
		}
		m.Offer.write(b, verb)
	}
	if m.Problem != nil {
		m.Problem.write(b, "  ")
	} else if advice := m.Access.advice(); advice != "" {
		fmt.Fprintf(b, "  to do: %s\n", advice)
	}
	if m.Note != "" {
		fmt.Fprintf(b, "  note: %s\n", m.Note)
	}
	b.WriteString("\n")
}

func (o *Offer) write(b *strings.Builder, verb string) {
	fmt.Fprintf(b, "  %s the offer %s\n", verb, o.ID)
	fmt.Fprintf(b, "    terms    %s\n", o.Legal)
	if o.Refund != "" {
		fmt.Fprintf(b, "    refunds  %s\n", o.Refund)
	}
	if o.Duration != "" {
		fmt.Fprintf(b, "    lasts    %s\n", o.Duration)
	}
	for i, r := range o.RateCard {
		name := "prices"
		if i > 0 {
			name = ""
		}
		what := r.Description[strings.LastIndex(r.Description, "|")+1:]
		if what == "" {
			what = r.Dimension
		}
		fmt.Fprintf(b, "    %-8s %s USD, %s\n", name, r.Price, what)
	}
	if o.Alternatives > 0 {
		fmt.Fprintf(b, "    (%d other offers; --output json does not list them: aws bedrock list-foundation-model-agreement-offers)\n", o.Alternatives)
	}
}

func (f *FormPlan) write(b *strings.Builder) {
	switch {
	case f.Send == nil:
		b.WriteString("Anthropic's use-case form was never sent for this account. It is sent once, for the account or for the\n" +
			"organization from its management account. Write a file like this one and give it with --form FILE:\n\n" + indent(FormExample, "  ") + "\n")
		return
	case f.Sent:
		b.WriteString("sent the use-case form to Anthropic, through AWS\n")
	case f.Problem != nil:
		b.WriteString("the use-case form was not sent\n")
		f.Problem.write(b, "  ")
	default:
		b.WriteString("send this use-case form to Anthropic, through AWS\n")
	}
	s := f.Send
	for _, line := range [][2]string{
		{"companyName", s.CompanyName}, {"companyWebsite", s.CompanyWebsite}, {"intendedUsers", s.IntendedUsers + " (" + s.users() + ")"},
		{"industryOption", s.IndustryOption}, {"otherIndustryOption", s.OtherIndustryOption}, {"useCases", strings.TrimSpace(s.UseCases)},
	} {
		if line[1] != "" {
			fmt.Fprintf(b, "  %-20s %s\n", line[0], strings.ReplaceAll(line[1], "\n", "\n"+strings.Repeat(" ", 23)))
		}
	}
	b.WriteString("\n")
}

func (p *Problem) write(b *strings.Builder, margin string) {
	fmt.Fprintf(b, "%sproblem: %s\n", margin, p.Text)
	if p.Remedy != "" {
		fmt.Fprintf(b, "%sto do: %s\n", margin, p.Remedy)
	}
}

// remains says what is left to do.
func (p *AccessPlan) remains(b *strings.Builder) {
	again := "outcrop aws access " + strings.Join(p.ids(), " ")
	switch {
	case p.Done():
		b.WriteString("All of it can be called. There is nothing to do.\n")
	case p.NeedsForm():
		b.WriteString("Nothing was written. Next: " + again + " --form FILE --apply\n")
	case !p.Applied && p.todo():
		b.WriteString("Nothing was written. To send and agree to the above, type the same with --apply.\n")
	case p.Pending():
		b.WriteString("An agreement takes up to 15 minutes; calls may succeed meanwhile, and fail later if it does not come about.\nLook again: " + again + "\n")
	case p.unknown():
		b.WriteString("Whether it can be called is not known. Allow what is named above to who runs this command, or try a call:\noutcrop doctor --model " + strings.Join(p.ids(), " --model ") + "\n")
	default:
		b.WriteString("Some of it cannot be called. After a change of permissions wait about two minutes, then: " + again + "\n")
	}
}

func (p *AccessPlan) todo() bool {
	for _, m := range p.Models {
		if m.todo() {
			return true
		}
	}
	return false
}

// unknown says whether nothing is known to stand in the way, and something is not known.
func (p *AccessPlan) unknown() bool {
	return !slices.ContainsFunc(p.Models, func(m ModelPlan) bool { return m.Access.State != AccessAvailable && m.Access.State != AccessUnknown })
}

func (p *AccessPlan) ids() []string {
	var out []string
	for _, m := range p.Models {
		out = append(out, m.ID)
	}
	return out
}

// marketplaceStatement is what makes an agreement possible.
// https://docs.aws.amazon.com/bedrock/latest/userguide/model-access.html#model-access-permissions
func marketplaceStatement() string {
	statement := iam.Statement{
		Sid: "AgreeToModels", Effect: iam.Allow,
		Action:    iam.Strings{"aws-marketplace:Subscribe", "aws-marketplace:ViewSubscriptions"},
		Resource:  iam.Strings{"*"},
		Condition: iam.Condition{"StringEquals": {"aws:CalledViaLast": iam.Strings{"bedrock.amazonaws.com"}}},
	}
	text, err := json.Marshal(statement)
	if err != nil {
		return err.Error() // a statement of strings can always be written
	}
	return string(text)
}

func indent(text, margin string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return margin + strings.Join(lines, "\n"+margin) + "\n"
}
