// Package onboard is the way from an AWS account to a working deployment: who calls, which models can
// be called, access to them, the policy that a configuration needs, the users and roles that have it,
// and the models section of DIAL's configuration.
//
// What writes to AWS is planned first, as a value that prints itself, and applied only when asked.
package onboard
