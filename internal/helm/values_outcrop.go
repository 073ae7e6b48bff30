package helm

import (
	"fmt"
	"path"
	"strings"
)

// outcrop writes values of our chart.
func (w *writer) outcrop() {
	w.put(0, fmt.Sprintf("# Values of Outcrop's chart: the %s, credentials: %s.", w.Mode, w.Credentials), "")
	w.put(0, "mode: "+w.Mode)
	if i, err := parseImage(w.Image); err == nil && i.repository != "" {
		w.put(0, "")
		w.image(0, i)
	}
	w.put(0, "", "aws:", "  # becomes AWS_REGION and AWS_DEFAULT_REGION in the container's env, where EKS does not override it", "  region: "+q(w.Region))
	w.ownCredentials()
	w.put(1, "# no fall-back to the node's role: AWS_EC2_METADATA_DISABLED=true", "allowNodeRole: false")
	if w.Mode == ModeAdapter {
		w.put(0, "", "dial:", "  # DIAL Core, for files and for who the user is", "  url: "+q(w.dialURL()))
		return
	}
	w.ownConfiguration()
}

// dialURL is DIAL Core's address. Beside a release of our chart it is that of a release called dial.
func (o *ValuesOptions) dialURL() string {
	switch {
	case o.DIALURL != "":
		return o.DIALURL
	case o.Chart == ChartDIAL:
		return "http://" + serviceName(o.Release, "core", nil)
	}
	return "http://dial-core"
}

func (w *writer) ownCredentials() {
	switch {
	case w.Credentials == APIKey:
		w.put(1, "apiKey:", "  # a Secret; mounted as a file, which is read again when it changes", "  existingSecret: "+q(w.Secret), "  key: AWS_BEARER_TOKEN_BEDROCK")
	case w.Secret != "":
		w.put(1, "# a Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "existingSecret: "+q(w.Secret))
	case w.RoleARN != "":
		w.put(1, "# becomes the annotation "+roleAnnotation+" of the ServiceAccount "+w.serviceAccount(), "roleArn: "+q(w.RoleARN))
	case w.Credentials == PodIdentity, w.Credentials == RolePerUpstream:
		w.put(1, "podIdentity:", "  # the association names the ServiceAccount "+w.serviceAccount(), "  enabled: true")
	case w.Credentials == NoCredentials:
		w.put(1, "# no credentials here: each upstream has its own")
	}
}

// ownConfiguration writes the files of the gateway, which are mounted as a directory and reloaded.
func (w *writer) ownConfiguration() {
	w.put(0, "")
	if len(w.Configs) == 0 {
		w.put(0, "configuration:", "  # a ConfigMap with *.json or *.yaml; mounted as a directory, so that a change is seen", "  existingConfigMap: "+q(w.Release+"-models"), "  # a Secret with more of them: keys, upstreams with credentials", "  existingSecret: "+q(w.Release+"-keys"))
		return
	}
	w.put(0, "configuration:")
	if s := w.configSecret(); s != "" {
		w.put(1, "# a Secret, since files with keys or credentials are no values: "+baseNames(w.secretConfigs()), "existingSecret: "+q(s))
	}
	if plain := w.plainConfigs(); len(plain) > 0 {
		w.put(1, "# mounted as a directory, so that a change is seen without a restart", "files:")
		for _, f := range plain {
			text := strings.TrimRight(strings.ReplaceAll(string(f.Data), "\r\n", "\n"), "\n ")
			indicator := ""
			if strings.HasPrefix(strings.TrimLeft(text, "\n"), " ") {
				indicator = "2"
			}
			w.put(2, path.Base(f.Name)+": |"+indicator+"-")
			w.put(3, strings.Split(text, "\n")...)
		}
	}
}

func baseNames(files []File) string {
	var names []string
	for _, f := range files {
		names = append(names, path.Base(f.Name))
	}
	return strings.Join(names, ", ")
}

// configSecret names the Secret of the files that may not stand in values; "" without.
func (o *ValuesOptions) configSecret() string {
	switch {
	case o.Chart == ChartDIAL && len(o.Configs) > 0:
		return o.Release + "-core-config"
	case o.Chart == ChartOutcrop && o.Mode == ModeGateway && len(o.Configs) == 0:
		return ""
	case len(o.secretConfigs()) > 0:
		return o.Release + "-keys"
	}
	return ""
}

// secretConfigs are the files that hold secrets, or cannot be read so that nobody knows. DIAL's Core has
// all of its files in one Secret.
func (o *ValuesOptions) secretConfigs() (out []File) {
	for _, f := range o.Configs {
		if o.Chart == ChartDIAL || holdsSecrets(f) {
			out = append(out, f)
		}
	}
	return out
}

func (o *ValuesOptions) plainConfigs() (out []File) {
	for _, f := range o.Configs {
		if !holdsSecrets(f) {
			out = append(out, f)
		}
	}
	return out
}

// holdsSecrets says whether a DIAL configuration has keys, or credentials of upstreams, or is unreadable.
func holdsSecrets(f File) bool {
	n := yamlOrJSON(f.Data)
	if n == nil || n.kind != object || n.get("keys") != nil || secretForm.Match(f.Data) {
		return true
	}
	found := strings.ContainsAny(string(f.Data), "\t\x00") // a block scalar could not hold it as it is
	var look func(n *node)
	look = func(n *node) {
		for _, m := range n.members {
			switch m.name {
			case "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_bearer_token_bedrock", "secretExtraData", "secret_extra_data", "key", "password":
				found = found || !m.value.empty()
			}
			if m.value.kind == text && strings.Contains(m.value.value, "aws_secret_access_key") {
				found = true
			}
			look(m.value)
		}
		for _, item := range n.items {
			look(item)
		}
	}
	look(n)
	return found
}
