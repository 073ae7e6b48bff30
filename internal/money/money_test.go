package money

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "0.000003": "0.000003", "3e-6": "0.000003", "1.50": "1.5", "-2": "-2", "0.000000000001": "0.000000000001",
		"1000000": "1000000", "9223372": "9223372", "12E2": "1200", "0.0000000000010": "0.000000000001", ".5": "0.5", "5.": "5",
	} {
		got, err := Parse(text)
		if err != nil || got.String() != want {
			t.Errorf("Parse(%q) = %v, %v, want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]error{
		"": ErrSyntax, ".": ErrSyntax, "x": ErrSyntax, "1,5": ErrSyntax, "0x1": ErrSyntax, "1e": ErrSyntax, "1e999": ErrSyntax, "--1": ErrSyntax,
		"NaN": ErrSyntax, "0.0000000000001": ErrPrecision, "9223373": ErrRange, "1e30": ErrRange,
	} {
		if got, err := Parse(text); !errors.Is(err, want) {
			t.Errorf("Parse(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestSumsStayAtTheLargest(t *testing.T) {
	if got := Max.Plus(1); got != Max {
		t.Errorf("Max + 1 = %d", got)
	}
	if got := (-Max).Plus(-Max); got != -Max {
		t.Errorf("-Max - Max = %d", got)
	}
	if got := Dollar.Times(1e10); got != Max {
		t.Errorf("10 billion dollars = %d", got)
	}
	if got := (-Dollar).Times(1e10); got != -Max {
		t.Errorf("minus 10 billion dollars = %d", got)
	}
	if got := (3 * Dollar).Plus(-Dollar); got != 2*Dollar {
		t.Errorf("3 - 1 = %v", got)
	}
}

func TestJSON(t *testing.T) {
	var a Amount
	for _, text := range []string{`0.25`, `"0.25"`} {
		if err := json.Unmarshal([]byte(text), &a); err != nil || a != Dollar/4 {
			t.Errorf("%s is %v, %v", text, a, err)
		}
	}
	if out, err := json.Marshal(a); err != nil || string(out) != "0.25" {
		t.Errorf("%s, %v", out, err)
	}
}

func FuzzPartAgreesWithBigIntegers(f *testing.F) {
	f.Add(int64(3), int64(1000), int64(7))
	f.Add(int64(-1), int64(5), int64(10))
	f.Fuzz(func(t *testing.T, a, n, d int64) {
		if d <= 0 || a == -1<<63 || n == -1<<63 {
			t.Skip("not an amount and a fraction")
		}
		product := new(big.Int).Mul(big.NewInt(a), big.NewInt(n))
		sign := product.Sign()
		product.Abs(product).Add(product, big.NewInt(d/2)).Quo(product, big.NewInt(d))
		if product.Cmp(big.NewInt(int64(Max))) > 0 {
			product.SetInt64(int64(Max))
		}
		if sign < 0 {
			product.Neg(product)
		}
		if got := Amount(a).Part(n, d); int64(got) != product.Int64() {
			t.Errorf("%d × %d / %d = %d, want %v", a, n, d, got, product)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"0.000003", "3e-6", "-1", "1e", ".", "9223372.036854775807"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := Parse(text)
		if err != nil {
			return
		}
		want, ok := new(big.Rat).SetString(strings.TrimSuffix(text, "."))
		if ok && want.Cmp(new(big.Rat).SetFrac(big.NewInt(int64(a)), big.NewInt(int64(Dollar)))) != 0 {
			t.Errorf("Parse(%q) = %v", text, a)
		}
		if again, err := Parse(a.String()); err != nil || again != a {
			t.Errorf("%q is %v, which reads as %v, %v", text, a, again, err)
		}
	})
}
