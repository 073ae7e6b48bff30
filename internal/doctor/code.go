package doctor

// Code is a kind of finding. Its id is for scripts and never changes its meaning; the part before the dash
// says which exit code an error of it has.
type Code struct {
	ID      string // CRED-004
	Meaning string
	Remedy  string // what to do in general; the finding itself says what to type
}

// Codes are all that there are, in the order of the checks. docs/doctor.md is printed from them.
func Codes() []Code {
	return append(append(append(ownCodes(), accessCodes()...), modelCodes()...), runCodes()...)
}

func ownCodes() []Code {
	return []Code{
		{"CONF-000", "the configuration can be served", ""},
		{"CONF-001", "a mistake in the configuration", "correct the place that is named"},
		{"CONF-002", "the configuration can be served, but not all that it says happens", "correct the place that is named, or accept it"},
		{"CONF-003", "a model of the configuration is not served", "give it an endpoint and a type that are served, or remove it"},
		{"CONF-004", "the catalogue of models knows the model id not, or nothing good of it", "use one of the ids that are named"},
		{"CONF-005", "an upstream or a model cannot be made", "correct the field that is named"},

		{"ENV-000", "the region, and where it comes from", ""},
		{"ENV-001", "no region", "`export AWS_REGION=…`, or `region` in the upstream's extraData"},
		{"ENV-002", "the variables of the region disagree", "set AWS_REGION through `env` (not `envFrom`) and remove the others"},
		{"ENV-003", "the region comes from DEFAULT_REGION, which no AWS tool reads", "set AWS_REGION in its place"},
		{"ENV-004", "AWS_ROLE_ARN without a token file: AWS's tools leave the role out", "give the service account the role again and restart the pod"},
		{"ENV-005", "one half of an access key is set", "set both, or none"},
		{"ENV-006", "a proxy is used", ""},
		{"ENV-007", "the CA bundle cannot be used", "name a file of PEM certificates in AWS_CA_BUNDLE"},
		{"ENV-008", "where the process runs: in a pod, in a container or neither", ""},
		{"ENV-009", "in a pod, the node's own role can be taken by accident", "set AWS_EC2_METADATA_DISABLED=true"},
		{"ENV-010", "another doubt about the environment", "as the finding says"},
		{"ENV-011", "the environment's AWS settings cannot be used", "correct the variable that is named"},

		{"CRED-000", "there are credentials, and where they come from", ""},
		{"CRED-001", "there are no credentials", "name a source: keys, profile, role, API key"},
		{"CRED-002", "AWS does not accept the credentials", "renew them"},
		{"CRED-003", "the credentials end soon, or live shortly", "let the role's sessions last an hour or more"},
		{"CRED-004", "the credentials have expired", "get new ones, for example `aws sso login`"},
		{"CRED-005", "a long-lived access key", "use a role: `outcrop aws grant`"},
		{"CRED-006", "the account's root user", "make a user or a role for this: `outcrop aws grant`"},
		{"CRED-007", "the node's own role is used", "give the pod its role, or say that it is meant with `--expect-role`"},
		{"CRED-008", "the role is not the one that it should be", "look at the service account's annotation or Pod Identity association"},
		{"CRED-009", "what the Bedrock API key says of itself", ""},
		{"CRED-010", "the Bedrock API key has expired", "make a new one, or use a role"},
		{"CRED-011", "the Bedrock API key is for another region", "make a key in the upstream's region"},
		{"CRED-012", "the Bedrock API key in the environment will expire and is read once", "put it into a file: AWS_BEARER_TOKEN_BEDROCK_FILE"},
		{"CRED-013", "the file of the Bedrock API key cannot be read", "provide the file"},
		{"CRED-014", "a Bedrock API key must not travel without https", "use an https endpoint"},
		{"CRED-015", "the access key is old", "make a second key, use it, delete the first"},

		{"TOKEN-000", "the service account's token is good", ""},
		{"TOKEN-001", "the token file cannot be read", "look at the pod's projected volume and its fsGroup"},
		{"TOKEN-002", "the token file holds no token", "restart the pod"},
		{"TOKEN-003", "the token is not for AWS's token service", "its audience has to be sts.amazonaws.com"},
		{"TOKEN-004", "the token has expired", "restart the pod: kubelet renews the tokens of running pods only"},
		{"TOKEN-005", "the token expires soon", "if it is not renewed by then, restart the pod"},
		{"TOKEN-006", "the token's issuer is no https address", "use a cluster whose issuer AWS can reach"},
		{"TOKEN-007", "the account knows the token's issuer not", "`outcrop aws grant service-account` makes the IAM OIDC provider"},
		{"TOKEN-008", "the role does not trust the service account", "add the statement to the role's trust policy"},
		{"TOKEN-009", "the issuer or the role's trust could not be looked at", "allow the action, or ignore it"},

		{"NET-000", "the endpoint answers", ""},
		{"NET-001", "the endpoint's name has no address", "correct the region or the DNS; a private subnet needs a VPC endpoint"},
		{"NET-002", "nothing answers at the endpoint's address", "open TCP 443 to it, or make a VPC endpoint"},
		{"NET-003", "the endpoint's certificate is not trusted", "name the certificates to trust in AWS_CA_BUNDLE"},
		{"NET-004", "the endpoint is slow", "choose a nearer region"},
		{"NET-005", "the clock is wrong: AWS refuses signatures that are 5 minutes off", "set the clock (NTP)"},
		{"NET-006", "the clock is off", "set the clock (NTP)"},
		{"NET-007", "the endpoint's address is private", ""},
		{"NET-008", "the proxy does not connect", "correct HTTPS_PROXY or NO_PROXY"},
		{"NET-009", "the endpoint does not answer in time", "open TCP 443 to it, or give `--timeout`"},
		{"NET-010", "another than AWS signed the certificate: somebody reads the traffic", "ask who runs the network"},

		{"STS-000", "who calls", ""},
		{"STS-001", "a role may not be assumed", "add the statement on the side that is named"},
		{"STS-002", "the web identity is refused", "as the finding says"},
		{"STS-003", "AWS's token service does not say who calls", "as the finding says"},
	}
}

func accessCodes() []Code {
	return []Code{
		{"PERM-000", "the permissions are enough", ""},
		{"PERM-001", "no policy allows an action", "add the statement: `outcrop aws policy`"},
		{"PERM-002", "the organization's service control policy refuses", "ask who administers the organization"},
		{"PERM-003", "the permissions boundary refuses", "widen the boundary"},
		{"PERM-004", "a statement denies", "remove or narrow the Deny"},
		{"PERM-005", "the session policy refuses", "widen the policy of the session"},
		{"PERM-006", "a profile sends to a region that is not allowed", "add the statement for the destination region"},
		{"PERM-007", "token counting is off: counts are estimates", "add bedrock:CountTokens, or accept it"},
		{"PERM-008", "the model behind an ARN is not known", "add bedrock:GetInferenceProfile, or `baseModel`"},
		{"PERM-009", "bedrock-mantle is off", "add bedrock-mantle:CreateInference"},
		{"PERM-010", "the principal's policies could not be read", "nothing: the probes tell what matters"},
		{"PERM-011", "the permissions are wider than needed", "`outcrop aws policy` prints the least ones"},
		{"PERM-012", "a destination region of a profile is not allowed: calls fail when Bedrock goes there", "add the statement"},
		{"PERM-013", "the global profile's model without a region is not allowed", "add the statement"},

		{"ACCESS-001", "the account has no access to the model", "`outcrop aws access MODEL`"},
		{"ACCESS-002", "Anthropic's use-case form is missing", "`outcrop aws access MODEL`"},
		{"ACCESS-003", "the marketplace permissions for the first use of the model are missing", "`outcrop aws access MODEL` with a role that has them"},
		{"ACCESS-004", "the model answered, but there is no agreement: later calls will be denied", "`outcrop aws access MODEL`"},
		{"ACCESS-005", "the agreement is pending", "wait 15 minutes"},
		{"ACCESS-006", "the account may not use Amazon Bedrock", "open the Bedrock console once, look at payment method and support plan"},
		{"ACCESS-007", "the agreement's state could not be looked at", "add bedrock:GetFoundationModelAvailability"},
	}
}

func modelCodes() []Code {
	return []Code{
		{"MODEL-000", "the model answered", ""},
		{"MODEL-001", "the caller may call the model; it was not called", "`--probe paid` calls it"},
		{"MODEL-002", "the model was not tried", "`--probe free` or `--probe paid`"},
		{"MODEL-003", "the model is not known in the region", "`outcrop aws models --region REGION`"},
		{"MODEL-004", "the model is served through inference profiles only", "use the profile's id"},
		{"MODEL-005", "the model is past its end", "choose another one"},
		{"MODEL-006", "the model is throttled now", "try again; ask for a higher quota"},
		{"MODEL-007", "the model could not be asked", "as the finding says"},
		{"MODEL-008", "the model is legacy and was not used for a while", "choose a current one"},

		{"DEST-000", "where the prompts of a deployment may be processed", ""},
		{"DEST-001", "the prompts of a deployment may be processed anywhere", "use a profile of one geography"},
		{"DEST-002", "the profile's regions could not be looked up", "add bedrock:GetInferenceProfile"},
		{"LIFE-001", "the model ends within 90 days", "choose its successor: `outcrop aws models`"},
		{"LIFE-002", "the model is marked as legacy", "plan its replacement"},

		{"QUOTA-000", "the account's quota of a model", ""},
		{"QUOTA-001", "the account's quota of a model is 0", "ask for a higher one in Service Quotas"},
		{"QUOTA-002", "the quotas could not be read", "add servicequotas:ListServiceQuotas, or ignore it"},
		{"LIMIT-000", "the process's limits are enough", ""},
		{"LIMIT-001", "few files may be open", "`ulimit -n 65536`"},
	}
}

func runCodes() []Code {
	return []Code{
		{"RUN-001", "not checked: interrupted", "run it again"},
		{"RUN-002", "not finished in time", "`--timeout`"},
		{"RUN-003", "not checked: what it needs failed", "correct that first"},
	}
}
