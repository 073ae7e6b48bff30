// Package iam is AWS's policy documents: written, read, compared and judged.
//
// It calls nobody. Generate says what a use of Bedrock needs at least, Evaluate judges one request
// as AWS would, for the conditions that such policies have.
package iam
