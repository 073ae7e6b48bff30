package importer

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"outcrop/internal/models"
)

// Options say which models an import writes, and how.
type Options struct {
	Catalogue *models.Catalogue
	// Offers is what the account offers in each of the Regions; nil asks the catalogue alone.
	Offers map[string]Available
	// Elsewhere names regions that have a model, for a message; it may be nil.
	Elsewhere func(base string) []string

	Models, Providers, Exclude []string // ids or patterns; providers by their name in ids
	AllCallable                bool
	Regions                    []string
	// Geo is the geography whose profiles are preferred: us, eu, global and so on.
	Geo string
	// Adapter is the address of a DIAL adapter; "" is for models that this program serves itself.
	Adapter string
	// NameTemplate makes the names of deployments: {id}, {base}, {geo}, {provider}, {model}. "" is {id}.
	NameTemplate string

	Overwrite []string // fields whose value in the file is replaced, or all
	Prune     bool
	Roles     []string // get limits for each model
	Keys      []string // projects that get a key, as PROJECT or PROJECT:ROLE
	// NewKey makes the key of a project; nil writes a placeholder that config check refuses.
	NewKey func(project string) string
	Today  string // YYYY-MM-DD
}

// An Imported is what an import makes of a file.
type Imported struct {
	Data    []byte   `json:"-"`
	Changes []Change `json:"changes"`
}

// Import merges the models into the text of a file; name says whether it is JSON or YAML, and stands in
// errors. Text that is empty is a new file. On an error nothing is to be written. A file that is no JSON or
// YAML is [ErrNoDocument]: package config says where.
func Import(name string, data []byte, o Options) (*Imported, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if len(o.Regions) == 0 && o.Geo == "" && !slices.ContainsFunc(o.Models, func(m string) bool { return m != "" }) {
		return nil, errors.New("no region: type --regions us-east-1,eu-central-1, or --geo us for models without a region of their own")
	}
	p := &importPlan{Options: o, offers: o.Offers}
	picks, err := p.pick()
	if err != nil {
		return nil, err
	}
	entries, err := p.entries(picks)
	if err != nil {
		return nil, err
	}
	doc, err := openDocument(name, data)
	if err != nil {
		return nil, err
	}
	m := &merger{document: doc, overwrite: o.Overwrite, prune: o.Prune, gone: p.gone, roles: o.Roles, keys: o.Keys, newKey: o.NewKey}
	if err := m.merge(entries); err != nil {
		return nil, err
	}
	return &Imported{Data: m.bytes(), Changes: slices.Concat(p.changes, m.changes)}, nil
}

var errNothingChosen = errors.New("no model was chosen: type --models ID or a pattern in quotes ('anthropic.*'), --provider NAME, or --all-callable")

// ErrNoDocument is the error for text that is neither JSON nor YAML.
var ErrNoDocument = errNoDocument

// Check finds what is wrong with the options themselves; [Import] does it too.
func (o *Options) Check() error {
	if len(o.Models)+len(o.Providers) == 0 && !o.AllCallable {
		return errNothingChosen
	}
	for _, region := range o.Regions {
		if !isRegion(region) {
			return fmt.Errorf("--regions %s: this is not the name of an AWS region (for example us-east-1)", region)
		}
	}
	geos := []string{"us", "eu", "apac", "jp", "au", "ca", "in", "us-gov", "global"}
	if o.Geo != "" && !slices.Contains(geos, o.Geo) {
		return fmt.Errorf("--geo %s: it must be one of %s", o.Geo, strings.Join(geos, ", "))
	}
	if o.Adapter != "" {
		if u, err := url.Parse(o.Adapter); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return errors.New("--adapter: it must be the http or https address of the adapter, for example http://dial-bedrock.dial.svc.cluster.local")
		}
	}
	return o.checkFields()
}

// checkFields finds fields of --overwrite that an import never writes.
func (o *Options) checkFields() error {
	known := []string{
		"all", "type", "displayName", "displayVersion", "endpoint", "limits", "pricing", "embeddingDimensions", "features",
		"inputAttachmentTypes", "maxInputAttachments", "upstreams",
	}
	for section, fields := range map[string]string{
		"limits": "maxTotalTokens maxCompletionTokens", "pricing": "unit prompt completion cacheRead cacheWrite",
		"features": "systemPromptSupported toolsSupported temperatureSupported customTemperatureSupported contentPartsSupported maxCompletionTokensSupported cacheSupported reasoningEfforts",
	} {
		for f := range strings.FieldsSeq(fields) {
			known = append(known, f, section+"."+f)
		}
	}
	slices.Sort(known)
	for _, f := range o.Overwrite {
		if !slices.ContainsFunc(known, func(k string) bool { return fold(k) == fold(f) }) {
			return fmt.Errorf("--overwrite %s: an import does not write this field%s", f, nearest(f, known))
		}
	}
	return nil
}

// entries words the picks. Two of one name are an error.
func (p *importPlan) entries(picks []pick) ([]importEntry, error) {
	var out []importEntry
	names := map[string]string{}
	if p.offers == nil && slices.ContainsFunc(picks, func(one pick) bool { return one.model.Geo == "" && len(one.regions) > 0 }) {
		p.changes = append(p.changes, Change{What: ImportNote, Why: "the catalogue does not say which regions have a model; --from account asks AWS"})
	}
	for _, one := range picks {
		m := one.model
		name, err := p.deploymentName(m)
		if err != nil {
			return nil, err
		}
		if other, twice := names[name]; twice {
			return nil, fmt.Errorf("--name-template %s: %s and %s would both be called %s; put {geo} or {id} into the template", p.NameTemplate, other, m.ID, name)
		}
		names[name] = m.ID
		endpoint := "bedrock:" + m.ID
		if p.Adapter != "" {
			operation := "/chat/completions"
			if importType(m) == "embedding" {
				operation = "/embeddings"
			}
			endpoint = strings.TrimSuffix(p.Adapter, "/") + "/openai/deployments/" + m.ID + operation
		}
		out = append(out, importEntry{name: name, id: m.ID, endpoint: endpoint, value: p.entryValue(m, endpoint, one.regions)})
		if m.Lifecycle.EOL != "" || m.Lifecycle.Status == models.Legacy {
			p.changes = append(p.changes, Change{What: ImportNote, Path: m.ID, Why: strings.TrimSpace("AWS calls this model legacy; its end of life is " + endOf(m))})
		}
	}
	return out, nil
}

func endOf(m *models.Model) string {
	if m.Lifecycle.EOL == "" {
		return "not announced"
	}
	return m.Lifecycle.EOL
}

func (p *importPlan) deploymentName(m *models.Model) (string, error) {
	template := p.NameTemplate
	if template == "" {
		template = "{id}"
	}
	_, model, _ := strings.Cut(versionForm.ReplaceAllString(m.Base, ""), ".")
	name := strings.NewReplacer("{id}", m.ID, "{base}", m.Base, "{geo}", m.Geo, "{provider}", m.Provider, "{model}", model).Replace(template)
	name = strings.Trim(name, "-._ ")
	if strings.ContainsAny(name, `{}\?#% `) || name == "" || strings.Contains(name, "//") || strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") {
		return "", fmt.Errorf("--name-template %s: %q cannot be a deployment's name; a template has {id}, {base}, {geo}, {provider}, {model}, letters, digits and . - _ : /", template, name)
	}
	return name, nil
}

// gone says why a model of the file can no longer be called, "" if it can or if nobody knows.
func (p *importPlan) gone(id string, regions []string) string {
	m, known := p.Catalogue.Lookup(id)
	if known && (m.Lifecycle.Status == models.EndOfLife || m.Lifecycle.EOL != "" && m.Lifecycle.EOL <= p.Today) {
		return ended(m)
	}
	if p.offers == nil || len(regions) == 0 {
		return ""
	}
	for _, region := range regions {
		if offers, asked := p.offers[region]; !asked || offers[id] {
			return ""
		}
	}
	return "the account does not have it in " + strings.Join(regions, ", ")
}
