// Package doctor is every verification of a deployment in one list: configuration, credentials,
// region, network, permissions, each model, and what will go wrong soon.
package doctor
