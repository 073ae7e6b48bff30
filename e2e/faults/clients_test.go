//go:build faults

package faults

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// leaver is how a client goes.
type leaver struct {
	name  string
	leave func(l *leaving) error
	sees  string
}

// leaving is one client's connection.
type leaving struct {
	net.Conn
	request string
}

// say sends so much of the request, all of it with less than 0.
func (l *leaving) say(n int) error {
	if n < 0 {
		n = len(l.request)
	}
	_, err := io.WriteString(l.Conn, l.request[:n])
	return err
}

// hear reads until that has come.
func (l *leaving) hear(what string) error {
	buffer, got := make([]byte, 4096), ""
	for !strings.Contains(got, what) {
		n, err := l.Read(buffer)
		if err != nil {
			return fmt.Errorf("%w, after %q", err, got)
		}
		got += string(buffer[:n])
	}
	return nil
}

func leavers() []leaver {
	return []leaver{
		{"reset within its head", func(l *leaving) error { return l.say(40) }, "nothing"},
		{"reset within its body", func(l *leaving) error { return l.say(len(l.request) - 20) }, "nothing"},
		{"gone before the answer", func(l *leaving) error {
			defer func() { <-time.After(200 * time.Millisecond) }()
			return l.say(-1)
		}, "nothing"},
		{"gone within the answer", func(l *leaving) error {
			if err := l.say(-1); err != nil {
				return err
			}
			return l.hear("delta")
		}, "what it has read"},
		{"reads nothing, and goes after a second", func(l *leaving) error {
			if err := l.say(-1); err != nil {
				return err
			}
			<-time.After(time.Second)
			return nil
		}, "nothing"},
	}
}

// TestClients: clients go, of every kind of request: nothing is left of them, upstreams are let go, and what they used
// is accounted.
func TestClients(t *testing.T) {
	l := &lab{t: t, bedrock: newBedrock(t), client: newClient(), data: t.TempDir()}
	l.clear = serve(t, l.bedrock, nil).Listener.Addr().String()
	models, wires := object{}, map[string]*wire{}
	for i := range leavers() {
		for _, k := range kinds() {
			name := fmt.Sprintf("%s-%d", strings.ReplaceAll(string(k), " ", "-"), i)
			pace := 20 * time.Millisecond
			if !k.streams() {
				pace = 150 * time.Millisecond // these answers are shorter
			}
			wires[name] = newWire(t, l.clear, &breakage{pace: pace, stretch: 1000})
			m := l.model(k, "http://"+wires[name].address)
			m["timeouts"] = object{"total": "1m"} // what nobody waits for is read to its end
			models[name] = m
		}
	}
	models["well"] = l.model(chat, "http://"+l.clear)
	p := start(t, setup{configuration: configured(models), args: []string{"--data-dir", l.data}})
	before := p.held(t)
	sees := map[string]string{}
	for i, how := range leavers() {
		for _, k := range kinds() {
			name := fmt.Sprintf("%s-%d", strings.ReplaceAll(string(k), " ", "-"), i)
			if how.name == "gone within the answer" && !k.streams() {
				continue
			}
			sees[name] = how.sees
			if err := leave(t, p, k, name, how); err != nil {
				t.Errorf("%s, %s: %v", how.name, k, err)
			}
			p.health(t)
			if s, err := chat.send(t.Context(), l.client, p.url, "well"); err != nil || !s.whole() {
				t.Errorf("a clean request afterwards: %v: %s", err, s)
			}
		}
	}
	until(t, "nothing in flight", func() bool { return p.metrics(t).of(t, "outcrop_requests_in_flight") == 0 })
	for _, w := range wires {
		w.close()
	}
	until(t, fmt.Sprintf("no more than %+v held", before), func() bool {
		now := p.held(t)
		return held{now.goroutines - 2, now.descriptors - 1}.within(before) // the connection to the upstream that is well
	})
	p.stop(t)
	checkRecords(t, "clients", clientRecords(ledger(t, "--data-dir", l.data), sees))
}

// leave does it, and resets the connection.
func leave(t *testing.T, p *program, k kind, model string, how leaver) error {
	r, err := k.ask(t.Context(), p.url, model)
	if err != nil {
		return err
	}
	var text strings.Builder
	if err := r.Write(&text); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		return err
	}
	defer (&end{TCPConn: conn.(*net.TCPConn)}).rst()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	return how.leave(&leaving{conn, text.String()})
}

// clientRecords are the lines of the table: kinds of which the same is accounted share one.
func clientRecords(rows map[string]row, sees map[string]string) (records []record) {
	for i, how := range leavers() {
		var order []string
		same := map[string][]string{}
		for _, k := range kinds() {
			name := fmt.Sprintf("%s-%d", strings.ReplaceAll(string(k), " ", "-"), i)
			if sees[name] == "" {
				continue
			}
			text := "nothing"
			if r := rows[name]; r.Requests > 0 {
				text = r.String()
			}
			if same[text] == nil {
				order = append(order, text)
			}
			same[text] = append(same[text], string(k))
		}
		for _, text := range order {
			records = append(records, record{"the client: " + how.name, strings.Join(same[text], ", "), how.sees, text})
		}
	}
	return records
}
