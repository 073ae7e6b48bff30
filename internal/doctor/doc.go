// Package doctor is every verification of a deployment in one list: configuration, credentials,
// region, network, permissions, each model, and what will go wrong soon.
//
// [Run] runs the checks over an [Env], which its caller has read, and gives a [Report], which prints itself.
// The checks call AWS and change nothing there; what they cost is estimated before.
package doctor
