//go:build !unix

package doctor

// ReadLimits are not known here.
func ReadLimits(getenv func(string) string) Limits {
	return Limits{GoMemory: getenv("GOMEMLIMIT") != ""}
}
