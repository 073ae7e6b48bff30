package helm

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/config"
)

// service is a Service that a sub-chart makes.
type service struct {
	alias, name string
	port        int // of the Service; 0 when the values leave it to a template
	container   int
	deployed    bool
	namespace   string // "" is the release's
}

const defaultRelease = "dial"

// servicesOf computes the names as bitnami's common chart does: the release and the alias, or the release
// alone when it has the alias in it.
func (l *linter) servicesOf(root *node) (out []service) {
	release := cmp.Or(l.Release, releaseOf(root), defaultRelease)
	for alias, deployed := range umbrella() {
		if alias == "keycloak" {
			continue
		}
		n := root.get(alias)
		if e := n.get("enabled"); e != nil && e.kind == boolean {
			deployed = e.text() == "true"
		}
		s := service{alias: alias, name: serviceName(release, alias, n), port: 80, container: containerPort(alias), deployed: deployed || n.isNull()}
		if p := n.find("service", "ports", "http"); p != nil {
			s.port, _ = strconv.Atoi(p.text())
		}
		if p, err := strconv.Atoi(n.find("containerPorts", "http").text()); err == nil {
			s.container = p
		}
		s.namespace = n.get("namespaceOverride").text()
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b service) int { return cmp.Compare(a.alias, b.alias) })
	return out
}

func containerPort(alias string) int {
	switch alias {
	case "chat":
		return 3000
	case "core", "themes":
		return 8080
	}
	return 5000
}

// serviceName is the full name of a sub-chart's resources, of at most 63 characters.
func serviceName(release, alias string, n *node) string {
	if full := n.get("fullnameOverride").text(); full != "" {
		return full
	}
	name := cmp.Or(n.get("nameOverride").text(), alias)
	if !strings.Contains(release, name) {
		name = release + "-" + name
	} else {
		name = release
	}
	return strings.TrimSuffix(name[:min(len(name), 63)], "-")
}

var (
	urlForm     = regexp.MustCompile(`https?://[^\s"'<>\\,|]+`)
	releaseForm = regexp.MustCompile(`^([a-z0-9][a-z0-9-]*)-(core|bedrock|chat|openai|vertexai|themes)$`)
	templates   = regexp.MustCompile(`\{\{-?\s*\.Release\.(Name|Namespace)\s*-?\}\}`)
)

// releaseOf is the release that most hosts of the values speak of; "" when none does.
func releaseOf(root *node) string {
	votes := map[string]int{}
	root.each("", func(_, _ string, n *node) {
		for _, raw := range urlForm.FindAllString(n.value, -1) {
			if host, _, ok := clusterHost(raw, ""); ok {
				if m := releaseForm.FindStringSubmatch(host); m != nil {
					votes[m[1]]++
				}
			}
		}
	})
	best := ""
	for release, n := range votes {
		if n > votes[best] || n == votes[best] && release < best {
			best = release
		}
	}
	return best
}

// clusterHost is the Service and namespace in an address inside the cluster; false for other addresses.
func clusterHost(raw, release string) (name, namespace string, ok bool) {
	raw = templates.ReplaceAllStringFunc(raw, func(t string) string {
		if strings.Contains(t, "Namespace") {
			return "any-namespace"
		}
		return cmp.Or(release, defaultRelease)
	})
	raw = placeholderForm.ReplaceAllStringFunc(raw, func(p string) string {
		if strings.Contains(strings.ToUpper(p), "NAMESPACE") {
			return "any-namespace"
		}
		return "any-domain"
	})
	u, err := url.Parse(raw)
	if err != nil {
		return "", "", false
	}
	host := strings.TrimSuffix(u.Hostname(), ".")
	label := strings.Split(host, ".")
	switch {
	case host == "" || host == "localhost" || strings.Trim(host, "0123456789.:") == "":
		return "", "", false
	case len(label) == 1:
		return label[0], "", !strings.HasPrefix(label[0], "any-")
	case len(label) == 2 && label[1] == "any-namespace" || len(label) >= 3 && label[2] == "svc":
		return label[0], strings.TrimPrefix(label[1], "any-namespace"), true
	}
	return "", "", false
}

// hosts checks the addresses inside the values; those of DIAL's configuration are found in its text too.
func (l *linter) hosts(root *node) {
	root.each("", func(path, _ string, n *node) {
		if n.kind != text {
			return
		}
		for _, at := range addresses(n.value) {
			l.host(n.value[at[0]:at[1]], n.offset(at[0]), path)
		}
	})
}

// addresses are the URLs of a text; templates may stand in them.
func addresses(s string) [][]int {
	masked := templates.ReplaceAllStringFunc(s, func(t string) string { return strings.Repeat("x", len(t)) })
	return urlForm.FindAllStringIndex(masked, -1)
}

// host checks one address against the Services of the release.
func (l *linter) host(raw string, at place, path string) {
	release := cmp.Or(l.Release, defaultRelease)
	if len(l.services) > 0 {
		release = cmp.Or(l.Release, releaseOfServices(l.services), defaultRelease)
	}
	name, namespace, ok := clusterHost(raw, release)
	if !ok || len(l.services) == 0 {
		return
	}
	i := slices.IndexFunc(l.services, func(s service) bool { return s.name == name })
	if i < 0 {
		l.wrongHost(name, at, path)
		return
	}
	s := l.services[i]
	if !s.deployed {
		l.at(at, Warning, notDeployed, path, fmt.Sprintf("%s is the Service of %s, which these values do not deploy", name, s.alias), fmt.Sprintf("write\n%s:\n  enabled: true", s.alias))
	}
	if want := cmp.Or(s.namespace, l.Namespace); want != "" && namespace != "" && namespace != want {
		l.at(at, Error, wrongHost, path, fmt.Sprintf("the namespace of %s is %s, not %s", name, want, namespace), "write "+name+"."+want+".svc.cluster.local")
	}
	l.port(raw, s, at, path)
}

func releaseOfServices(services []service) string {
	for _, s := range services {
		if m := releaseForm.FindStringSubmatch(s.name); m != nil {
			return m[1]
		}
	}
	return ""
}

func (l *linter) port(raw string, s service, at place, path string) {
	scheme, rest, _ := strings.Cut(raw, "://")
	if scheme == "https" {
		l.at(at, Error, wrongPort, path, "the Services of DIAL's charts speak http, not https", "write http://"+s.name+"…")
		return
	}
	authority, _, _ := strings.Cut(rest, "/")
	_, digits, ok := strings.Cut(authority, ":")
	port, err := strconv.Atoi(digits)
	if !ok || err != nil || s.port == 0 || port == s.port {
		return
	}
	message := fmt.Sprintf("the Service %s listens on port %d", s.name, s.port)
	if port == s.container {
		message += fmt.Sprintf("; %d is the container's own port", port)
	}
	remedy := "leave the port out"
	if s.port != 80 {
		remedy = fmt.Sprintf("write :%d", s.port)
	}
	l.at(at, Error, wrongPort, path, message, remedy)
}

// wrongHost: a name that is nearly one of the release's is meant to be one.
func (l *linter) wrongHost(name string, at place, path string) {
	var meant service
	for _, s := range l.services {
		tail := name[strings.LastIndexByte(name, '-')+1:]
		if name == s.alias || tail == s.alias || len(tail) >= 4 && (strings.HasPrefix(s.alias, tail) || strings.HasPrefix(tail, s.alias)) && strings.HasPrefix(name, strings.TrimSuffix(s.name, s.alias)) {
			meant = s
			break
		}
	}
	if meant.name == "" {
		near := config.Nearest(name, func(yield func(string) bool) {
			for _, s := range l.services {
				if !yield(s.name) {
					return
				}
			}
		})
		if i := slices.IndexFunc(l.services, func(s service) bool { return s.name == near }); i >= 0 {
			meant = l.services[i]
		}
	}
	if meant.name == "" {
		return // a Service of somebody else
	}
	l.at(at, Error, wrongHost, path, fmt.Sprintf("no Service of the release is called %s; the one of %s is %s", name, meant.alias, meant.name), fmt.Sprintf("write http://%s (a Service is called <release>-<section>; --release says which release)", meant.name))
}
