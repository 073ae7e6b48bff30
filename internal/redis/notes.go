package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"outcrop/internal/journal"
)

// Notes is the outbox of all replicas: what their settlements wrote down. Any replica may read it.
type Notes struct{ client *Client }

// NewNotes returns the outbox of the client's server and prefix.
func NewNotes(c *Client) *Notes { return &Notes{c} }

// blockFor is how long one question waits for a note.
const blockFor = 2 * time.Second

func (c *Client) notesKey() string { return c.base + "notes" }

// ID is journal.Outbox's: the same for all replicas.
func (n *Notes) ID() string { return "redis:" + n.client.base }

// Read is journal.Outbox's. It waits on a connection of its own.
func (n *Notes) Read(ctx context.Context, after string, most int) ([]journal.Note, error) {
	if after == "" {
		after = "0-0"
	} else if _, _, err := place(after); err != nil {
		return nil, err
	}
	for ctx.Err() == nil {
		notes, err := n.read(ctx, after, most)
		switch {
		case over(ctx) && len(notes) == 0:
			return nil, nil
		case err != nil || len(notes) > 0:
			return notes, err
		}
	}
	return nil, nil
}

// read waits for a while.
func (n *Notes) read(ctx context.Context, after string, most int) ([]journal.Note, error) {
	c := n.client
	if err := c.Err(); err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, blockFor+max(c.timeout, time.Second))
	defer cancel()
	block := blockFor
	if end, ok := ctx.Deadline(); ok {
		// An answer before the end leaves the connection in use.
		block = max(time.Millisecond, min(block, time.Until(end)-20*time.Millisecond))
	}
	r := c.redis.Do(bounded, c.redis.B().Xread().Count(int64(most)).Block(block.Milliseconds()).Streams().Key(c.notesKey()).Id(after).Build())
	if rueidis.IsRedisNil(r.Error()) {
		return nil, nil
	}
	if err := c.judge(ctx, r.Error()); err != nil {
		return nil, err
	}
	streams, err := r.AsXRead()
	if err != nil {
		return nil, err
	}
	entries := streams[c.notesKey()]
	notes := make([]journal.Note, len(entries))
	for i, e := range entries {
		notes[i] = journal.Note{Position: e.ID, Data: []byte(e.FieldValues["n"])}
	}
	return notes, nil
}

// Trim is journal.Outbox's.
func (n *Notes) Trim(ctx context.Context, upTo string) error {
	ms, seq, err := place(upTo)
	if err != nil {
		return err
	}
	next := fmt.Sprintf("%d-%d", ms, seq+1)
	if seq+1 == 0 {
		next = fmt.Sprintf("%d-0", ms+1)
	}
	_, err = n.client.do(ctx, n.client.redis.B().Xtrim().Key(n.client.notesKey()).Minid().Threshold(next).Build())
	return err
}

// place takes a position apart: milliseconds and a number among those of the same one.
func place(position string) (ms, seq uint64, err error) {
	before, after, ok := strings.Cut(position, "-")
	if ms, err = strconv.ParseUint(before, 10, 64); err == nil && ok {
		seq, err = strconv.ParseUint(after, 10, 64)
	}
	if err != nil || !ok {
		return 0, 0, errors.New("redis: this is no position of a note: " + strconv.Quote(position))
	}
	return ms, seq, nil
}
