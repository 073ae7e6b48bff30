package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // time zones, where the system has none: an image without them must read the same files
)

func quotaTable() table[Quota] {
	return table[Quota]{fields: []field[Quota]{
		{"tokensPerMinute", "integer ≥ 1", "", enforced, "AWS's quota of tokens a minute. A request holds its prompt and its `max_tokens` of it until its usage is known. Outcrop's own field", "",
			func(l *loader, v spot, q *Quota) { l.integer(v, 1, &q.TokensPerMinute) }},
		{"requestsPerMinute", "integer ≥ 1", "", enforced, "AWS's quota of requests a minute. Outcrop's own field", "",
			func(l *loader, v spot, q *Quota) { l.integer(v, 1, &q.RequestsPerMinute) }},
	}}
}

// checkUpstreamID reports the id of another upstream of the same deployment.
func (l *loader) checkUpstreamID(s spot, id string, known map[string]spot) {
	if id == "" {
		return
	}
	at, _ := s.find("id")
	if first, twice := known[id]; twice {
		l.err(at, "another upstream of the deployment has this id too, on line "+fmt.Sprint(first.line), "give each its own: requests, logs and metrics name an upstream by it")
		return
	}
	known[id] = at
}

func fallbackTable() table[Fallback] {
	row := func(name, about string, into func(*Fallback) *string) field[Fallback] {
		return field[Fallback]{name: name, kind: "name of a deployment", use: enforced, about: about + ". Outcrop's own field",
			read: func(l *loader, v spot, f *Fallback) { l.given(v, into(f)) }}
	}
	return table[Fallback]{fields: []field[Fallback]{
		row("contextLength", "a model or an application of the same type that is asked when the prompt is too long for this one", func(f *Fallback) *string { return &f.ContextLength }),
		row("contentFilter", "one that is asked when this one refuses the content, before any of its answer", func(f *Fallback) *string { return &f.ContentFilter }),
		row("outage", "one that is asked when no upstream of this one can answer", func(f *Fallback) *string { return &f.Outage }),
	}}
}

// fallback reads the fallbacks of a model, and returns where each is stated; [loader.checkFallbacks] looks at them.
func (l *loader) fallback(s spot, into *Fallback) []spot {
	readObject(l, s, fallbackTable(), into)
	var stated []spot
	for i, m := range s.members {
		if v := s.member(i); !m.lost && v.kind == text && v.text != "" && fallbackTable().has(m.name) {
			stated = append(stated, v)
		}
	}
	return stated
}

// names are the deployments that are named.
func (f Fallback) names() []string {
	return slices.DeleteFunc([]string{f.ContextLength, f.ContentFilter, f.Outage}, func(name string) bool { return name == "" })
}

// checkFallbacks looks at what the fallbacks of all models come to together.
func (l *loader) checkFallbacks(cfg *Config) {
	if l.incomplete {
		return
	}
	types, next := map[string]string{}, map[string][]string{}
	for _, a := range cfg.Applications {
		types[a.Name] = TypeChat
	}
	for _, m := range cfg.Models {
		types[m.Name], next[m.Name] = m.Type, m.Fallback.names()
	}
	for _, m := range cfg.Models {
		for _, at := range m.fallbackAt {
			l.checkFallback(at, m, cfg, types)
		}
	}
	l.checkCircles(cfg, next)
}

func (l *loader) checkFallback(at spot, m Model, cfg *Config, types map[string]string) {
	kind, known := types[at.text]
	target := slices.IndexFunc(cfg.Models, func(other Model) bool { return other.Name == at.text })
	switch {
	case at.text == m.Name:
		l.err(at, "the model is its own fallback", "name another deployment")
	case !known && l.interceptors[at.text]:
		l.err(at, "an interceptor is no fallback: it stands before deployments, nobody asks it", "name a model or an application")
	case !known && l.isCallable(at.text): // it has mistakes of its own
	case !known:
		l.err(at, "there is no deployment of that name", closest(at.text, keysOf(types)))
	case kind != m.Type:
		l.err(at, fmt.Sprintf("the deployment is of the type %s, this one of the type %s: it cannot answer in its place", kind, m.Type), "name one of the same type")
	case target >= 0 && cfg.Models[target].NotServed() != "":
		l.warn(at, "the deployment is not served: this fallback does nothing", "remove it, or mend that model")
	}
}

func (l *loader) isCallable(name string) bool {
	_, ok := l.callable[name]
	return ok
}

func keysOf(types map[string]string) map[string]bool {
	names := make(map[string]bool, len(types))
	for name := range types {
		names[name] = true
	}
	return names
}

// checkCircles reports each fallback that leads back to a model on its way, once.
func (l *loader) checkCircles(cfg *Config, next map[string][]string) {
	done := map[string]bool{}
	var way []string
	var follow func(name string)
	follow = func(name string) {
		way = append(way, name)
		for _, to := range next[name] {
			if i := slices.Index(way, to); i >= 0 && to != name {
				l.circle(cfg, name, append(slices.Clone(way[i:]), to))
			} else if !done[to] && to != name {
				follow(to)
			}
		}
		way, done[name] = way[:len(way)-1], true
	}
	for _, m := range cfg.Models {
		if !done[m.Name] {
			follow(m.Name)
		}
	}
}

// circle reports the fallback of a model that closes a circle.
func (l *loader) circle(cfg *Config, name string, way []string) {
	i := slices.IndexFunc(cfg.Models, func(m Model) bool { return m.Name == name })
	if i < 0 {
		return
	}
	for _, at := range cfg.Models[i].fallbackAt {
		if at.text == way[len(way)-1] {
			l.err(at, "the fallbacks go in a circle: "+strings.Join(way, " → "), "end it at one of them")
			return
		}
	}
}

// dropFallbacks takes out what names a deployment that is left out: nobody is asked then.
func (c *Config) dropFallbacks() {
	left := func(name string) bool {
		return slices.ContainsFunc(c.Models, func(m Model) bool { return m.Name == name }) ||
			slices.ContainsFunc(c.Applications, func(a Application) bool { return a.Name == name })
	}
	for i := range c.Models {
		f := &c.Models[i].Fallback
		for _, name := range []*string{&f.ContextLength, &f.ContentFilter, &f.Outage} {
			if !left(*name) {
				*name = ""
			}
		}
	}
}

// timezone reads a time zone of the IANA's database, which is in the program.
func (l *loader) timezone(s spot, into *string) {
	if !l.want(s, text) || l.isEmpty(s) {
		return
	}
	if _, err := time.LoadLocation(s.text); err != nil || s.text == "Local" {
		l.err(s, "there is no time zone of that name", "a name of the IANA's database, for example Europe/Berlin or UTC")
		return
	}
	*into = s.text
}
