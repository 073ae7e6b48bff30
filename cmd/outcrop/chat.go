package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"unicode"

	"github.com/spf13/cobra"

	"outcrop/internal/client"
	"outcrop/internal/openai"
)

const chatHelp = `Chat with a model over DIAL's API, in the terminal.

Lines are sent as they are typed and the answer streams back; the conversation is remembered.
With a prompt among the arguments, or with standard input from a pipe or a file, it answers once
and exits. --image attaches a file to the first message.

  /image PATH   attach a PNG, JPEG, GIF or WebP image to the next message
  /image        take the attached images off again
  /reset        forget the conversation
  /quit         leave; so do Ctrl-D and, when no answer is running, Ctrl-C

Ctrl-C stops a running answer. A message that begins with a slash is sent with a space before it.`

type chatOptions struct {
	url, key, system string
	images           []string // paths
}

// newChatCommand is "outcrop chat".
func newChatCommand() *cobra.Command {
	var o chatOptions
	cmd := &cobra.Command{
		Use:     "chat MODEL [PROMPT...]",
		Short:   "Chat with a model in the terminal",
		Long:    chatHelp,
		Example: "  outcrop chat nova-lite\n  outcrop chat nova-lite why is the sky blue\n  outcrop chat nova-lite < question.txt\n  outcrop chat claude-sonnet --image cat.png what is this",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("which model? Give its name, for example: outcrop chat nova-lite")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runChat(cmd, o, args[0], strings.Join(args[1:], " "))
		},
	}
	cmd.Flags().StringVar(&o.url, "url", "http://127.0.0.1:8080", "address of the server")
	cmd.Flags().StringVar(&o.key, "key", "", "API key (default: $OUTCROP_KEY, or "+demoKey+" for a server on this machine)")
	cmd.Flags().StringVar(&o.system, "system", "", "system message")
	cmd.Flags().StringArrayVar(&o.images, "image", nil, "attach the PNG, JPEG, GIF or WebP image in `PATH` to the first message (repeatable)")
	return cmd
}

func runChat(cmd *cobra.Command, o chatOptions, model, prompt string) error {
	key, err := chatKey(o)
	if err != nil {
		return err
	}
	// The root context ends with the first Ctrl-C, which here stops an answer and not the program: a
	// chat minds its own signals.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	ctx := context.WithoutCancel(cmd.Context())

	c := &chat{client: client.New(o.url, key, nil), model: model, signals: signals, out: cmd.OutOrStdout(), notes: cmd.ErrOrStderr()}
	if o.system != "" {
		c.system = []openai.Message{openai.TextMessage("system", o.system)}
	}
	for _, path := range o.images {
		part, _, err := readImage(path)
		if err != nil {
			return fmt.Errorf("--image: %w", err)
		}
		c.images = append(c.images, part)
	}
	in := cmd.InOrStdin()
	if prompt == "" && isPiped(in) {
		text, err := io.ReadAll(in)
		if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		if prompt = strings.TrimSpace(string(text)); prompt == "" {
			return errors.New("standard input holds no prompt")
		}
	}
	if prompt != "" {
		return c.ask(ctx, prompt)
	}
	return c.converse(ctx, in)
}

// chatKey chooses the key. The demo key is for a server on this machine only: elsewhere it can only
// be a mistake.
func chatKey(o chatOptions) (string, error) {
	u, err := url.Parse(o.url)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", errors.New("--url is not a server's address; expected one like http://127.0.0.1:8080")
	}
	if o.key != "" {
		return o.key, nil
	}
	if key := os.Getenv("OUTCROP_KEY"); key != "" {
		return key, nil
	}
	if u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback() {
		return demoKey, nil
	}
	return "", errors.New("no API key: set OUTCROP_KEY or give --key")
}

// isPiped reports whether input is a file or a pipe, rather than somebody who types.
func isPiped(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice == 0
}

// chat is one conversation.
type chat struct {
	client  *client.Client
	model   string
	signals <-chan os.Signal
	out     io.Writer // the answers
	notes   io.Writer // everything about them

	system  []openai.Message
	history []openai.Message
	images  []openai.Part // of the next message
	quit    bool
}

var errInterrupted = errors.New("interrupted")

// converse answers line after line, until the input ends or somebody leaves.
func (c *chat) converse(ctx context.Context, in io.Reader) error {
	fmt.Fprintf(c.notes, "Chatting with %s. /image PATH, /reset, /quit; Ctrl-C stops an answer.\n", c.model)
	done := make(chan struct{})
	defer close(done)
	lines := readLines(in, done)
	for !c.quit {
		fmt.Fprint(c.notes, "> ")
		select {
		case <-c.signals:
			fmt.Fprintln(c.notes)
			return nil
		case line, ok := <-lines:
			if !ok {
				fmt.Fprintln(c.notes)
				return nil
			}
			if line.err != nil {
				return fmt.Errorf("standard input: %w", line.err)
			}
			c.line(ctx, line.text)
		}
	}
	return nil
}

type inputLine struct {
	text string
	err  error
}

// maxTyped is the longest line that can be typed or pasted, in bytes.
const maxTyped = 1 << 20

// readLines reads in the background, because a read from a terminal cannot be interrupted.
func readLines(in io.Reader, done <-chan struct{}) <-chan inputLine {
	lines := make(chan inputLine)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(in)
		scanner.Buffer(nil, maxTyped)
		send := func(line inputLine) bool {
			select {
			case lines <- line:
				return true
			case <-done:
				return false
			}
		}
		for scanner.Scan() {
			if !send(inputLine{text: scanner.Text()}) {
				return
			}
		}
		if err := scanner.Err(); err != nil {
			send(inputLine{err: err})
		}
	}()
	return lines
}

// line does what one line asks for. A failure is shown, and the conversation goes on.
func (c *chat) line(ctx context.Context, line string) {
	if !strings.HasPrefix(line, "/") {
		if text := strings.TrimSpace(line); text != "" {
			if err := c.ask(ctx, text); err != nil {
				fmt.Fprintf(c.notes, "%s\n(%s)\n", printable(err.Error()), c.takenBack())
			}
		}
		return
	}
	command, argument, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch command {
	case "/quit", "/exit":
		c.quit = true
	case "/reset":
		c.history, c.images = nil, nil
		fmt.Fprintln(c.notes, "The conversation is forgotten.")
	case "/image":
		c.attach(strings.TrimSpace(argument))
	default:
		fmt.Fprintf(c.notes, "There is no command %s; the commands are /image PATH, /reset and /quit.\n", command)
	}
}

// takenBack says what is left of a message that failed.
func (c *chat) takenBack() string {
	switch len(c.images) {
	case 0:
		return "the message was taken back"
	case 1:
		return "the message was taken back; its image stays attached to the next one, /image takes it off"
	}
	return "the message was taken back; its images stay attached to the next one, /image takes them off"
}

// attach reads an image for the next message; without a path it takes off what is attached.
func (c *chat) attach(path string) {
	switch {
	case path == "" && len(c.images) == 0:
		fmt.Fprintln(c.notes, "/image needs the path of a file")
		return
	case path == "":
		c.images = nil
		fmt.Fprintln(c.notes, "No image is attached any more.")
		return
	}
	part, note, err := readImage(path)
	if err != nil {
		fmt.Fprintln(c.notes, printable(err.Error()))
		return
	}
	c.images = append(c.images, part)
	fmt.Fprintf(c.notes, "Attached to the next message: %s.\n", note)
}

// ask sends a message and prints the answer. When that fails, the conversation is as it was before,
// and the images stay attached.
func (c *chat) ask(ctx context.Context, text string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case s := <-c.signals:
			c.quit = s != os.Interrupt
			cancel()
		case <-ctx.Done():
		}
	}()

	message := openai.TextMessage("user", text)
	if len(c.images) > 0 {
		message = openai.PartsMessage("user", slices.Concat(c.images, []openai.Part{{Type: "text", Text: text}})...)
	}
	messages := slices.Concat(c.history, []openai.Message{message})
	answer, err := c.stream(ctx, messages)
	interrupted := ctx.Err() != nil
	cancel()
	<-watched
	switch {
	case interrupted:
		return errInterrupted
	case err != nil:
		return c.explain(context.WithoutCancel(ctx), err)
	}
	c.history = slices.Concat(messages, []openai.Message{openai.TextMessage("assistant", answer)})
	c.images = nil
	return nil
}

// stream prints an answer as it arrives and returns it.
func (c *chat) stream(ctx context.Context, messages []openai.Message) (string, error) {
	answer, reason, err := c.print(ctx, messages)
	if answer != "" {
		fmt.Fprintln(c.out)
	}
	if err == nil && reason != "stop" {
		fmt.Fprintf(c.notes, "(the answer ended early; finish_reason is %q)\n", reason)
	}
	return answer, err
}

func (c *chat) print(ctx context.Context, messages []openai.Message) (answer, reason string, err error) {
	req := &openai.Request{Model: c.model, Messages: append(c.system[:len(c.system):len(c.system)], messages...)}
	var text strings.Builder
	for chunk, err := range c.client.Chat(ctx, req) {
		if err != nil {
			return text.String(), "", err
		}
		for _, choice := range chunk.Choices {
			text.WriteString(choice.Delta.Content)
			reason += choice.FinishReason
			if _, err := io.WriteString(c.out, printable(choice.Delta.Content)); err != nil {
				return text.String(), "", fmt.Errorf("standard output: %w", err)
			}
		}
	}
	return text.String(), reason, nil
}

// printable removes what would steer the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text)
}

// explain adds to a failure what its reader can do.
func (c *chat) explain(ctx context.Context, err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w; is a server running there? outcrop serve --sandbox starts one", err)
	}
	e, ok := errors.AsType[*client.Error](err)
	if !ok {
		return err
	}
	switch e.Status {
	case http.StatusUnauthorized:
		return fmt.Errorf("%w; set OUTCROP_KEY or give --key", err)
	case http.StatusNotFound:
		models, listErr := c.client.Models(ctx)
		if listErr != nil || len(models) == 0 {
			return err
		}
		names := make([]string, len(models))
		for i, m := range models {
			names[i] = m.ID
		}
		return fmt.Errorf("%w; the models here are: %s", err, printable(strings.Join(names, ", ")))
	}
	return err
}
