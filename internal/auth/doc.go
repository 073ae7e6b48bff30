// Package auth turns an HTTP request into a Caller, or says why not.
package auth
