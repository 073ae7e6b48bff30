package limit

import (
	"encoding/binary"
	"time"

	"outcrop/internal/money"
)

// The kinds of records in a Disk's journal.
const (
	recordOpen   = 'o'
	recordSettle = 's'
)

// ticketRecord is a ticket that is open.
type ticketRecord struct {
	id      string
	account Account
	moment  Moment // of the admission; its windows' ends are not kept
	loose   bool
	need    Amounts
	note    []byte
}

func ticketOf(a *Admission) ticketRecord {
	return ticketRecord{a.Ticket, a.Account, a.Moment, a.Loose, a.Need, a.Note}
}

// reserved is what the ticket holds of its caller's limits.
func (t *ticketRecord) reserved() Amounts {
	if t.loose {
		return Amounts{}
	}
	return Amounts{Tokens: t.need.Tokens, Cost: t.need.Cost}
}

// lost is the settlement of a ticket whose process was killed: what it needed counts as used.
func (t *ticketRecord) lost(mark func([]byte) []byte) Settlement {
	s := Settlement{Account: t.account, Ticket: t.id, Moment: t.moment, Reserved: t.reserved(), Spent: Amounts{Tokens: t.need.Tokens, Cost: t.need.Cost}}
	if len(t.note) > 0 {
		s.Note = mark(t.note)
	}
	return s
}

// record is one of a journal.
type record struct {
	kind       byte
	ticket     ticketRecord // of an open one
	settlement Settlement   // else
}

func appendOpen(dst []byte, t *ticketRecord) []byte {
	dst = append(dst, recordOpen)
	dst = appendTexts(dst, t.id, t.account.Caller, t.account.Deployment)
	dst = appendMoment(dst, &t.moment)
	loose := int64(0)
	if t.loose {
		loose = 1
	}
	dst = appendNumbers(dst, loose, t.need.Tokens, t.need.Requests, int64(t.need.Cost))
	return append(dst, t.note...)
}

func appendSettlement(dst []byte, s *Settlement) []byte {
	dst = append(dst, recordSettle)
	dst = appendTexts(dst, s.Ticket, s.Caller, s.Deployment)
	dst = appendMoment(dst, &s.Moment)
	dst = appendNumbers(dst, s.Reserved.Tokens, int64(s.Reserved.Cost), s.Spent.Tokens, s.Spent.Requests, int64(s.Spent.Cost))
	return append(dst, s.Note...)
}

func appendTexts(dst []byte, texts ...string) []byte {
	for _, text := range texts {
		dst = binary.AppendUvarint(dst, uint64(len(text)))
		dst = append(dst, text...)
	}
	return dst
}

func appendNumbers(dst []byte, numbers ...int64) []byte {
	for _, n := range numbers {
		dst = binary.AppendVarint(dst, n)
	}
	return dst
}

func appendMoment(dst []byte, m *Moment) []byte {
	return appendNumbers(dst, m.Now.UnixNano(), m.Start[Day].UnixMilli(), m.Start[Week].UnixMilli(), m.Start[Month].UnixMilli())
}

// readRecord reads what the two wrote.
func readRecord(data []byte) (r record, ok bool) {
	if len(data) == 0 {
		return r, false
	}
	d := decoder{rest: data[1:]}
	r.kind = data[0]
	id, account := d.text(), Account{d.text(), d.text()}
	m := Moment{Now: time.Unix(0, d.number())}
	for w := Day; w <= Month; w++ {
		m.Start[w] = time.UnixMilli(d.number())
	}
	switch r.kind {
	case recordOpen:
		r.ticket = ticketRecord{id: id, account: account, moment: m, loose: d.number() != 0}
		r.ticket.need = Amounts{d.number(), d.number(), money.Amount(d.number())}
		r.ticket.note = d.rest
	case recordSettle:
		r.settlement = Settlement{Account: account, Ticket: id, Moment: m}
		r.settlement.Reserved = Amounts{Tokens: d.number(), Cost: money.Amount(d.number())}
		r.settlement.Spent = Amounts{d.number(), d.number(), money.Amount(d.number())}
		r.settlement.Note = d.rest
	default:
		return r, false
	}
	return r, !d.bad
}

// noteOf is the note of a record; none of a ticket's, which is not settled.
func noteOf(data []byte) []byte {
	r, ok := readRecord(data)
	if !ok || r.kind != recordSettle {
		return nil
	}
	return r.settlement.Note
}

// decoder reads a record's values; bad is set once one is not there.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) number() int64 {
	n, size := binary.Varint(d.rest)
	if size <= 0 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) text() string {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 || n > uint64(len(d.rest)-size) {
		d.bad, d.rest = true, nil
		return ""
	}
	text := string(d.rest[size : size+int(n)])
	d.rest = d.rest[size+int(n):]
	return text
}
