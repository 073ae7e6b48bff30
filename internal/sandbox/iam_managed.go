package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"outcrop/internal/iam"
)

// awsManagedPolicies are those of AWS's own policies that are about Bedrock, as far as they are about
// Bedrock: what they say of SageMaker's endpoints and of networks is left out, since the sandbox has neither.
// https://docs.aws.amazon.com/bedrock/latest/userguide/security-iam-awsmanpol.html
func awsManagedPolicies() (map[string]*managedPolicy, error) {
	out := map[string]*managedPolicy{}
	for name, p := range map[string]struct {
		version    int
		made       time.Time
		statements []iam.Statement
	}{
		"AmazonBedrockFullAccess": {version: 4, made: time.Date(2023, time.December, 6, 15, 47, 0, 0, time.UTC), statements: []iam.Statement{
			{Sid: "BedrockAll", Effect: iam.Allow, Action: iam.Strings{"bedrock:*"}, Resource: iam.Strings{"*"}},
			{Sid: "DescribeKey", Effect: iam.Allow, Action: iam.Strings{"kms:DescribeKey"}, Resource: iam.Strings{"arn:*:kms:*:::*"}},
			{Sid: "APIsWithAllResourceAccess", Effect: iam.Allow, Resource: iam.Strings{"*"},
				Action: iam.Strings{"iam:ListRoles", "ec2:DescribeVpcs", "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups"}},
			{Sid: "PassRoleToBedrock", Effect: iam.Allow, Action: iam.Strings{"iam:PassRole"}, Resource: iam.Strings{"arn:aws:iam::*:role/*AmazonBedrock*"},
				Condition: iam.Condition{"StringEquals": {"iam:PassedToService": {"bedrock.amazonaws.com"}}}},
			marketplaceFromBedrock("bedrock.amazonaws.com"),
		}},
		"AmazonBedrockReadOnly": {version: 5, made: time.Date(2023, time.December, 6, 15, 48, 0, 0, time.UTC), statements: []iam.Statement{
			{Sid: "AmazonBedrockReadOnly", Effect: iam.Allow, Action: iam.Strings{"bedrock:Get*", "bedrock:List*"}, Resource: iam.Strings{"*"}},
		}},
		"AmazonBedrockLimitedAccess": {version: 9, made: time.Date(2025, time.June, 29, 22, 22, 0, 0, time.UTC), statements: []iam.Statement{
			{Sid: "BedrockAPIs", Effect: iam.Allow, Action: limitedActions(), Resource: iam.Strings{"*"}},
			{Sid: "DescribeKey", Effect: iam.Allow, Action: iam.Strings{"kms:DescribeKey"}, Resource: iam.Strings{"arn:*:kms:*:::*"}},
			{Sid: "APIsWithAllResourceAccess", Effect: iam.Allow, Resource: iam.Strings{"*"},
				Action: iam.Strings{"iam:ListRoles", "ec2:DescribeVpcs", "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups"}},
			{Sid: "BedrockMantleAPIs", Effect: iam.Allow, Resource: iam.Strings{"*"},
				Action: iam.Strings{"bedrock-mantle:CallWithBearerToken", "bedrock-mantle:Get*", "bedrock-mantle:List*", "bedrock-mantle:CreateInference"}},
			marketplaceFromBedrock("bedrock.amazonaws.com", "bedrock-mantle.amazonaws.com"),
		}},
		"AmazonBedrockMantleInferenceAccess": {version: 1, made: time.Date(2025, time.December, 4, 7, 19, 0, 0, time.UTC), statements: []iam.Statement{
			{Sid: "BedrockMantleInference", Effect: iam.Allow, Resource: iam.Strings{"arn:aws:bedrock-mantle:*:*:project/*"},
				Action: iam.Strings{"bedrock-mantle:Get*", "bedrock-mantle:List*", "bedrock-mantle:CreateInference"}},
			{Sid: "BedrockMantleCallWithBearerToken", Effect: iam.Allow, Action: iam.Strings{"bedrock-mantle:CallWithBearerToken"}, Resource: iam.Strings{"*"}},
		}},
	} {
		document := iam.Document{Version: iam.PolicyVersion, Statement: p.statements}
		text, err := json.Marshal(document)
		if err != nil {
			return nil, fmt.Errorf("sandbox: AWS's policy %s: %w", name, err)
		}
		arn := "arn:aws:iam::aws:policy/" + name
		out[arn] = &managedPolicy{
			name: name, path: "/", arn: arn, id: "ANPA" + randomDigits(17), created: p.made, updated: p.made, aws: true, last: p.version,
			versions: []policyVersion{{number: p.version, isDefault: true, created: p.made, document: policyText{text: string(text), parsed: document}}},
		}
	}
	return out, nil
}

// marketplaceFromBedrock lets Bedrock subscribe to models for the caller.
func marketplaceFromBedrock(services ...string) iam.Statement {
	return iam.Statement{
		Sid: "MarketplaceOperationsFromBedrockFor3pModels", Effect: iam.Allow, Resource: iam.Strings{"*"},
		Action:    iam.Strings{"aws-marketplace:Subscribe", "aws-marketplace:ViewSubscriptions", "aws-marketplace:Unsubscribe"},
		Condition: iam.Condition{"StringEquals": {"aws:CalledViaLast": slices.Clone(services)}},
	}
}

// limitedActions are those of AmazonBedrockLimitedAccess. CountTokens is not among them.
func limitedActions() iam.Strings {
	out := iam.Strings{"bedrock:Get*", "bedrock:List*", "bedrock:CallWithBearerToken"}
	for _, name := range []string{
		"BatchDeleteEvaluationJob", "CreateEvaluationJob", "CreateGuardrail", "CreateGuardrailVersion", "CreateInferenceProfile", "CreateModelCopyJob",
		"CreateModelCustomizationJob", "CreateModelImportJob", "CreateModelInvocationJob", "CreatePromptRouter", "CreateProvisionedModelThroughput",
		"DeleteCustomModel", "DeleteGuardrail", "DeleteImportedModel", "DeleteInferenceProfile", "DeletePromptRouter", "DeleteProvisionedModelThroughput",
		"StopEvaluationJob", "StopModelCustomizationJob", "StopModelInvocationJob", "TagResource", "UntagResource", "UpdateGuardrail",
		"UpdateProvisionedModelThroughput", "ApplyGuardrail", "InvokeModel", "InvokeModelWithResponseStream",
	} {
		out = append(out, "bedrock:"+name)
	}
	return out
}
