package helm

import (
	"fmt"
	"regexp"
	"strings"

	"outcrop/internal/config"
)

// component is one Deployment: a section of the umbrella, or a chart by itself.
type component struct {
	alias   string // its section; for messages
	node    *node
	at      place
	bedrock bool // it speaks to Bedrock
	ours    bool // the values are those of our chart
}

// path is the path of a key of the component.
func (c component) path(name string) string {
	if isSection(c.alias) {
		return join(c.alias, name)
	}
	return name
}

// under is the path of the component's keys, with its dot.
func (c component) under() string {
	if isSection(c.alias) {
		return c.alias + "."
	}
	return ""
}

// outcrop says that the image is ours.
func (c component) outcrop() bool {
	return c.ours || strings.Contains(c.node.find("image", "repository").text(), "outcrop")
}

// component checks what every Deployment of DIAL's charts and of ours has.
func (l *linter) component(c component) {
	if !c.ours {
		l.nullParts(c)
	}
	l.image(c)
	l.variables(c)
	l.mounts(c)
	l.serviceAccount(c)
	if c.bedrock {
		l.aws(c)
	}
}

func (l *linter) nullParts(c component) {
	parts := append(neededParts(), "autoscaling.hpa", "service.ports", "service.nodePorts", "metrics.service", "metrics.serviceMonitor", "metrics.prometheusRule", "networkPolicy.metrics", "image.repository")
	for _, part := range parts {
		n := c.node.find(strings.Split(part, ".")...)
		if n.isNull() {
			l.at(n.at, Error, nullPart, c.under()+part, `this is null, which deletes the chart's defaults: the template ends with "nil pointer evaluating", or renders nonsense`, "give it its keys, indented by two more than the key itself; or delete the line")
		}
	}
}

var (
	versionForm = regexp.MustCompile(`^v?(\d+)\.(\d+)(\.\d+)?`)
	digestForm  = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// currentAdapter is the minor version of DIAL's Bedrock adapter in the newest release of DIAL that is
// known here (1.46), 0.<n>.
const currentAdapter = 42

// image checks the image. What is not stated is the umbrella's default.
func (l *linter) image(c component) {
	image := c.node.get("image")
	repository, tag := image.get("repository"), image.get("tag")
	path := c.path("image")
	switch {
	case repository == nil && !isSection(c.alias) && !c.ours:
		l.at(c.at, Error, imageEmpty, join(path, "repository"), "there is no image.repository, and dial-extension's default is empty: the pod's image would be docker.io/:latest", "add image.repository and image.tag, as `repository: epam/ai-dial-adapter-bedrock`")
	case repository != nil && repository.kind == text && repository.value == "":
		l.at(repository.at, Error, imageEmpty, join(path, "repository"), "an empty repository: the pod's image would be docker.io/:latest", "write the image's name, as epam/ai-dial-adapter-bedrock")
	}
	if !c.ours && c.outcrop() && c.node.get("args").empty() && c.node.get("command").empty() {
		l.at(repository.at, Error, imageArgs, c.path("args"), "Outcrop's image needs to be told what to run, or it prints its help and ends", "add `args: [\"adapter\"]`")
	}
	if d := image.get("digest"); d.text() != "" {
		if !isDynamic(d.value) && !digestForm.MatchString(d.value) {
			l.at(d.at, Error, imageTag, join(path, "digest"), "this is no digest", "write sha256: and 64 hexadecimal digits")
		}
		return
	}
	if tag == nil {
		return
	}
	l.tag(c, join(path, "tag"), tag)
}

func (l *linter) tag(c component, path string, tag *node) {
	repository := c.node.find("image", "repository").text()
	adapter := strings.HasSuffix(repository, "ai-dial-adapter-bedrock") || repository == "" && c.alias == "bedrock"
	m := versionForm.FindStringSubmatch(tag.text())
	switch {
	case tag.kind == number:
		l.at(tag.at, Error, imageTag, path, "YAML reads this tag as a number, so 0.40 becomes 0.4", `put it into quotes: "0.40.0"`)
	case tag.kind == null || tag.text() == "" && !c.ours:
		l.at(tag.at, Error, imageTag, path, "an empty tag", "write the version to deploy")
	case tag.text() == "latest":
		l.at(tag.at, Warning, imageTag, path, "latest is another image each time a pod starts", "write the version to deploy, or its digest")
	case adapter && m != nil && m[1] == "0" && atoi(m[2]) < currentAdapter:
		about := ""
		if atoi(m[2]) < 16 {
			about = "; it is from before Converse, and no current model is known to it"
		}
		l.at(tag.at, Warning, imageTag, path, fmt.Sprintf("this version of DIAL's Bedrock adapter is old%s", about), fmt.Sprintf("the version of DIAL 1.46 is 0.%d.0", currentAdapter))
	}
}

func atoi(digits string) (n int) {
	for _, d := range digits {
		n = min(n*10+int(d-'0'), 1<<20)
	}
	return n
}

// maxVariable is what Linux takes for one string of the environment, with its name, = and the end.
// https://man7.org/linux/man-pages/man2/execve.2.html (MAX_ARG_STRLEN)
const maxVariable = 128 << 10

// variables checks the types and lengths of what becomes the environment.
func (l *linter) variables(c component) {
	if c.ours { // it takes numbers and booleans as text, and its schema refuses the rest
		return
	}
	for _, from := range []string{"env", "secrets"} {
		values := c.node.get(from)
		if values == nil || values.kind == null {
			continue
		}
		path := c.path(from)
		if values.kind != object {
			l.at(values.at, Error, envType, path, "this is "+values.kind.String()+", and the chart needs a mapping of names to text", listRemedy(values))
			continue
		}
		for _, m := range values.members {
			l.variable(join(path, m.name), m)
		}
	}
	for i, item := range c.node.get("extraEnvVars").list() {
		if v := item.get("value"); v != nil && v.kind != text && v.kind != null {
			path := fmt.Sprintf("%s[%d].value", c.path("extraEnvVars"), i)
			l.at(v.at, Error, envType, path, "Kubernetes takes text only, and this is "+v.kind.String(), quoted(v))
		}
	}
}

func listRemedy(n *node) string {
	if n.kind == list {
		return "write `NAME: \"value\"` without a dash, or move the list to extraEnvVars"
	}
	return "write `NAME: \"value\"` below it, indented by two more"
}

// list is the items, of nil as well.
func (n *node) list() []*node {
	if n == nil {
		return nil
	}
	return n.items
}

func quoted(n *node) string {
	if n.kind == boolean || n.kind == number {
		return fmt.Sprintf("put it into quotes: %q", n.value)
	}
	return `write text: "…"`
}

func (l *linter) variable(path string, m member) {
	switch m.value.kind {
	case text:
		if size := len(m.name) + len(m.value.value) + 2; size > maxVariable {
			l.at(m.value.at, Error, envSize, path, fmt.Sprintf("this becomes one string of the environment, of %d KiB: Linux takes 128 KiB, and the container does not start (argument list too long)", size>>10), "keep it in a Secret or ConfigMap of its own and mount that as a directory (extraVolumes, extraVolumeMounts without subPath)")
		}
	case null:
		l.at(m.at, Error, envType, path, "there is no value: the template needs text", `write the value in quotes, or delete the line`)
	default:
		l.at(m.value.at, Error, envType, path, `the template needs text and this is `+m.value.kind.String()+`: Helm ends with "wrong type for value; expected string"`, quoted(m.value))
	}
}

// mounts looks for files of Secrets and ConfigMaps that never change in the pod.
func (l *linter) mounts(c component) {
	volatile := map[string]string{}
	for _, v := range c.node.get("extraVolumes").list() {
		for _, source := range []string{"secret", "configMap", "projected"} {
			if v.get(source) != nil {
				volatile[v.get("name").text()] = source
			}
		}
	}
	for i, m := range c.node.get("extraVolumeMounts").list() {
		sub := m.get("subPath")
		source := volatile[m.get("name").text()]
		if sub.text() == "" || source == "" {
			continue
		}
		path := fmt.Sprintf("%s[%d].subPath", c.path("extraVolumeMounts"), i)
		directory := m.get("mountPath").text()
		directory = directory[:max(strings.LastIndexByte(directory, '/'), 0)]
		remedy := "delete subPath, and mount the directory"
		if directory != "" {
			remedy += ": mountPath: " + directory
		}
		l.at(sub.at, Warning, subPathMount, path, fmt.Sprintf("a file mounted by subPath never sees a change of its %s: the configuration is reloaded by a restart only", source), remedy)
	}
}

// serviceAccount checks the role of the pod.
func (l *linter) serviceAccount(c component) {
	account := c.node.get("serviceAccount")
	annotations := account.get("annotations")
	if annotations == nil {
		return
	}
	path := join(c.path("serviceAccount"), "annotations")
	for _, m := range annotations.members {
		here := join(path, m.name)
		switch {
		case m.name == roleAnnotation:
			l.role(m.value, here)
			if create := account.get("create"); create.text() == "false" {
				l.at(m.at, Error, roleNowhere, here, "create is false, so the chart writes no ServiceAccount and this annotation goes nowhere", "write `create: true`, or annotate the ServiceAccount that serviceAccount.name names: kubectl annotate serviceaccount NAME "+roleAnnotation+"=ARN")
			}
		case strings.Contains(m.name, "role") && (strings.Contains(m.name, "amazonaws") || strings.Contains(m.name, "eks")) && config.Nearest(m.name, one(roleAnnotation)) != "" || m.name == "role-arn" || m.name == "iam.amazonaws.com/role":
			l.at(m.at, Error, roleNowhere, here, "EKS does not know this annotation", "the annotation is "+roleAnnotation)
		}
	}
}

// roleAnnotation gives a ServiceAccount its role:
// https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
const roleAnnotation = "eks.amazonaws.com/role-arn"

func one(name string) func(func(string) bool) {
	return func(yield func(string) bool) { yield(name) }
}

// role checks a value that must be the ARN of a role.
func (l *linter) role(n *node, path string) {
	if n.kind == text && isDynamic(n.value) {
		return
	}
	if message, remedy := RoleMistake(n.text()); message != "" {
		l.at(n.at, Error, roleARN, path, message, remedy)
	}
}

var (
	roleForm    = regexp.MustCompile(`^arn:aws(-[a-z-]+)?:iam::\d{12}:role/[\w+=,.@/-]{1,512}$`)
	accountForm = regexp.MustCompile(`^\d{12}$`)
)

// RoleMistake says why the text is not the ARN of an IAM role; "" when it is.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
func RoleMistake(arn string) (message, remedy string) {
	const form = "write arn:aws:iam::<12-digit account>:role/<name>"
	part := strings.SplitN(arn, ":", 6)
	switch {
	case roleForm.MatchString(arn):
		return "", ""
	case arn == "":
		return "an empty role", form
	case strings.TrimSpace(arn) != arn:
		return "spaces around the ARN", "remove them"
	case len(part) < 6 || part[0] != "arn":
		return "this is not an ARN", form
	case part[2] == "sts":
		return "this is the ARN of a session of a role, not of the role", form
	case part[2] != "iam":
		return "this is not an ARN of IAM", form
	case part[3] != "":
		return "the ARN of a role has no region", "leave the fourth part empty: arn:aws:iam::…"
	case !accountForm.MatchString(part[4]):
		return fmt.Sprintf("the account in the ARN has %s, and accounts have 12 digits", count(len(part[4]), "character")), form
	case strings.HasPrefix(part[5], "user/") || strings.HasPrefix(part[5], "instance-profile/") || strings.HasPrefix(part[5], "policy/"):
		return "this is the ARN of a " + part[5][:strings.IndexByte(part[5], '/')] + ", not of a role", form
	case !strings.HasPrefix(part[5], "role/"):
		return "role/ is missing in front of the role's name", form
	}
	return "a character that no role's name has, or an unknown partition", form
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
