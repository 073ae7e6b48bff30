package redis_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"outcrop/internal/limit"
	"outcrop/internal/money"
	"outcrop/internal/redis"
	"outcrop/internal/redis/redistest"
)

// BenchmarkLimits is a request's admission and settlement; cpu-µs/op is this process's time on the processors.
func BenchmarkLimits(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(strconv.Itoa(callers)+"callers", func(b *testing.B) {
			server := redistest.Start(b, "--appendonly", "no")
			client := open(b, redis.Options{URL: server.URL(), Timeout: 5 * time.Second})
			l := redis.NewLimits(client, redis.LimitsOptions{})
			limits := limit.None()
			limits.Tokens[limit.Minute], limits.Cost[limit.Month] = 1<<60, money.Max-1
			note := make([]byte, 400)
			var next atomic.Int64
			b.SetParallelism(max(1, callers/2))
			b.ReportAllocs()
			before := cpu()
			b.ResetTimer()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					n := next.Add(1)
					account := limit.Account{Caller: "caller " + strconv.FormatInt(n%100, 10), Deployment: "claude"}
					at := moment(time.Now())
					a := limit.Admission{
						Account: account, Ticket: strconv.FormatInt(n, 36), Moment: at, Limits: limits,
						Need: limit.Amounts{Tokens: 1000, Requests: 1, Cost: money.Dollar}, Concurrent: 1000, Note: note,
					}
					if v, err := l.Admit(b.Context(), &a); err != nil || !v.Admitted {
						b.Error(v, err)
					}
					l.Settle(&limit.Settlement{Account: account, Ticket: a.Ticket, Moment: at, Reserved: a.Need, Spent: a.Need, Note: note})
				}
			})
			if err := l.Close(context.Background()); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// cpu is what this process has used of the processors.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
