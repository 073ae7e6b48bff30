// Package grant gives a policy to who calls Bedrock: a user, a role, or a service account of a cluster.
//
// A Plan comes first. It says what there is, what will be made and changed, and the aws command that does the
// same; Apply carries it out.
package grant
