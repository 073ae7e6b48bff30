package money

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// Amount is an amount of US dollars, in units of 10⁻¹² dollars, so that the price of a single token is exact.
// Sums and products that do not fit stay at the largest amount, about 9.2 million dollars: no limit wraps around.
type Amount int64

const (
	// Dollar is one US dollar.
	Dollar Amount = 1e12
	// Max is the largest amount, and stands for "without bound" in limits.
	Max Amount = math.MaxInt64

	decimals = 12
)

// Errors of Parse.
var (
	ErrSyntax    = errors.New("it is not a decimal number like 0.000003")
	ErrPrecision = errors.New("it has more than 12 digits after the point")
	ErrRange     = errors.New("it is beyond 9,223,372 dollars")
)

// Parse reads a decimal number of dollars: "0.000003", "3e-6", "-1". It is exact or an error.
func Parse(text string) (Amount, error) {
	mantissa, exponent, err := splitExponent(text)
	if err != nil {
		return 0, err
	}
	negative := strings.HasPrefix(mantissa, "-")
	mantissa = strings.TrimPrefix(strings.TrimPrefix(mantissa, "-"), "+")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if whole+fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, ErrSyntax
	}
	shift := decimals + exponent - len(fraction)
	for shift < 0 && strings.HasSuffix(digits, "0") {
		digits, shift = digits[:len(digits)-1], shift+1
	}
	switch {
	case digits == "":
		return 0, nil
	case shift < 0:
		return 0, ErrPrecision
	case len(digits)+shift > 19:
		return 0, ErrRange
	}
	n, err := strconv.ParseInt(digits+strings.Repeat("0", shift), 10, 64)
	if err != nil {
		return 0, ErrRange
	}
	if negative {
		n = -n
	}
	return Amount(n), nil
}

// splitExponent is a number's digits and its power of ten.
func splitExponent(text string) (mantissa string, exponent int, err error) {
	i := strings.IndexAny(text, "eE")
	if i < 0 {
		return text, 0, nil
	}
	exponent, err = strconv.Atoi(text[i+1:])
	if err != nil || exponent > 100 || exponent < -100 {
		return "", 0, ErrSyntax
	}
	return text[:i], exponent, nil
}

// String is the amount as a decimal number of dollars, without needless zeros: "0.000552", "0".
func (a Amount) String() string {
	sign, n := "", uint64(a)
	if a < 0 {
		sign, n = "-", -n
	}
	whole, rest := n/uint64(Dollar), n%uint64(Dollar)
	if rest == 0 {
		return sign + strconv.FormatUint(whole, 10)
	}
	return sign + strings.TrimRight(fmt.Sprintf("%d.%0*d", whole, decimals, rest), "0")
}

// MarshalJSON is the amount as a JSON number.
func (a Amount) MarshalJSON() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalJSON reads a JSON number, or a string with one.
func (a *Amount) UnmarshalJSON(data []byte) (err error) {
	*a, err = Parse(strings.Trim(string(data), `"`))
	return err
}

// Plus is the sum.
func (a Amount) Plus(b Amount) Amount {
	sum := a + b
	switch {
	case a > 0 && b > 0 && sum < 0:
		return Max
	case a < 0 && b < 0 && sum >= 0:
		return -Max
	default:
		return sum
	}
}

// Times is so many times the amount.
func (a Amount) Times(n int64) Amount { return a.Part(n, 1) }

// Part is the amount times n divided by d, which is above 0, rounded to the nearest unit, halves away from zero.
func (a Amount) Part(n, d int64) Amount {
	negative := (a < 0) != (n < 0)
	hi, lo := bits.Mul64(magnitude(int64(a)), magnitude(n))
	lo, carry := bits.Add64(lo, uint64(d)/2, 0)
	hi += carry
	if hi >= uint64(d) {
		return signed(uint64(Max), negative)
	}
	q, _ := bits.Div64(hi, lo, uint64(d))
	return signed(min(q, uint64(Max)), negative)
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

func signed(n uint64, negative bool) Amount {
	if negative {
		return -Amount(n)
	}
	return Amount(n)
}
