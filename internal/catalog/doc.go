// Package catalog says which deployments exist for a caller.
package catalog
