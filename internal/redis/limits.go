package redis

import (
	"context"
	"crypto/rand"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"outcrop/internal/limit"
)

//go:embed common.lua
var commonLua string

//go:embed admit.lua
var admitLua string

//go:embed settle.lua
var settleLua string

//go:embed read.lua
var readLua string

// LimitsOptions make a store of limits.
type LimitsOptions struct {
	// Lost marks the note of a ticket whose process was killed; nil leaves it as it is.
	Lost func(note []byte) []byte
	// Unnoted keeps no notes: nobody reads them, and Redis would have more and more of them.
	Unnoted bool
	// Queue is how many settlements, and QueueBytes about how many bytes of them, are kept while Redis is away;
	// 0 is DefaultQueue, DefaultQueueBytes.
	Queue      int
	QueueBytes int64
	// Heartbeat is how often the process says that it lives. After three times that without one, and three times
	// more in which Redis answered, others settle its tickets. 0 is DefaultHeartbeat.
	Heartbeat time.Duration
}

// Defaults of LimitsOptions.
const (
	DefaultQueue      = 200_000
	DefaultQueueBytes = 256 << 20
	DefaultHeartbeat  = 5 * time.Second
)

// Limits is a limit.Store that replicas share. It asks once to admit, and once to settle, together with whatever
// else there is to settle.
type Limits struct {
	client              *Client
	admit, settle, read script
	replica             string
	tickets             string // the key of this replica's
	options             LimitsOptions
	queue               queue
	leave               context.CancelFunc // ends the work in the background
	work                sync.WaitGroup
	replicas            atomic.Int32
	unsure              unsure
	// failing is the number of a settlement that Redis had an error for, failures how often: flush's alone.
	failing, failures int64
}

// NewLimits returns a store over the client, which stays the caller's to close, after it.
func NewLimits(c *Client, o LimitsOptions) *Limits {
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	if o.QueueBytes <= 0 {
		o.QueueBytes = DefaultQueueBytes
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = DefaultHeartbeat
	}
	l := &Limits{
		client: c, options: o, replica: rand.Text(),
		admit: newScript(commonLua + admitLua), settle: newScript(commonLua + settleLua), read: newScript(commonLua + readLua),
	}
	l.tickets = l.ticketsOf(l.replica)
	l.queue.init(o)
	living, leave := context.WithCancel(context.Background())
	l.leave = leave
	l.begin(living)
	l.work.Go(func() { l.flush(living) })
	l.work.Go(func() { l.live(living) })
	return l
}

// Admit is limit.Store's.
func (l *Limits) Admit(ctx context.Context, a *limit.Admission) (limit.Verdict, error) {
	if err := l.client.Err(); err != nil {
		return limit.Verdict{}, err
	}
	var record []byte
	if a.Ticket != "" {
		if l.options.Unnoted && a.Note != nil {
			bare := *a
			bare.Note, a = nil, &bare
		}
		record = appendRecord(make([]byte, 0, 192+len(a.Note)), a)
	}
	numbers := appendAdmission(make([]byte, 0, 256), a)
	r, err := l.client.script(ctx, &l.admit, []string{l.accountKey(a.Account), l.callerKey(a.Caller), l.tickets},
		[]string{rueidis.BinaryString(numbers), a.Ticket, rueidis.BinaryString(record)})
	if err != nil {
		var d *Down
		if a.Ticket != "" && (!errors.As(err, &d) || !d.refused) {
			l.doubt(a)
		}
		return limit.Verdict{}, err
	}
	answer, err := r.ToString()
	if err != nil {
		return limit.Verdict{}, err
	}
	v, ok := verdict(answer, a)
	if !ok {
		return limit.Verdict{}, fmt.Errorf("redis: an admission was answered %q", answer)
	}
	return v, nil
}

// Read is limit.Store's.
func (l *Limits) Read(ctx context.Context, at limit.Moment, accounts []limit.Account) ([]limit.Used, error) {
	if len(accounts) == 0 {
		return nil, nil
	}
	keys := make([]string, 0, 2*len(accounts))
	for _, a := range accounts {
		keys = append(keys, l.accountKey(a), l.callerKey(a.Caller))
	}
	r, err := l.client.script(ctx, &l.read, keys, []string{string(appendWord(appendMoment(nil, &at), lifetime(&at)))})
	if err != nil {
		return nil, err
	}
	answers, err := r.AsStrSlice()
	if err != nil {
		return nil, err
	}
	used := make([]limit.Used, len(accounts))
	for i := range used {
		if i >= len(answers) || !readUsed(&answers[i], &used[i]) {
			return nil, fmt.Errorf("redis: a reading was answered %q", answers)
		}
	}
	return used, nil
}

// Replicas is how many processes share the limits now, this one among them, as far as Redis told last.
func (l *Limits) Replicas() int { return int(l.replicas.Load()) }

func (l *Limits) accountKey(a limit.Account) string {
	return l.client.base + "a:" + a.Caller + "\x00" + a.Deployment
}

func (l *Limits) callerKey(caller string) string { return l.client.base + "c:" + caller }

func (l *Limits) ticketsOf(replica string) string { return l.client.base + "t:" + replica }

func (l *Limits) lostOf(replica string) string { return l.client.base + "lost:" + replica }

func (l *Limits) aliveOf(replica string) string { return l.client.base + "alive:" + replica }
