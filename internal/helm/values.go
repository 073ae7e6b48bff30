package helm

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"outcrop/internal/bedrock"
)

// Where a pod's credentials come from.
const (
	IAMUser         = "iam-user"          // an access key in a Secret
	IRSA            = "irsa"              // a role for the service account, by the cluster's OIDC provider
	PodIdentity     = "pod-identity"      // a role for the service account, by EKS's agent
	APIKey          = "api-key"           // a Bedrock API key in a Secret
	RolePerUpstream = "role-per-upstream" // each upstream's extraData names a role
	NoCredentials   = "none"              // each upstream's extraData has its own, or the platform gives some
)

// Kinds lists them.
func Kinds() []string {
	return []string{IAMUser, IRSA, PodIdentity, APIKey, RolePerUpstream, NoCredentials}
}

// Modes of our chart, and the adapters that can stand behind DIAL's Core.
const (
	ModeGateway    = "gateway"
	ModeAdapter    = "adapter"
	AdapterOutcrop = "outcrop"
	AdapterDIAL    = "dial"
)

// ValuesOptions say what to write.
type ValuesOptions struct {
	Credentials string // one of Kinds
	Chart       string // ChartOutcrop or ChartDIAL
	Mode        string // ModeGateway or ModeAdapter; "" is the adapter. DIAL's chart has the adapter only
	Adapter     string // in DIAL's chart: AdapterOutcrop or AdapterDIAL; "" is ours
	Region      string
	RoleARN     string         // the pod's role
	Roles       []UpstreamRole // of role-per-upstream
	Secret      string         // name of the Secret with the credentials; "" is a name of ours
	Release     string         // "" is outcrop, or dial in DIAL's chart
	Namespace   string
	Configs     []File // for the gateway, or for DIAL's Core
	Image       string // [registry/]repository[:tag][@digest]; "" is the chart's, and DIAL's adapter of 1.46
	DIALURL     string // "" is DIAL's Core of the same release
}

// UpstreamRole is a role that calls Bedrock in a region; "" is the region of the pod.
type UpstreamRole struct{ Region, ARN string }

// Written is what Values wrote.
type Written struct {
	// Values is the file.
	Values string `json:"values"`
	// Upstreams are for models.<name>.upstreams of DIAL's configuration.
	Upstreams []UpstreamEntry `json:"upstreams,omitempty"`
	// Steps are commands that come before helm, in their order.
	Steps []string `json:"steps"`
	// ServiceAccount is what the trust policy of a role must name: namespace and name.
	ServiceAccount string `json:"serviceAccount"`
}

// UpstreamEntry is one upstream of DIAL's configuration.
type UpstreamEntry struct {
	ExtraData ExtraData `json:"extraData"`
}

// ExtraData are the fields that a role per upstream needs.
type ExtraData struct {
	Region string `json:"region"`
	Role   string `json:"aws_assume_role_arn"`
}

// Values writes a values file, and says what has to exist beside it. It holds no secret. The error names
// the flag.
func Values(o ValuesOptions) (*Written, error) {
	o.defaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	w := &writer{ValuesOptions: o}
	for _, r := range o.Roles {
		w.upstreams = append(w.upstreams, UpstreamEntry{ExtraData{cmp.Or(r.Region, o.Region), r.ARN}})
	}
	if o.Chart == ChartDIAL {
		w.dial()
	} else {
		w.outcrop()
	}
	w.upstreamComment()
	return &Written{Values: w.out.String(), Upstreams: w.upstreams, Steps: w.steps(), ServiceAccount: cmp.Or(o.Namespace, "default") + "/" + o.serviceAccount()}, nil
}

func (o *ValuesOptions) defaults() {
	o.Chart = cmp.Or(o.Chart, ChartOutcrop)
	o.Mode = cmp.Or(o.Mode, ModeAdapter)
	o.Adapter = cmp.Or(o.Adapter, AdapterOutcrop)
	if o.Release == "" {
		o.Release = map[string]string{ChartDIAL: defaultRelease}[o.Chart]
		o.Release = cmp.Or(o.Release, "outcrop")
	}
	if o.Secret == "" && (o.Credentials == IAMUser || o.Credentials == APIKey) {
		o.Secret = map[string]string{IAMUser: "bedrock-aws", APIKey: "bedrock-api-key"}[o.Credentials]
	}
}

// nameForm is a DNS label or subdomain, as Kubernetes names objects.
var nameForm = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)

func (o *ValuesOptions) check() error {
	for _, f := range []struct {
		flag, value string
		of          []string
	}{
		{"--credentials", o.Credentials, Kinds()},
		{"--chart", o.Chart, []string{ChartOutcrop, ChartDIAL}},
		{"--mode", o.Mode, []string{ModeGateway, ModeAdapter}},
		{"--adapter", o.Adapter, []string{AdapterOutcrop, AdapterDIAL}},
	} {
		if !slices.Contains(f.of, f.value) {
			return fmt.Errorf("%s is %q: it must be one of %s", f.flag, f.value, strings.Join(f.of, ", "))
		}
	}
	for flag, name := range map[string]string{"--secret": o.Secret, "--release": o.Release, "--namespace": o.Namespace} {
		if name != "" && !nameForm.MatchString(name) {
			return fmt.Errorf("%s is %q: Kubernetes takes lower-case letters, digits and dashes only", flag, name)
		}
	}
	if !bedrock.IsRegion(o.Region) {
		return fmt.Errorf("--region is %q: write the name of a region, as us-east-1", o.Region)
	}
	if err := o.checkRoles(); err != nil {
		return err
	}
	return o.checkTogether()
}

func (o *ValuesOptions) checkRoles() error {
	if o.Credentials == IRSA && o.RoleARN == "" {
		return errors.New("--credentials irsa needs the role: --role-arn arn:aws:iam::<account>:role/<name> (outcrop aws grant makes one)")
	}
	if o.RoleARN != "" {
		if message, remedy := RoleMistake(o.RoleARN); message != "" {
			return fmt.Errorf("--role-arn: %s: %s", message, remedy)
		}
		if o.Credentials != IRSA && o.Credentials != RolePerUpstream {
			return fmt.Errorf("--role-arn is of no use with --credentials %s: use --credentials %s, or leave it out", o.Credentials, IRSA)
		}
	}
	if o.Credentials == RolePerUpstream && len(o.Roles) == 0 {
		return errors.New("--credentials role-per-upstream needs the roles: --upstream-role <region>=arn:aws:iam::<account>:role/<name>, once for each")
	}
	if o.Credentials != RolePerUpstream && len(o.Roles) > 0 {
		return fmt.Errorf("--upstream-role is of no use with --credentials %s: use --credentials %s", o.Credentials, RolePerUpstream)
	}
	for _, r := range o.Roles {
		if message, remedy := RoleMistake(r.ARN); message != "" {
			return fmt.Errorf("--upstream-role: %s: %s", message, remedy)
		}
		if r.Region != "" && !bedrock.IsRegion(r.Region) {
			return fmt.Errorf("--upstream-role: %q is not the name of a region: write <region>=<ARN>", r.Region)
		}
	}
	return nil
}

// checkTogether refuses what does not go together.
func (o *ValuesOptions) checkTogether() error {
	switch {
	case o.Chart == ChartDIAL && o.Mode == ModeGateway:
		return errors.New("--mode gateway: DIAL's chart has a Core of its own; use --chart outcrop, or --mode adapter")
	case o.Chart == ChartOutcrop && o.Adapter == AdapterDIAL:
		return errors.New("--adapter dial: Outcrop's chart runs Outcrop; use --chart dial")
	case o.Chart == ChartOutcrop && o.Mode == ModeAdapter && len(o.Configs) > 0:
		return errors.New("--config: the adapter has no configuration, DIAL Core has it; use --mode gateway, or --chart dial for Core's")
	case o.Mode == ModeGateway && o.DIALURL != "":
		return errors.New("--dial-url: only the adapter calls DIAL Core; use --mode adapter, or leave it out")
	case o.Credentials == RolePerUpstream && o.RoleARN != "" && o.Secret != "":
		return errors.New("--role-arn and --secret: access keys win over a role; leave one of them out")
	case o.Secret != "" && !slices.Contains([]string{IAMUser, APIKey, RolePerUpstream}, o.Credentials):
		return fmt.Errorf("--secret is of no use with --credentials %s: leave it out", o.Credentials)
	case o.DIALURL != "" && !strings.HasPrefix(o.DIALURL, "http://") && !strings.HasPrefix(o.DIALURL, "https://"):
		return fmt.Errorf("--dial-url is %q: write http://<Service of DIAL Core>", o.DIALURL)
	}
	names := map[string]bool{}
	for _, f := range o.Configs {
		name := path.Base(f.Name)
		if !configName.MatchString(name) || names[name] {
			return fmt.Errorf("--config %s: each file needs a name of its own that ends in .json, .yaml or .yml", f.Name)
		}
		names[name] = true
		if o.Chart == ChartDIAL && path.Ext(name) != ".json" {
			return fmt.Errorf("--config %s: DIAL Core reads JSON only: name a .json file", f.Name)
		}
	}
	if o.Chart == ChartDIAL && o.Adapter == AdapterOutcrop && o.Image == "" {
		return errors.New("--image: DIAL's chart does not know Outcrop's image: --image <registry>/outcrop:<version>")
	}
	_, err := parseImage(o.Image)
	return err
}

var configName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*\.(json|yaml|yml)$`)

// serviceAccount is the name of the pod's ServiceAccount.
func (o *ValuesOptions) serviceAccount() string {
	if o.Chart == ChartDIAL {
		return serviceName(o.Release, "bedrock", nil)
	}
	return serviceName(o.Release, "outcrop", nil)
}

// image is the parts of an image's name.
type image struct{ registry, repository, tag, digest string }

var imageForm = regexp.MustCompile(`^(?:([^/@:]+[.:][^/@]*|localhost)/)?([a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$`)

func parseImage(name string) (image, error) {
	if name == "" {
		return image{}, nil
	}
	m := imageForm.FindStringSubmatch(name)
	if m == nil {
		return image{}, fmt.Errorf("--image is %q: write [registry/]repository:tag, or …@sha256:<digest>", name)
	}
	i := image{m[1], m[2], m[3], m[4]}
	if i.tag == "latest" && i.digest == "" {
		return image{}, errors.New("--image: latest is another image each time a pod starts: name a version, or a digest")
	}
	return i, nil
}

// writer writes YAML line by line.
type writer struct {
	ValuesOptions
	out       strings.Builder
	upstreams []UpstreamEntry
}

// put writes lines, indented by so many levels.
func (w *writer) put(level int, lines ...string) {
	for _, line := range lines {
		if line != "" {
			w.out.WriteString(strings.Repeat("  ", level) + line)
		}
		w.out.WriteByte('\n')
	}
}

// q is a YAML string in quotes; JSON's are YAML's.
func q(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}

// image writes the image's section.
func (w *writer) image(level int, i image) {
	w.put(level, "image:")
	for _, f := range []struct{ name, value string }{{"registry", i.registry}, {"repository", i.repository}, {"tag", i.tag}, {"digest", i.digest}} {
		if f.value != "" {
			w.put(level+1, f.name+": "+q(f.value))
		}
	}
}

// upstreamComment shows what DIAL's configuration needs.
func (w *writer) upstreamComment() {
	if len(w.upstreams) == 0 {
		return
	}
	w.put(0, "", "# The upstreams of each model of DIAL's configuration, models.<name>.upstreams:", "#", "#   \"upstreams\": [")
	for i, u := range w.upstreams {
		comma := ","
		if i == len(w.upstreams)-1 {
			comma = ""
		}
		w.put(0, fmt.Sprintf("#     {\"extraData\": {\"region\": %s, \"aws_assume_role_arn\": %s}}%s", q(u.ExtraData.Region), q(u.ExtraData.Role), comma))
	}
	w.put(0, "#   ]")
}

// steps are what has to be done before helm.
func (w *writer) steps() []string {
	ns := ""
	if w.Namespace != "" {
		ns = " --namespace " + w.Namespace
	}
	out := []string{}
	switch {
	case w.Credentials == APIKey:
		out = append(out, "kubectl create secret generic "+w.Secret+ns+" --from-literal=AWS_BEARER_TOKEN_BEDROCK=…")
	case w.Secret != "":
		out = append(out, "kubectl create secret generic "+w.Secret+ns+" --from-literal=AWS_ACCESS_KEY_ID=… --from-literal=AWS_SECRET_ACCESS_KEY=…")
	case w.Credentials == PodIdentity, w.Credentials == RolePerUpstream && w.RoleARN == "":
		out = append(out, fmt.Sprintf("aws eks create-pod-identity-association --cluster-name … --namespace %s --service-account %s --role-arn …", cmp.Or(w.Namespace, "default"), w.serviceAccount()))
	}
	if w.configSecret() != "" {
		command := "kubectl create secret generic " + w.configSecret() + ns
		for _, f := range w.secretConfigs() {
			command += " --from-file=" + f.Name
		}
		out = append(out, command)
	}
	return out
}
