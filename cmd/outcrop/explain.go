package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/spf13/cobra"

	"outcrop/internal/bedrock"
	"outcrop/internal/config"
	"outcrop/internal/gateway"
	"outcrop/internal/llm"
	"outcrop/internal/models"
	"outcrop/internal/openai"
)

type explainFlags struct {
	file, region, output, catalogue string
	configs                         []string
	merge                           config.Options
}

func newExplainCommand() *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain -f request.json MODEL",
		Short: "Show what a chat request would become, without sending it",
		Long: `Reads a chat completion request, as a client would send it, and prints what "outcrop serve"
would make of it: the upstream, the exact request to Bedrock, what is ignored or changed and why,
and an estimate of its tokens and price. Nothing is sent, to AWS or anybody else.

MODEL is a deployment of the --config files, or without them a model id or ARN of Bedrock.

The exit status is 1 when the request would be refused.`,
		Example: `  outcrop explain -f request.json us.anthropic.claude-sonnet-4-5-20250929-v1:0
  outcrop explain -f request.json --config aidial.config.json claude
  echo '{"messages":[{"role":"user","content":"Hi"}]}' | outcrop explain -f - amazon.nova-lite-v1:0`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return explain(cmd.Context(), f, args[0], cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "`FILE` of the request, JSON; - is standard input")
	cmd.Flags().StringArrayVar(&f.configs, "config", nil, "DIAL configuration `FILE`; repeat to merge several, later ones win")
	cmd.Flags().BoolVar(&f.merge.OverwriteArrays, "overwrite-arrays", false, "let a list of a later file replace the earlier one instead of following it")
	cmd.Flags().StringVar(&f.region, "region", "", "AWS region, where neither the configuration nor AWS_REGION names one")
	catalogueFlag(cmd, &f.catalogue)
	cmd.Flags().StringVar(&f.output, "output", "text", "form of the report: text, which shortens long values, or json")
	return cmd
}

// explanation is the report.
type explanation struct {
	Deployment  string          `json:"deployment,omitempty"`
	Model       string          `json:"model"`
	Unknown     string          `json:"unknown,omitempty"` // why the request may differ from what is sent
	Region      string          `json:"region"`
	Credentials string          `json:"credentials"`
	Surface     string          `json:"surface"`
	Stream      bool            `json:"stream"` // AWS is asked for a stream
	Method      string          `json:"method"`
	URL         string          `json:"url"`
	Headers     http.Header     `json:"headers,omitempty"` // beside those of every call
	Body        json.RawMessage `json:"body"`
	Ignored     []remark        `json:"ignored"`
	Changed     []remark        `json:"changed"`
	Fetched     []remark        `json:"fetched"`
	Discarded   []int           `json:"discarded_messages"`
	Tokens      estimate        `json:"tokens"`
}

// remark is a member of the request and what is to be said of it.
type remark struct {
	Member string `json:"member"`
	Why    string `json:"why,omitempty"`
}

// estimate is of the prompt, and of the longest answer.
type estimate struct {
	Prompt    int     `json:"prompt"`
	MaxAnswer int     `json:"max_answer,omitempty"` // 0: the model's own limit, which is not known
	Choices   int     `json:"choices"`
	Images    int     `json:"images,omitempty"` // that are made
	PromptUSD float64 `json:"prompt_usd,omitempty"`
	MostUSD   float64 `json:"most_usd,omitempty"` // with the longest answers
	Priced    bool    `json:"priced"`
}

func explain(ctx context.Context, f explainFlags, name string, stdin io.Reader, stdout io.Writer) error {
	if f.output != "text" && f.output != "json" {
		return fmt.Errorf("--output is %q: it must be text or json", f.output)
	}
	body, err := readRequest(f.file, stdin)
	if err != nil {
		return err
	}
	catalogue, err := loadCatalogue(f.catalogue)
	if err != nil {
		return err
	}
	target, err := explainedModel(f, name)
	if err != nil {
		return err
	}
	report, err := target.explain(ctx, catalogue, body)
	if refusal, ok := errors.AsType[*llm.Error](err); ok {
		return fmt.Errorf("the request would be refused (%s): %s%s", refusal.Kind, refusal.Message, at(refusal.Param))
	}
	if err != nil {
		return err
	}
	if f.output == "json" {
		enc := json.NewEncoder(stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(report)
	}
	_, err = io.WriteString(stdout, report.text())
	return err
}

func at(param string) string {
	if param == "" {
		return ""
	}
	return " (at " + param + ")"
}

func readRequest(file string, stdin io.Reader) ([]byte, error) {
	switch file {
	case "":
		return nil, errors.New("give the request: -f request.json, or -f - for standard input")
	case "-":
		return io.ReadAll(stdin)
	default:
		return os.ReadFile(file)
	}
}

// explained is a model and what a configuration says of it.
type explained struct {
	config.Model
	upstream config.Upstream
	region   string
	listed   bool // it is a deployment of the configuration
}

// explainedModel finds the deployment, or takes the name for a model's id.
func explainedModel(f explainFlags, name string) (*explained, error) {
	e := &explained{Model: config.Model{Name: name, Bedrock: name, Type: "chat"}}
	if len(f.configs) > 0 {
		cfg, problems, err := source{paths: f.configs, merge: f.merge}.load()
		if err != nil {
			return nil, err
		}
		if config.HasErrors(problems) {
			return nil, errors.New("the configuration has errors: outcrop config check lists them")
		}
		if e.Model, err = bedrockModel(cfg, name); err != nil {
			return nil, err
		}
		e.listed = true
	}
	e.upstream, _ = e.Upstream()
	e.region = cmp.Or(e.Region(e.upstream), getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION"), f.region)
	if e.region == "" {
		return nil, errors.New("no AWS region: give --region, or set AWS_REGION")
	}
	return e, nil
}

// bedrockModel is the model of that name, which AWS is asked for.
func bedrockModel(cfg *config.Config, name string) (config.Model, error) {
	i := slices.IndexFunc(cfg.Models, func(m config.Model) bool { return m.Name == name })
	if i >= 0 {
		m := cfg.Models[i]
		switch why := m.NotServed(); {
		case why != "":
			return m, fmt.Errorf("the model %q is not served: %s", name, why)
		case m.Bedrock == "":
			return m, fmt.Errorf("requests for the model %q go to another server as they are: only what Bedrock is asked can be explained", name)
		}
		return m, nil
	}
	for _, d := range cfg.CompileDeployments() {
		if d.Name == name {
			return config.Model{}, fmt.Errorf("%q is a deployment of the kind %s: only what Bedrock is asked for a model can be explained", name, d.Kind)
		}
	}
	return config.Model{}, fmt.Errorf("the configuration has no model named %q", name)
}

// nobody is a transport that sends nothing.
type nobody struct{}

func (nobody) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("explain sends nothing")
}

func (e *explained) explain(ctx context.Context, catalogue *models.Catalogue, body []byte) (*explanation, error) {
	client, err := bedrock.New(bedrock.Options{
		Region: e.region, Transport: nobody{}, Catalogue: catalogue,
		Credentials: credentials.NewStaticCredentialsProvider("none", "none", ""),
	})
	if err != nil {
		return nil, err
	}
	id := e.ModelID(e.upstream)
	model, err := client.Model(id, modelOptions(e.Model, e.upstream))
	if err != nil {
		return nil, err
	}
	preview, err := gateway.NewPreview(e.Defaults, body)
	if err != nil {
		return nil, err
	}
	req, shape := preview.Request, preview.Shape
	report := &explanation{
		Model: id, Region: e.region, Credentials: e.upstream.Credentials(), Fetched: standIns(req), Discarded: []int{},
	}
	if model.Resolve(ctx) != nil {
		report.Unknown = "which model is behind the ARN, so plain Converse is shown; serve asks AWS. baseModel of the upstream says it"
	}
	if e.listed {
		report.Deployment = e.Name
		req.Metadata = map[string]string{"project": "the caller's project", "deployment": e.Name}
	}
	if err := report.cut(ctx, model, req, shape.MaxPromptTokens); err != nil {
		return nil, err
	}
	if err := report.translate(ctx, model, preview); err != nil {
		return nil, err
	}
	return report, report.price(ctx, model, req, pricing{catalogue, id, max(shape.N, 1)})
}

// standIns puts a text into the place of each file that would be fetched, and lists them.
func standIns(req *llm.ChatRequest) []remark {
	fetched := []remark{}
	replace := func(at string, parts []llm.Part) []llm.Part {
		own := slices.Clone(parts)
		for i, part := range own {
			if link, ok := part.(llm.Link); ok && !strings.HasPrefix(link.URL, "s3:") {
				fetched = append(fetched, remark{at + "." + string(link.At), "would be fetched from " + link.URL + " and sent as a file, which is not counted"})
				own[i] = llm.Text{Text: "(the file of " + link.URL + ")"}
			}
		}
		return own
	}
	for i, m := range req.Messages {
		at := fmt.Sprintf("messages[%d]", m.Index)
		m.Parts = replace(at, m.Parts)
		for j, part := range m.Parts {
			if result, ok := part.(llm.ToolResult); ok {
				result.Parts = replace(at, result.Parts)
				m.Parts[j] = result
			}
		}
		req.Messages[i] = m
	}
	return fetched
}

// cut leaves out what max_prompt_tokens would, by an estimate.
func (x *explanation) cut(ctx context.Context, model *bedrock.Model, req *llm.ChatRequest, limit int) error {
	if limit == 0 {
		return nil
	}
	kept, discarded, err := llm.Truncate(req.Messages, limit, func(messages []llm.Message) (int, error) {
		trial := *req
		trial.Messages = messages
		count, err := model.CountTokens(ctx, &trial)
		return count.Tokens, err
	})
	if err != nil {
		return err
	}
	req.Messages, x.Discarded = kept, append(x.Discarded, discarded...)
	return nil
}

func (x *explanation) translate(ctx context.Context, model *bedrock.Model, p *gateway.Preview) error {
	told, err := model.Explain(ctx, p.Request)
	if err != nil {
		return err
	}
	told.Ignored = slices.DeleteFunc(told.Ignored, func(n bedrock.Note) bool { return slices.Contains(p.Unasked, n.Param) })
	x.Surface, x.Stream, x.Method, x.URL, x.Headers, x.Body = told.Surface, !told.Whole, told.Method, told.URL, told.Header, told.Body
	x.Ignored = remarks(p.Shape.Ignored, "no Bedrock model takes it", told.Ignored)
	x.Changed = remarks(p.Shape.Changed, "it is not what the wire prescribes, and sent in another form", told.Changed)
	return nil
}

// index is a place in a list.
var index = regexp.MustCompile(`\[\d+\]`)

// remarks are those of both doors. Of a member that the first one stopped the table of members says why,
// where it says more than the usual.
func remarks(atTheDoor []string, usual string, byTheModel []bedrock.Note) []remark {
	list, fields := []remark{}, openai.Fields()
	for _, member := range atTheDoor {
		why, path := "it is not known here", index.ReplaceAllString(member, "[]")
		if i := slices.IndexFunc(fields, func(f openai.Field) bool { return f.Path == path }); i >= 0 {
			why = cmp.Or(fields[i].Note, usual)
		}
		list = append(list, remark{member, why})
	}
	for _, note := range byTheModel {
		list = append(list, remark{note.Param, note.Why})
	}
	return list
}

type pricing struct {
	catalogue *models.Catalogue
	id        string
	choices   int
}

// price estimates tokens and money. What is sent says how long an answer may be.
func (x *explanation) price(ctx context.Context, model *bedrock.Model, req *llm.ChatRequest, p pricing) error {
	count, err := model.CountTokens(ctx, req)
	if err != nil {
		return err
	}
	x.Tokens = estimate{Prompt: count.Tokens, MaxAnswer: longest(x.Body), Choices: p.choices}
	known, ok := p.catalogue.Lookup(p.id)
	switch {
	case !ok || known.Prices == nil:
		return nil
	case known.Prices.PerImage > 0:
		x.Tokens.Priced, x.Tokens.Images = true, p.choices
		x.Tokens.MostUSD = float64(p.choices) * known.Prices.PerImage
		return nil
	case known.Prices.Input == 0:
		return nil
	}
	const million = 1e6
	x.Tokens.Priced = true
	x.Tokens.PromptUSD = float64(p.choices*count.Tokens) * known.Prices.Input / million
	x.Tokens.MostUSD = x.Tokens.PromptUSD + float64(p.choices*x.Tokens.MaxAnswer)*known.Prices.Output/million
	return nil
}

// longest is the bound of the answer in a body of any surface.
func longest(body []byte) int {
	var bound struct {
		Inference struct {
			MaxTokens int `json:"maxTokens"`
		} `json:"inferenceConfig"`
		Completion int `json:"max_completion_tokens"`
		Output     int `json:"max_output_tokens"`
		Pegasus    int `json:"maxOutputTokens"`
		Claude     int `json:"max_tokens"`
	}
	if json.Unmarshal(body, &bound) != nil {
		return 0
	}
	return cmp.Or(bound.Inference.MaxTokens, bound.Completion, bound.Output, bound.Pegasus, bound.Claude)
}

// text is the report for people: what is asked, then what is to be known of it.
func (x *explanation) text() string {
	var b strings.Builder
	if x.Deployment != "" {
		fmt.Fprintf(&b, "deployment   %s\n", printable(x.Deployment))
	}
	fmt.Fprintf(&b, "model        %s\n", printable(x.Model))
	if x.Unknown != "" {
		fmt.Fprintf(&b, "not known    %s\n", x.Unknown)
	}
	fmt.Fprintf(&b, "region       %s\ncredentials  %s\nsurface      %s, %s\n\n%s %s\n",
		printable(x.Region), printable(x.Credentials), x.Surface,
		map[bool]string{true: "as a stream", false: "in one piece"}[x.Stream], x.Method, x.URL)
	for _, name := range slices.Sorted(maps.Keys(x.Headers)) {
		fmt.Fprintf(&b, "%s: %s\n", name, printable(x.Headers.Get(name)))
	}
	fmt.Fprintf(&b, "%s\n\n", shortened(x.Body))
	for _, list := range []struct {
		title   string
		remarks []remark
	}{{"ignored", x.Ignored}, {"changed", x.Changed}, {"fetched", x.Fetched}} {
		for _, r := range list.remarks {
			fmt.Fprintf(&b, "%s  %s", list.title, printable(r.Member))
			if r.Why != "" {
				fmt.Fprintf(&b, ": %s", printable(r.Why))
			}
			b.WriteString("\n")
		}
		if len(list.remarks) == 0 {
			fmt.Fprintf(&b, "%s  nothing\n", list.title)
		}
	}
	if len(x.Discarded) > 0 {
		fmt.Fprintf(&b, "left out for max_prompt_tokens: messages %v\n", x.Discarded)
	}
	b.WriteString(x.Tokens.text())
	return b.String()
}

func (e estimate) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nabout %d prompt tokens", e.Prompt)
	if e.Choices > 1 {
		fmt.Fprintf(&b, " for each of %d choices", e.Choices)
	}
	if e.MaxAnswer > 0 {
		fmt.Fprintf(&b, ", at most %d of an answer", e.MaxAnswer)
	}
	switch {
	case e.Images > 0:
		fmt.Fprintf(&b, "; $%.6f for %s", e.MostUSD, counted(e.Images, "image"))
	case e.Priced:
		fmt.Fprintf(&b, "; about $%.6f for the prompt, at most $%.6f in all", e.PromptUSD, e.MostUSD)
	default:
		b.WriteString("; no price is known")
	}
	b.WriteString(" (an estimate, without caching; nothing was sent)\n")
	return b.String()
}

// longValue is how long a value of the body may be in the text report, in characters.
const longValue = 200

// shortened is the body, indented, with its long values cut.
func shortened(body []byte) string {
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", "  "); err != nil {
		return string(body)
	}
	var b strings.Builder
	for line := range strings.Lines(out.String()) {
		text := strings.TrimRight(line, "\n")
		if runes := []rune(text); len(runes) > longValue {
			text = fmt.Sprintf("%s… (%d characters; --output json shows all)", string(runes[:longValue]), len(runes))
		}
		b.WriteString(text + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}
