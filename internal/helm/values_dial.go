package helm

import (
	"fmt"
	"path"
	"strings"
)

// dial writes the bedrock section of DIAL's umbrella chart, with the value names of dial-extension.
func (w *writer) dial() {
	who := "Outcrop"
	if w.Adapter == AdapterDIAL {
		who = "DIAL's adapter"
	}
	w.put(0, fmt.Sprintf("# Values of AI DIAL's umbrella chart: %s for Bedrock, credentials: %s.", who, w.Credentials), "")
	w.put(0, "bedrock:", "  enabled: true")
	w.dialImage()
	if w.Adapter == AdapterOutcrop {
		w.put(1, `args: ["adapter", "--drain-delay=5s", "--drain-timeout=300s"]`)
	}
	w.put(1, "", "# The region stands in env, since EKS overrides one that comes from a Secret, and under both names,", "# since AWS's SDKs for Go and for Python read different ones. Every value is text.", "env:")
	w.put(2, "AWS_REGION: "+q(w.Region), "AWS_DEFAULT_REGION: "+q(w.Region), "DIAL_URL: "+q(w.dialURL()))
	w.put(2, "# no fall-back to the node's role", `AWS_EC2_METADATA_DISABLED: "true"`)
	w.dialCredentials()
	w.dialPod()
	if len(w.Configs) > 0 {
		w.dialCore()
	}
}

func (w *writer) dialImage() {
	i, err := parseImage(w.Image)
	if err != nil {
		return
	}
	if i.repository == "" {
		i = image{repository: "epam/ai-dial-adapter-bedrock", tag: fmt.Sprintf("0.%d.0", currentAdapter)}
	}
	w.image(1, i)
}

func (w *writer) dialCredentials() {
	annotate := false
	switch {
	case w.Credentials == APIKey && w.Adapter == AdapterDIAL:
		w.put(1, "# a Secret. The key becomes a variable, which the adapter reads once: a new key needs a restart", "extraEnvVars:", "  - name: AWS_BEARER_TOKEN_BEDROCK", "    valueFrom:", "      secretKeyRef:", "        name: "+q(w.Secret), "        key: AWS_BEARER_TOKEN_BEDROCK")
	case w.Credentials == APIKey:
		w.put(2, "AWS_BEARER_TOKEN_BEDROCK_FILE: \"/var/run/secrets/bedrock/AWS_BEARER_TOKEN_BEDROCK\"")
		w.put(1, "# a Secret, mounted as a directory: a new key is read without a restart", "extraVolumes:", "  - name: bedrock-api-key", "    secret:", "      secretName: "+q(w.Secret), "extraVolumeMounts:", "  - name: bedrock-api-key", "    mountPath: /var/run/secrets/bedrock", "    readOnly: true")
	case w.Secret != "":
		w.put(1, "# a Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "extraEnvVarsSecret: "+q(w.Secret))
	case w.RoleARN != "":
		annotate = true
	}
	w.put(1, "serviceAccount:", "  create: true")
	switch {
	case annotate:
		w.put(2, "# the role's trust policy names the ServiceAccount "+w.serviceAccount(), "annotations:", "  "+roleAnnotation+": "+q(w.RoleARN))
	case w.Credentials == PodIdentity, w.Credentials == RolePerUpstream && w.Secret == "":
		w.put(2, "# the Pod Identity association names the ServiceAccount "+w.serviceAccount())
	}
}

// dialPod writes what our image needs of the pod. The umbrella's other defaults are for DIAL's.
func (w *writer) dialPod() {
	if w.Adapter == AdapterDIAL {
		return
	}
	w.put(1, "", "# 503 while it drains, so that no new request comes", "readinessProbe:", "  httpGet:", "    path: /ready", "containerSecurityContext:", "  readOnlyRootFilesystem: true")
	w.put(1, "# longer than the sleep and both parts of the drain, so that streams end well", "terminationGracePeriodSeconds: 330", "lifecycleHooks:", "  preStop:", "    sleep:", "      seconds: 5")
}

// dialCore mounts Core's configuration as a directory: Core sees changes there, and no variable of the
// environment gets too long.
func (w *writer) dialCore() {
	var files []string
	for _, f := range w.Configs {
		files = append(files, q("/etc/dial/"+path.Base(f.Name)))
	}
	w.put(0, "", "# The configuration is a Secret, mounted as a directory: with subPath Core would never see a change.", "core:", "  env:", "    aidial.config.files: '["+strings.Join(files, ", ")+"]'")
	w.put(1, "extraVolumes:", "  - name: dial-config", "    secret:", "      secretName: "+q(w.configSecret()), "extraVolumeMounts:", "  - name: dial-config", "    mountPath: /etc/dial", "    readOnly: true")
}
