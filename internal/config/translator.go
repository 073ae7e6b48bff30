package config

import (
	"fmt"
	"slices"
)

const translatorsSection = "translators"

type translatorDraft struct {
	Translator
}

func translatorTable() table[translatorDraft] {
	return table[translatorDraft]{fields: []field[translatorDraft]{
		{"in", "interface", "", enforced, "the API in which clients ask; the form without a name has it from its place", "",
			func(l *loader, v spot, t *translatorDraft) { l.interfaceName(v, &t.In) }},
		{"out", "interface", "", enforced, "the API in which it calls back, for the same deployment", "",
			func(l *loader, v spot, t *translatorDraft) { l.interfaceName(v, &t.Out) }},
		{"baseUrl", "URL", "", enforced, "its root: it is asked at the path at which the client asks", "",
			func(l *loader, v spot, t *translatorDraft) { l.base(v, &t.BaseURL) }},
		{"regions", "list of AWS regions", "", enforced, "where it runs: it sees the prompts of deployments and roles that say where these may run. Outcrop's own field", "",
			func(l *loader, v spot, t *translatorDraft) { t.Regions = l.regions(v) }},
	}}
}

func (l *loader) interfaceName(s spot, into *Interface) {
	if !l.want(s, text) {
		return
	}
	if !slices.Contains(interfaceNames(), Interface(s.text)) {
		l.err(s, "no interface is called so", closest(s.text, interfaceSet()))
		return
	}
	*into = Interface(s.text)
}

func readTranslators(l *loader, s spot, cfg *Config) {
	readEntities(l, s, func(v spot, name string, at pos) (Translator, bool) {
		if name == "" {
			l.err(v.namedAt(at), "an empty name", "interfaces name a translator")
		}
		if !l.want(v, object) {
			return Translator{}, false
		}
		var t Translator
		for version := range v.versions() {
			t = l.readTranslator(version, Translator{Name: name})
		}
		return t, true
	}, &cfg.Translators)
}

// readTranslator reads a translator; In is given for one without a name.
func (l *loader) readTranslator(s spot, t Translator) Translator {
	draft := translatorDraft{Translator: t}
	before := len(l.problems)
	readObject(l, s, translatorTable(), &draft)
	if slices.ContainsFunc(l.problems[before:], func(f finding) bool { return f.Severity == Error }) {
		return draft.Translator // what is missing is no second mistake
	}
	for _, missing := range []struct{ name, value string }{{"in", string(draft.In)}, {"out", string(draft.Out)}, {"baseUrl", draft.BaseURL}} {
		if missing.value == "" {
			l.err(s, "the translator has no "+missing.name, "in, out and baseUrl are required")
		}
	}
	if draft.In != "" && draft.In == draft.Out {
		l.err(s, "the translator's in and out are the same interface", "without a translator the deployment is asked directly")
	}
	return draft.Translator
}

// checkMode looks at what an interface says of its translator, and reads one without a name.
func (l *loader) checkMode(s spot, c *interfaceDraft, name Interface) {
	t := c.translator
	c.Translated = c.mode == "translator"
	switch {
	case c.Translated && t.node == nil:
		l.err(s, "the mode translator needs a translator", `add "translator": the name of one, or {"out": …, "baseUrl": …}`)
	case c.Translated && c.BaseURL != "":
		l.err(c.base, "an interface with a translator has no base_url of its own", "the translator's baseUrl counts; remove this one")
	case !c.Translated && t.node != nil:
		l.err(t, "a translator without the mode translator", `add "mode": "translator", or remove it`)
	case !c.Translated:
	case t.kind == object:
		inline := l.readTranslator(t, Translator{In: name})
		c.By = &inline
	case l.str(t, &c.Translator) && !l.translators[c.Translator] && !l.incomplete:
		l.warn(t, "there is no translator of that name: requests in this interface are answered with 503", closest(c.Translator, l.translators))
	}
}

// checkTranslator looks, when all translators are read, at whether the deployment can answer the one of an interface.
func (l *loader) checkTranslator(s spot, d *modelDraft, name Interface) {
	c := d.Interfaces[name]
	if !c.Translated {
		return
	}
	check := func(t Translator) {
		switch other := d.Interfaces[t.Out]; {
		case t.In != "" && t.In != name:
			l.err(s, fmt.Sprintf("the translator reads %s, not this interface", t.In), "name one whose in is "+string(name))
		case t.Out == "" || t.Out == name: // reported with the translator
		case other.Translated:
			l.err(s, fmt.Sprintf("a chain of translators: the translator asks for %s, before which another one stands", t.Out), "a translator's out is an interface without one")
		default:
			if _, ok := d.Address(mainOperation(t.Out)); !ok && !d.doesItself(t.Out) {
				l.err(s, fmt.Sprintf("the translator asks the deployment in %s, which it does not serve", t.Out), "declare that interface, with a base_url")
			}
		}
	}
	l.checks = append(l.checks, func() {
		if c.By != nil {
			check(*c.By)
		}
		for _, t := range l.known {
			if c.By == nil && t.Name == c.Translator {
				check(t)
			}
		}
	})
}

// resolveTranslators finds the translators that interfaces name. One that is not there leaves the interface without
// anybody to ask.
func (c *Config) resolveTranslators() {
	byName := map[string]*Translator{}
	for i := range c.Translators {
		byName[c.Translators[i].Name] = &c.Translators[i]
	}
	resolve := func(interfaces map[Interface]InterfaceConfig) {
		for name, one := range interfaces {
			if one.Translated && one.By == nil {
				one.By = byName[one.Translator]
				interfaces[name] = one
			}
		}
	}
	for i := range c.Models {
		resolve(c.Models[i].Interfaces)
	}
	for i := range c.Applications {
		resolve(c.Applications[i].Interfaces)
	}
	for i := range c.Interceptors {
		resolve(c.Interceptors[i].Interfaces)
	}
}
