package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"outcrop/internal/client"
	"outcrop/internal/llm"
	"outcrop/internal/openai"
)

// echoServer speaks the wire. It answers with a list of the messages that it was sent, or as the
// last one says.
func echoServer(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /openai/models", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":[{"id":"echo"},{"id":"other"}]}`)
	})
	mux.HandleFunc("POST /openai/deployments/{name}/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Api-Key") != demoKey:
			openai.WriteError(w, &llm.Error{Kind: llm.KindUnauthenticated, Message: "Unknown api key."})
			return
		case r.PathValue("name") != "echo":
			openai.WriteError(w, &llm.Error{Kind: llm.KindNotFound, Message: "No such model."})
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		req, _, err := openai.DecodeChat(body)
		if err != nil {
			openai.WriteError(w, err)
			return
		}
		_ = openai.WriteStream(w, echo(r.Context(), req), openai.Envelope{ID: "1", Model: "echo"})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func echo(ctx context.Context, req *llm.ChatRequest) func(func(llm.Event, error) bool) {
	return func(yield func(llm.Event, error) bool) {
		last := ""
		for _, m := range req.Messages {
			text := m.Role.String() + ":"
			for _, part := range m.Parts {
				switch p := part.(type) {
				case llm.Text:
					last = p.Text
					text += " " + last
				case llm.Blob:
					text += " <" + p.MIME + ">"
				}
			}
			if !yield(&llm.TextDelta{Text: text + ";"}, nil) || !yield(llm.Pause{}, nil) {
				return
			}
		}
		finish := llm.Finish{Reason: llm.FinishStop}
		switch last {
		case "fail":
			yield(nil, &llm.Error{Kind: llm.KindUpstream, Message: "The upstream broke off."})
			return
		case "hang":
			<-ctx.Done()
			return
		case "long":
			finish.Reason = llm.FinishLength
		case "escape":
			yield(&llm.TextDelta{Text: "\x1b[2J\u009b2J\aok"}, nil)
		}
		yield(finish, nil)
	}
}

// chatWith runs the command and returns what it printed.
func chatWith(t *testing.T, in io.Reader, args ...string) (out, notes string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := newChatCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetIn(in)
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	err = cmd.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}

func TestChatAnswersOnce(t *testing.T) {
	t.Setenv("OUTCROP_KEY", "")
	server := echoServer(t)
	out, notes, err := chatWith(t, strings.NewReader(""), "echo", "--url", server.URL, "--system", "Be brief.", "Hello", "there")
	if err != nil || notes != "" || out != "system: Be brief.;user: Hello there;\n" {
		t.Errorf("got %q, %q, %v", out, notes, err)
	}
	out, notes, err = chatWith(t, strings.NewReader(""), "echo", "--url", server.URL, "long")
	if err != nil || out != "user: long;\n" || !strings.Contains(notes, `finish_reason is "length"`) {
		t.Errorf("got %q, %q, %v", out, notes, err)
	}
}

// pipe is a standard input that holds the text.
func pipe(t *testing.T, text string) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return r
}

func TestChatAnswersAPipeOnce(t *testing.T) {
	t.Setenv("OUTCROP_KEY", demoKey)
	server := echoServer(t)
	out, _, err := chatWith(t, pipe(t, "two\nlines\n"), "echo", "--url", server.URL)
	if err != nil || out != "user: two\nlines;\n" {
		t.Errorf("got %q, %v", out, err)
	}
	if _, _, err := chatWith(t, pipe(t, " \n"), "echo", "--url", server.URL); err == nil {
		t.Error("an empty pipe was taken for a prompt")
	}
}

func TestChatKeepsTheConversation(t *testing.T) {
	t.Setenv("OUTCROP_KEY", demoKey)
	server := echoServer(t)
	dir := t.TempDir()
	image := writePNG(t, dir, "a cat.txt")
	text := filepath.Join(dir, "b.png")
	if err := os.WriteFile(text, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	in := strings.Join([]string{
		"one", "", "fail", "two", "/reset", "/image " + image, "look", "/image " + text, "/image", "/nothing", " /escape", "escape", "/quit", "never",
	}, "\n")
	out, notes, err := chatWith(t, strings.NewReader(in), "echo", "--url", server.URL)
	if err != nil {
		t.Fatal(err)
	}
	wantOut := []string{
		"user: one;",
		"user: one;assistant: user: one;;user: fail;",
		"user: one;assistant: user: one;;user: two;",
		"user: <image/png> look;",
		"user: <image/png> look;assistant: user: <image/png> look;;user: /escape;",
	}
	if !strings.HasPrefix(out, strings.Join(wantOut, "\n")+"\n") || !strings.HasSuffix(out, "user: escape;[2J2Jok\n") || strings.Contains(out, "never") {
		t.Errorf("got %s", out)
	}
	for _, want := range []string{
		"The upstream broke off.\n(the message was taken back)", "The conversation is forgotten.", "Attached to the next message: image/png, 12 bytes.",
		"b.png is not a PNG, JPEG, GIF or WebP image, but text/plain", "/image needs the path", "There is no command /nothing",
	} {
		if !strings.Contains(notes, want) {
			t.Errorf("no %q in\n%s", want, notes)
		}
	}
}

// writePNG makes a file that begins like a PNG of 12 bytes, and returns its path.
func writePNG(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("\x89PNG\r\n\x1a\n0000"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAFailedMessageKeepsItsImages, until they are sent or taken off.
func TestAFailedMessageKeepsItsImages(t *testing.T) {
	t.Setenv("OUTCROP_KEY", demoKey)
	home := t.TempDir()
	t.Setenv("HOME", home)
	writePNG(t, home, "x.png")
	in := strings.Join([]string{
		"/image ~/x.png", "fail", "one", "after", "/reset",
		"/image ~/x.png", "/image ~/x.png", "fail", "two", "/reset",
		"/image ~/x.png", "fail", "/image", "three", "/image", "/image ~/y.png",
	}, "\n")
	out, notes, err := chatWith(t, strings.NewReader(in), "echo", "--url", echoServer(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	wantOut := []string{
		"user: <image/png> fail;",
		"user: <image/png> one;",
		"user: <image/png> one;assistant: user: <image/png> one;;user: after;",
		"user: <image/png> <image/png> fail;",
		"user: <image/png> <image/png> two;",
		"user: <image/png> fail;",
		"user: three;",
	}
	if out != strings.Join(wantOut, "\n")+"\n" {
		t.Errorf("got %s", out)
	}
	rest := notes
	for _, want := range []string{
		"(the message was taken back; its image stays attached to the next one, /image takes it off)",
		"(the message was taken back; its images stay attached to the next one, /image takes them off)",
		"No image is attached any more.", "/image needs the path", filepath.Join(home, "y.png") + ": no such file",
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("no %q in order in\n%s", want, notes)
		}
		rest = after
	}
}

func TestChatAttachesTheImagesOfItsArguments(t *testing.T) {
	t.Setenv("OUTCROP_KEY", demoKey)
	home := t.TempDir()
	t.Setenv("HOME", home)
	url := echoServer(t).URL
	image := writePNG(t, home, "x.png")
	flags := []string{"echo", "--url", url, "--image", image, "--image=~/x.png"}
	tests := []struct {
		name, out string
		in        io.Reader
		args      []string
	}{
		{"with a prompt", "user: <image/png> <image/png> look here;\n", strings.NewReader(""), append(flags, "look", "here")},
		{"with a pipe", "user: <image/png> <image/png> look;\n", pipe(t, "look"), flags},
		{"with a conversation", "user: <image/png> <image/png> look;\nuser: <image/png> <image/png> look;assistant: user: <image/png> <image/png> look;;user: on;\n", strings.NewReader("look\non\n"), flags},
	}
	for _, tt := range tests {
		out, _, err := chatWith(t, tt.in, tt.args...)
		if err != nil || out != tt.out {
			t.Errorf("%s: %q, %v", tt.name, out, err)
		}
	}
}

func TestChatErrorsSayWhatToDo(t *testing.T) {
	server := echoServer(t)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	tests := []struct {
		name, want string
		args       []string
	}{
		{"unknown model", "No such model.; the models here are: echo, other", []string{"nope", "--url", server.URL, "--key", demoKey, "hi"}},
		{"wrong key", "set OUTCROP_KEY or give --key", []string{"echo", "--url", server.URL, "--key", "wrong", "hi"}},
		{"no server", "outcrop serve --sandbox starts one", []string{"echo", "--url", closed.URL, "hi"}},
		{"no key for a distant server", "no API key", []string{"echo", "--url", "https://dial.example.com", "hi"}},
		{"no URL", "expected one like", []string{"echo", "--url", "localhost:8080", "hi"}},
		{"no model", "which model? Give its name, for example: outcrop chat nova-lite", nil},
		{"no image", "--image: open /nonexistent.png", []string{"echo", "--url", server.URL, "--key", demoKey, "--image", "/nonexistent.png", "hi"}},
		{"an empty image", "--image: open : no such file", []string{"echo", "--url", server.URL, "--key", demoKey, "--image", "", "hi"}},
	}
	t.Setenv("OUTCROP_KEY", "")
	for _, tt := range tests {
		_, _, err := chatWith(t, strings.NewReader(""), tt.args...)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v", tt.name, err)
		}
		if err != nil && strings.Contains(err.Error(), "wrong") {
			t.Errorf("%s: the key is in %v", tt.name, err)
		}
	}
}

func TestChatKey(t *testing.T) {
	tests := []struct {
		url, flag, env, want string
	}{
		{"http://127.0.0.1:8080", "", "", demoKey},
		{"http://localhost:1", "", "", demoKey},
		{"http://[::1]:1", "", "", demoKey},
		{"http://127.0.0.1:8080", "", "e", "e"},
		{"https://example.com", "f", "e", "f"},
		{"https://localhost.example.com", "", "", ""},
		{"http://10.0.0.1", "", "", ""},
	}
	for _, tt := range tests {
		t.Setenv("OUTCROP_KEY", tt.env)
		got, err := chatKey(chatOptions{url: tt.url, key: tt.flag})
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%+v: got %q, %v", tt, got, err)
		}
	}
}

// interruptible is a conversation whose terminal sends a signal once an answer has begun.
func interruptible(t *testing.T, s os.Signal) (c *chat, out, notes *bytes.Buffer) {
	t.Helper()
	server := echoServer(t)
	signals := make(chan os.Signal, 1)
	out, notes = &bytes.Buffer{}, &bytes.Buffer{}
	c = &chat{client: client.New(server.URL, demoKey, server.Client()), model: "echo", signals: signals, notes: notes}
	c.out = writerFunc(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte("hang")) {
			signals <- s
		}
		return out.Write(b)
	})
	return c, out, notes
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestInterruptStopsTheAnswerFirst(t *testing.T) {
	c, out, notes := interruptible(t, os.Interrupt)
	if err := c.converse(t.Context(), strings.NewReader("hang\nafter\n")); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "user: hang;\nuser: after;\n" {
		t.Errorf("got %q", got)
	}
	if !strings.Contains(notes.String(), "interrupted\n(the message was taken back)") {
		t.Errorf("got %q", notes)
	}
}

func TestTerminationEndsTheChat(t *testing.T) {
	c, out, _ := interruptible(t, syscall.SIGTERM)
	if err := c.converse(t.Context(), strings.NewReader("hang\nafter\n")); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "user: hang;\n" {
		t.Errorf("got %q", got)
	}
}

func TestInterruptAtThePromptLeaves(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signals <- os.Interrupt
	var notes bytes.Buffer
	c := &chat{signals: signals, notes: &notes}
	r, w := io.Pipe() // nobody types
	defer func() { _ = w.Close() }()
	if err := c.converse(t.Context(), r); err != nil || !strings.HasSuffix(notes.String(), "> \n") {
		t.Errorf("got %q, %v", notes.String(), err)
	}
}

func TestALineMayBeTooLong(t *testing.T) {
	c := &chat{notes: io.Discard}
	err := c.converse(t.Context(), strings.NewReader(strings.Repeat("x", maxTyped+1)))
	if err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("got %v", err)
	}
	if got := fmt.Sprint(err); len(got) > 200 {
		t.Error("the line is in the error")
	}
}
