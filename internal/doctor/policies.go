package doctor

import (
	"context"
	"slices"
	"strings"

	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"outcrop/internal/iam"
	"outcrop/internal/onboard"
)

// rights is what is known of a caller's permissions.
type rights struct {
	allows func(iam.Request) bool
	notes  []string // what else AWS looks at
	wide   string   // what no deployment needs, "" for nothing
}

// rights reads the policies of a user or role; who may not read them may have IAM simulate them.
func (e *Env) rights(ctx context.Context, u *Upstream, arn string) (*rights, error) {
	account, err := onboard.Open(e.Process, u.Settings)
	if err != nil {
		return nil, err
	}
	held, notes, err := account.HeldPolicies(ctx, arn)
	if err != nil {
		r := &rights{}
		if r.simulate(ctx, awsiam.NewFromConfig(account.Config), arn) {
			return r, nil
		}
		return nil, err
	}
	documents := make([]iam.Document, 0, len(held))
	for _, h := range held {
		documents = append(documents, h.Document)
	}
	r := &rights{notes: notes, wide: tooWide(held)}
	r.allows = func(q iam.Request) bool {
		q.Principal = arn
		hangs := iam.Hangs(q, documents...)
		r.hangOn(hangs)
		return len(hangs) > 0 || iam.Evaluate(q, documents...).Allowed
	}
	return r, nil
}

// hangOn notes condition keys whose values only AWS knows: a Deny for calls from elsewhere than a VPC endpoint is
// no reason for an alarm within it.
func (r *rights) hangOn(keys []string) {
	if len(keys) == 0 {
		return
	}
	note := "The policies hang on " + strings.Join(keys, ", ") + ", which AWS knows when a call comes: taken as fitting. Whether the models answer is checked above."
	if !slices.Contains(r.notes, note) {
		r.notes = append(r.notes, note)
	}
}

func tooWide(held []onboard.Held) string {
	for _, h := range held {
		if why := iam.WideManaged(h.ARN); why != "" {
			return why
		}
		if wide := iam.TooWide(h.Document); len(wide) > 0 {
			return "the policy " + h.Name + " is wider than needed: " + wide[0].Why
		}
	}
	return ""
}

// simulate has IAM judge; it is false for who may not ask it to.
func (r *rights) simulate(ctx context.Context, client *awsiam.Client, arn string) bool {
	ask := func(q iam.Request) (bool, error) {
		in := &awsiam.SimulatePrincipalPolicyInput{PolicySourceArn: &arn, ActionNames: []string{q.Action}, ResourceArns: []string{q.Resource}}
		for key, values := range q.Context {
			in.ContextEntries = append(in.ContextEntries, types.ContextEntry{ContextKeyName: &key, ContextKeyValues: values, ContextKeyType: types.ContextKeyTypeEnumString})
		}
		got, err := client.SimulatePrincipalPolicy(ctx, in)
		if err != nil || len(got.EvaluationResults) == 0 {
			return false, err
		}
		result := got.EvaluationResults[0]
		if result.EvalDecision == types.PolicyEvaluationDecisionTypeAllowed {
			return true, nil
		}
		hangs := iam.KnownByAWS(result.MissingContextValues)
		r.hangOn(hangs)
		return len(hangs) > 0, nil
	}
	if _, err := ask(iam.Request{Action: "bedrock:InvokeModel", Resource: "*"}); err != nil {
		return false
	}
	r.allows = func(q iam.Request) bool {
		allowed, err := ask(q)
		return allowed || err != nil // what could not be asked is not called missing
	}
	return true
}
