package onboard

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"outcrop/internal/bedrock"
)

// injected says whether EKS has put its variables into the pod. Its webhook sets both region variables
// to the cluster's region where the container's env list has neither.
// https://github.com/aws/amazon-eks-pod-identity-webhook
func injected(getenv func(string) string) bool {
	eks := strings.Contains(getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), "eks.amazonaws.com") ||
		strings.HasPrefix(getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), "/var/run/secrets/pods.eks.amazonaws.com")
	return eks && getenv("AWS_REGION") != "" && getenv("AWS_REGION") == getenv("AWS_DEFAULT_REGION")
}

// regionWarnings compare what the variables and the profile say.
func (w *Whoami) regionWarnings() {
	r := w.Region
	if r.Region == "" {
		w.warn(Warning{"region-missing", "nobody names a region", "set AWS_REGION, for example AWS_REGION=us-east-1", true})
		return
	}
	if !bedrock.IsRegion(r.Region) {
		w.warn(Warning{"region-form", fmt.Sprintf("%q (%s) does not look like an AWS region", r.Region, r.Source), "write it like us-east-1", true})
	}
	for _, other := range r.All[1:] {
		if other.Value == r.Region || r.Source == "--region" {
			continue
		}
		if other.Source == "DEFAULT_REGION" && r.Injected {
			w.warn(Warning{"region-default", "DEFAULT_REGION=" + other.Value + " is not used: EKS has set AWS_REGION=" + r.Region + ", the cluster's region, and AWS's tools do not read DEFAULT_REGION", "set AWS_REGION=" + other.Value + " under the container's env", true})
			continue
		}
		w.warn(Warning{"region-disagree", fmt.Sprintf("%s says %s, but %s says %s and goes first", other.Source, other.Value, r.Source, r.Region), "remove one of the two, or make them equal", true})
	}
	if r.Source == "DEFAULT_REGION" {
		w.warn(Warning{"region-default", "the region comes from DEFAULT_REGION, which AWS's own tools do not read", "set AWS_REGION=" + r.Region + " instead", false})
	}
	if r.Injected {
		w.Notes = append(w.Notes, "AWS_REGION and AWS_DEFAULT_REGION look like those that EKS sets to the cluster's region. EKS looks at the container's env only: a region that comes through envFrom, such as the chart's secrets, is overridden. Set AWS_REGION under env.")
	}
}

// environmentWarnings are about variables that do not do what they seem to.
func (w *Whoami) environmentWarnings(getenv func(string) string) {
	set := func(name string) bool { return getenv(name) != "" }
	w.aliasWarnings(set)
	file := getenv("AWS_WEB_IDENTITY_TOKEN_FILE")
	switch {
	case set("AWS_ROLE_ARN") && file == "":
		w.warn(Warning{"role-without-token", "AWS_ROLE_ARN is set without AWS_WEB_IDENTITY_TOKEN_FILE, so AWS's tools leave the role out: on a node of EKS or EC2 the node's own role is used", "give the pod's service account the role again (eks.amazonaws.com/role-arn) and restart the pod; AWS_EC2_METADATA_DISABLED=true keeps the node's role away", true})
	case file != "" && !set("AWS_ROLE_ARN"):
		w.warn(Warning{"token-without-role", "AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN, the role that is assumed with the token", "set AWS_ROLE_ARN", true})
	case file != "" && (set("AWS_ACCESS_KEY_ID") || set("AWS_ACCESS_KEY")):
		w.warn(Warning{"key-before-role", "AWS_WEB_IDENTITY_TOKEN_FILE and its role are not used: the access key of the environment goes first", "remove the access key from the environment", true})
	case file != "":
		if _, err := os.Stat(file); err != nil {
			w.warn(Warning{"token-file", "AWS_WEB_IDENTITY_TOKEN_FILE cannot be read: " + err.Error(), "mount the service account's token there, or restart the pod", true})
		}
	}
	if set("AWS_ASSUME_ROLE_ARN") && (set("AWS_BEARER_TOKEN_BEDROCK") || set("AWS_BEARER_TOKEN_BEDROCK_FILE")) {
		w.warn(Warning{"role-before-api-key", "the Bedrock API key is not used: AWS_ASSUME_ROLE_ARN goes first", "remove one of the two", true})
	}
	if set("AWS_BEARER_TOKEN_BEDROCK") && set("AWS_BEARER_TOKEN_BEDROCK_FILE") {
		w.warn(Warning{"two-api-keys", "AWS_BEARER_TOKEN_BEDROCK_FILE is not used: AWS_BEARER_TOKEN_BEDROCK goes first", "remove one of the two", true})
	}
}

// aliasWarnings are about the two names that each half of a key has.
func (w *Whoami) aliasWarnings(set func(string) bool) {
	id, alias := set("AWS_ACCESS_KEY_ID"), set("AWS_ACCESS_KEY")
	secret, secretAlias := set("AWS_SECRET_ACCESS_KEY"), set("AWS_SECRET_KEY")
	switch {
	case id && alias || secret && secretAlias:
		w.warn(Warning{"key-twice", "the access key stands in the environment under two names (AWS_ACCESS_KEY_ID and AWS_ACCESS_KEY, AWS_SECRET_ACCESS_KEY and AWS_SECRET_KEY): the first of each goes first", "remove AWS_ACCESS_KEY and AWS_SECRET_KEY", true})
	case (id || alias) != (secret || secretAlias):
		w.warn(Warning{"key-half", "one half of an access key is set without the other, so AWS's tools leave it out and go on to the next source", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither", true})
	case alias || secretAlias:
		w.warn(Warning{"key-alias", "the access key stands under AWS_ACCESS_KEY or AWS_SECRET_KEY, which AWS's Go tools read and its Python tools do not", "call them AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", false})
	}
}

// credentialWarnings are about who was found.
func (w *Whoami) credentialWarnings(ctx context.Context, in WhoamiInput, account *Account) {
	c := &w.Credentials
	switch {
	case w.Principal.Kind == "root user":
		w.warn(Warning{"root", "these are the keys of the account's root user, which nothing can restrict", "delete them; use a role or a user with the policy that outcrop aws policy writes", false})
	case strings.HasPrefix(c.Provider, "EC2RoleProvider"):
		w.warn(Warning{"node-role", "these are the credentials of the machine's own role: in a pod, those of the node, which every pod on it has", "give the pod a role of its own (outcrop aws grant), and set AWS_EC2_METADATA_DISABLED=true", in.Getenv("AWS_ROLE_ARN") != ""})
	}
	if c.Expires != nil && in.Now.After(*c.Expires) {
		w.warn(Warning{"expired", "the credentials have expired at " + stamp(*c.Expires), "log in again, or wait for the renewal", true})
	}
	if !c.LongLived {
		return
	}
	age := w.keyAge(ctx, account, in.Now)
	w.warn(Warning{"long-lived-key", "the access key never expires" + age, "use a role: IRSA or EKS Pod Identity in a cluster (outcrop aws grant), IAM Identity Center on a laptop", false})
}

// keyAge asks IAM how old a user's access key is, and says so. Who may not ask goes without.
func (w *Whoami) keyAge(ctx context.Context, account *Account, now time.Time) string {
	user := lastName(w.Principal.ARN)
	if w.Principal.Kind != "IAM user" || user == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, whoamiTimeout/3)
	defer cancel()
	client := iam.NewFromConfig(account.Config)
	keys, err := client.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: &user})
	if err != nil {
		w.Notes = append(w.Notes, "How old the access key is, is not known: "+explain(err, call{action: "iam:ListAccessKeys"}).Short())
		return ""
	}
	for _, key := range keys.AccessKeyMetadata {
		if aws.ToString(key.AccessKeyId) == w.Credentials.AccessKeyID {
			w.Credentials.Created = key.CreateDate
		}
	}
	if used, err := client.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &w.Credentials.AccessKeyID}); err == nil && used.AccessKeyLastUsed != nil {
		w.Credentials.LastUsed = used.AccessKeyLastUsed.LastUsedDate
	}
	if w.Credentials.Created == nil {
		return ""
	}
	return fmt.Sprintf("; it is %d days old", int(now.Sub(*w.Credentials.Created).Hours()/24))
}

// lastName is what follows the last slash of an ARN: the name of a user without its path.
func lastName(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }
