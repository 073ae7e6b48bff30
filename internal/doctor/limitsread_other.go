//go:build !unix

package doctor

// ReadLimits are not known here.
func ReadLimits() Limits {
	return Limits{}
}
