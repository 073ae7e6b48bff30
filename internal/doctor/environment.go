package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// environment looks at the variables, and calls nobody.
func (e *Env) environment(context.Context) []Finding {
	out := e.regions()
	out = append(out, e.halves()...)
	out = append(out, e.where()...)
	out = append(out, e.way()...)
	for _, w := range e.Warnings {
		if !told(w) {
			out = append(out, Finding{Code: "ENV-010", Severity: Warning, Message: w, Remedy: "remove the variable that is not meant"})
		}
	}
	for _, mistake := range e.Mistakes {
		if !strings.Contains(mistake, "DEFAULT_REGION") || e.Region != "" { // which is ENV-001
			out = append(out, Finding{Code: "ENV-011", Severity: Error, Message: "the adapter would not start: " + mistake, Remedy: "correct the variable that is named"})
		}
	}
	if e.Failure != nil && !strings.Contains(e.Failure.Error(), "AWS_CA_BUNDLE") {
		out = append(out, Finding{
			Code: "ENV-011", Severity: Error, Message: "the AWS settings cannot be used: " + e.Failure.Error(),
			Remedy: "correct the variable or the file that is named",
		})
	}
	return out
}

// told says whether a warning is about what another finding of the environment tells.
func told(warning string) bool {
	for _, about := range []string{"DEFAULT_REGION", " goes first", "AWS_ROLE_ARN is set without", "is set without AWS_"} {
		if strings.Contains(warning, about) && (about != " goes first" || strings.Contains(warning, "REGION=")) {
			return true
		}
	}
	return strings.Contains(warning, "AWS_WEB_IDENTITY_TOKEN_FILE cannot be read")
}

func regionVariables() []string {
	return []string{"AWS_REGION", "AWS_DEFAULT_REGION", "DEFAULT_REGION"}
}

// regions says which region counts and which variables say otherwise. EKS's webhook puts AWS_REGION and
// AWS_DEFAULT_REGION of the cluster into a pod that has neither in its env list; what comes through
// envFrom it does not see, and overrules.
func (e *Env) regions() []Finding {
	var from string
	var given []string
	differ := false
	for _, name := range regionVariables() {
		if value := e.Getenv(name); value != "" {
			given = append(given, name+"="+value)
			from = cmp.Or(from, name)
			differ = differ || value != e.Getenv(from)
		}
	}
	var out []Finding
	switch {
	case e.Region == "" && e.namesRegions():
		out = append(out, Finding{Code: "ENV-000", Message: "no region in the environment, and each upstream names its own"})
	case e.Region == "":
		out = append(out, Finding{
			Code: "ENV-001", Severity: Error, Message: "there is no AWS region in the environment, the profile or the upstreams",
			Remedy: "export AWS_REGION=us-east-1 (in a pod through env, not envFrom), or region in the upstream's extraData",
		})
	case from == "":
		out = append(out, Finding{Code: "ENV-000", Message: "region " + e.Region + ", of the AWS profile"})
	default:
		out = append(out, Finding{Code: "ENV-000", Message: "region " + e.Region + ", of " + from})
	}
	if differ {
		out = append(out, Finding{
			Code: "ENV-002", Severity: Warning, Subject: strings.Join(given, " "),
			Message: "the variables disagree, and " + from + " counts; in a pod of EKS it may be the cluster's, which the webhook sets when it does not see another in env",
			Remedy:  "set AWS_REGION through env (not envFrom or a Secret) to the region that is meant, and remove the others",
		})
	}
	if from == "DEFAULT_REGION" {
		out = append(out, Finding{
			Code: "ENV-003", Severity: Warning, Message: "DEFAULT_REGION is read here and by DIAL's adapter, but by no tool of AWS; on EKS the cluster's region would be used in its place",
			Remedy: "export AWS_REGION=" + e.Region + ", and remove DEFAULT_REGION",
		})
	}
	return out
}

// namesRegions says whether no upstream needs the environment's region.
func (e *Env) namesRegions() bool {
	for _, u := range e.Upstreams {
		if u.Region == "" {
			return false
		}
	}
	return len(e.Upstreams) > 0
}

// halves are settings without the other that they need.
func (e *Env) halves() (out []Finding) {
	set := func(name string) bool { return e.Getenv(name) != "" }
	if id, key := set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY"); id != key {
		there, missing := "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
		if key {
			there, missing = missing, there
		}
		out = append(out, Finding{
			Code: "ENV-005", Severity: Warning, Message: there + " is set without " + missing + ", so the key is left out and the next source of credentials is taken",
			Remedy: "export " + missing + " too, or unset " + there,
		})
	}
	if token, role := set("AWS_WEB_IDENTITY_TOKEN_FILE"), set("AWS_ROLE_ARN"); role && !token {
		out = append(out, Finding{
			Code: "ENV-004", Severity: Warning, Subject: e.Getenv("AWS_ROLE_ARN"),
			Message: "AWS_ROLE_ARN is set without AWS_WEB_IDENTITY_TOKEN_FILE, so the role is left out; on a node of EKS or EC2 the node's own role is taken in its place",
			Remedy:  "annotate the service account (eks.amazonaws.com/role-arn) and restart the pod, or use AWS_ASSUME_ROLE_ARN; AWS_EC2_METADATA_DISABLED=true keeps the node's role away",
		})
	} else if token && !role {
		out = append(out, Finding{
			Code: "ENV-004", Severity: Warning, Message: "AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN, the role that is assumed with the token",
			Remedy: "annotate the service account (eks.amazonaws.com/role-arn) and restart the pod",
		})
	}
	return out
}

// where says what the process runs in, and whether the node's role is near.
func (e *Env) where() []Finding {
	pod := e.Getenv("KUBERNETES_SERVICE_HOST") != ""
	disabled := strings.EqualFold(e.Getenv("AWS_EC2_METADATA_DISABLED"), "true")
	words := "not in a pod"
	if pod {
		words = "in a pod"
	}
	switch {
	case e.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI") != "":
		words += ", with EKS Pod Identity's or a container's credentials"
	case e.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != "":
		words += ", with the credentials of an ECS task"
	case e.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "":
		words += ", with a service account's token (IRSA)"
	}
	if disabled {
		words += "; the node's metadata is not asked"
	}
	out := []Finding{{Code: "ENV-008", Message: words}}
	if pod && !disabled {
		out = append(out, Finding{
			Code: "ENV-009", Severity: Warning, Message: "if the pod's own credentials fail, the node's role is taken without a word",
			Remedy: "set AWS_EC2_METADATA_DISABLED=true in the pod's env",
		})
	}
	return out
}

// way is what is between the process and AWS.
func (e *Env) way() (out []Finding) {
	if proxy := cmp.Or(e.Getenv("HTTPS_PROXY"), e.Getenv("https_proxy")); proxy != "" {
		except := cmp.Or(e.Getenv("NO_PROXY"), e.Getenv("no_proxy"), "nothing")
		out = append(out, Finding{
			Code: "ENV-006", Severity: Info, Message: fmt.Sprintf("AWS is asked through the proxy %s, except %s", hostOf(proxy), except),
			Remedy: "to go around it for VPC endpoints: NO_PROXY=.amazonaws.com",
		})
	}
	if file := e.Getenv("AWS_CA_BUNDLE"); file != "" {
		pem, err := os.ReadFile(file)
		switch {
		case err != nil:
			out = append(out, Finding{Code: "ENV-007", Severity: Error, Subject: file, Message: "AWS_CA_BUNDLE cannot be read: " + err.Error(), Remedy: "mount the file, or unset AWS_CA_BUNDLE"})
		case !strings.Contains(string(pem), "-----BEGIN CERTIFICATE-----"):
			out = append(out, Finding{Code: "ENV-007", Severity: Error, Subject: file, Message: "AWS_CA_BUNDLE holds no certificate in PEM form", Remedy: "convert it: openssl x509 -inform der -in FILE -out bundle.pem"})
		}
	}
	return out
}

// hostOf is a proxy's host: what stands before it may be a password.
func hostOf(address string) string {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return "(its address is not a URL)"
}
