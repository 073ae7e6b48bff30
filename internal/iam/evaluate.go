package iam

// Request is one call as AWS judges it.
type Request struct {
	// Principal is who calls: an ARN of a user or role, a service name or an identity provider's ARN. Only
	// policies with principals look at it.
	Principal string
	Action    string // bedrock:InvokeModel
	Resource  string // ARN, or "*" for actions without resources
	// Context has the condition keys and their values; keys are compared without regard to case.
	Context map[string][]string
}

// Decision is AWS's answer.
type Decision struct {
	Allowed bool
	// Denied says that a statement denies; else nothing allows.
	Denied bool
	// Statement is the one that decided; nil when none matched.
	Statement *Statement
}
