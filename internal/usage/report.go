package usage

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"outcrop/internal/money"
)

// Report is what was used and what it cost.
type Report struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"` // not part of it
	By   []Group   `json:"group_by"`
	Rows []Row     `json:"rows"`
	// Total is of all rows, also of those that are left out for their number, which More says.
	Total Row  `json:"total"`
	More  bool `json:"more"`
}

// Row is the sum of requests that have the same keys. Tokens that were read from the cache, or written to it, are not
// among the input's.
type Row struct {
	// Keys are the values of the report's groups in their order: 2026-11, 2026-11-23, 2026-11-23T08:00:00Z, a name. Of
	// the total there are none.
	Keys []string `json:"keys,omitempty"`

	Requests int64 `json:"requests"`
	// Errors are those that failed, but for Limited, which this server refused for a limit, and Canceled, whose
	// client went away. Throttled are those that an upstream refused for its rate, Lost those whose process was killed: what
	// they may have used counts as used.
	Errors    int64 `json:"errors"`
	Limited   int64 `json:"limited"`
	Canceled  int64 `json:"canceled"`
	Throttled int64 `json:"throttled"`
	Lost      int64 `json:"lost"`
	// Unpriced are those that used something whose price is not known: Cost is without them.
	Unpriced int64 `json:"unpriced"`

	Input        int64 `json:"input_tokens"`
	Output       int64 `json:"output_tokens"`
	CacheRead    int64 `json:"cache_read_tokens"`
	CacheWrite   int64 `json:"cache_write_tokens"`
	CacheWrite1h int64 `json:"cache_write_1h_tokens"` // part of CacheWrite
	Reasoning    int64 `json:"reasoning_tokens"`      // part of Output
	Images       int64 `json:"images"`
	Queries      int64 `json:"queries"`

	Cost Money `json:"cost"`
	// Saved is what the prompt cache saved; negative when writing it cost more.
	Saved Money `json:"saved"`
	// CachedShare is the part of the prompts' tokens that was read from the cache, 0 to 1.
	CachedShare float64 `json:"cached_share"`
	Latency     Latency `json:"latency"`
}

// Latency is how long requests took that ended well, in milliseconds. The percentiles are estimates from Bounds.
type Latency struct {
	Average    float64 `json:"average_ms"`
	P50        float64 `json:"p50_ms"`
	P95        float64 `json:"p95_ms"`
	FirstToken float64 `json:"first_token_ms"` // of streams, on average
	Own        float64 `json:"overhead_ms"`    // of it this server's, on average
}

// Money is a sum of amounts, which may be beyond what an Amount can be: so many micro-dollars and 10⁻¹² dollars.
type Money struct{ Micros, Picos int64 }

const picosOfMicro = 1_000_000

// MoneyOf is an amount as a sum.
func MoneyOf(a money.Amount) Money { return Money{int64(a) / picosOfMicro, int64(a) % picosOfMicro} }

// String is the sum as a decimal number of dollars, exact, without needless zeros.
func (m Money) String() string {
	m.Micros, m.Picos = m.Micros+m.Picos/picosOfMicro, m.Picos%picosOfMicro
	switch {
	case m.Micros > 0 && m.Picos < 0:
		m.Micros, m.Picos = m.Micros-1, m.Picos+picosOfMicro
	case m.Micros < 0 && m.Picos > 0:
		m.Micros, m.Picos = m.Micros+1, m.Picos-picosOfMicro
	}
	sign := ""
	if m.Micros < 0 || m.Picos < 0 {
		sign, m.Micros, m.Picos = "-", -m.Micros, -m.Picos
	}
	whole := strconv.FormatUint(uint64(m.Micros)/1_000_000, 10)
	fraction := strings.TrimRight(fmt.Sprintf("%06d%06d", uint64(m.Micros)%1_000_000, m.Picos), "0")
	if fraction == "" {
		return sign + whole
	}
	return sign + whole + "." + fraction
}

// MarshalText implements encoding.TextMarshaler: in JSON it is a string.
func (m Money) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Money) UnmarshalText(text []byte) error {
	whole, fraction, _ := strings.Cut(string(text), ".")
	switch {
	case whole == "":
		return money.ErrSyntax
	case len(fraction) > 12:
		return money.ErrPrecision
	}
	fraction += strings.Repeat("0", 12-len(fraction))
	micros, err := strconv.ParseInt(whole+fraction[:6], 10, 64)
	if err != nil {
		return money.ErrSyntax
	}
	picos, err := strconv.ParseInt(fraction[6:], 10, 64)
	if err != nil || picos < 0 {
		return money.ErrSyntax
	}
	if strings.HasPrefix(whole, "-") {
		picos = -picos
	}
	*m = Money{micros, picos}
	return nil
}

// LatencyBounds is how many bounds there are of latencies.
const LatencyBounds = 19

// Bounds of the latencies that a ledger tells apart; what is above the last is one more.
func Bounds() [LatencyBounds]time.Duration {
	const ms, s = time.Millisecond, time.Second
	return [LatencyBounds]time.Duration{
		50 * ms, 100 * ms, 200 * ms, 300 * ms, 500 * ms, 750 * ms, 1 * s, 1500 * ms, 2 * s, 3 * s, 5 * s, 7500 * ms, 10 * s, 15 * s,
		20 * s, 30 * s, 60 * s, 120 * s, 300 * s,
	}
}

// Bucket is the place of a latency among the bounds: 0 to LatencyBounds.
func Bucket(d time.Duration) int {
	for i, bound := range Bounds() {
		if d <= bound {
			return i
		}
	}
	return LatencyBounds
}

// Percentile is an estimate, in milliseconds, of what so many of a hundred latencies do not exceed: within a bucket they are
// taken to be spread evenly, and above the last bound to be that. 0 is of none.
func Percentile(buckets [LatencyBounds + 1]int64, hundredths float64) float64 {
	all := int64(0)
	for _, n := range buckets {
		all += n
	}
	rank, below, from := float64(all)*hundredths/100, 0.0, 0.0
	for i, bound := range Bounds() {
		to, n := float64(bound.Microseconds())/1000, float64(buckets[i])
		if n > 0 && below+n >= rank {
			return from + (to-from)*(rank-below)/n
		}
		below, from = below+n, to
	}
	if all == 0 {
		return 0
	}
	return from
}
