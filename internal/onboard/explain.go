package onboard

// Explain says why a call of AWS failed. What is what was asked ("making the role dial"), action the permission
// that this takes, where AWS's own text names none.
func Explain(err error, what, action string) *Problem {
	return explain(err, call{what: what, action: action})
}
