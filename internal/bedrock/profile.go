package bedrock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"outcrop/internal/llm"
	"outcrop/internal/models"
)

const (
	// lookupTimeout bounds one question to the control plane, and so how long a chat may wait for it.
	lookupTimeout = 3 * time.Second
	// lookupPause is how long a failed question is not asked again.
	lookupPause = 5 * time.Minute
	// maxLookup is how much of the control plane's answer is read, in bytes.
	maxLookup = 1 << 20
)

// lookup asks the control plane which foundation model is behind an ARN: once at a time, beside the
// requests that wait for it, and never again once it is known.
type lookup struct {
	client *Client
	to     target
	models func(body []byte) ([]string, error) // the model ARNs that an answer names
	asking chan struct{}                       // holds a token while the question is out
	last   atomic.Pointer[lookupFailure]
	done   atomic.Bool
}

type lookupFailure struct {
	err error
	at  time.Time
}

// newLookup is nil for an id that says which model it is, and for an ARN of which AWS cannot tell:
// imported models and prompt routers are plain Converse unless the operator says more.
func newLookup(c *Client, id string) *lookup {
	parts := strings.SplitN(id, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" {
		return nil
	}
	kind, name, _ := strings.Cut(parts[5], "/")
	l := &lookup{client: c, asking: make(chan struct{}, 1)}
	var path string
	switch kind {
	case "application-inference-profile":
		path, l.models = "/inference-profiles/"+escapeLabel(id), profileModels
	case "inference-profile":
		if base, _ := models.Base(id); base != "" {
			return nil
		}
		path, l.models = "/inference-profiles/"+escapeLabel(id), profileModels
	case "provisioned-model":
		path, l.models = "/provisioned-model-throughput/"+escapeLabel(id), memberModels
	case "custom-model":
		path, l.models = "/custom-models/"+escapeLabel(id), memberModels
	default:
		return nil
	}
	to, err := newTarget(c.control+path, serviceBedrock)
	if err != nil || name == "" {
		return nil
	}
	to.method = http.MethodGet
	l.to = to
	return l
}

// profileModels reads the answer of GetInferenceProfile.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetInferenceProfile.html
func profileModels(body []byte) (arns []string, err error) {
	var answer struct {
		Models []struct {
			ModelArn string `json:"modelArn"`
		} `json:"models"`
	}
	err = json.Unmarshal(body, &answer)
	for _, m := range answer.Models {
		arns = append(arns, m.ModelArn)
	}
	return arns, err
}

// memberModels reads the answer of GetProvisionedModelThroughput and of GetCustomModel.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetProvisionedModelThroughput.html
func memberModels(body []byte) ([]string, error) {
	var answer struct{ FoundationModelArn, BaseModelArn, ModelArn string }
	err := json.Unmarshal(body, &answer)
	return []string{answer.FoundationModelArn, answer.BaseModelArn, answer.ModelArn}, err
}

var errNoModel = errors.New("the answer names no foundation model")

// ask gets the base id of the model. It waits for a question that is out already, and shares the
// failure of one that was answered within lookupPause.
func (l *lookup) ask(ctx context.Context) (base string, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	resp, err := l.client.send(ctx, l.to, nil, nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", refusal(resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxLookup))
	if err != nil {
		return "", classifyNetwork(err)
	}
	arns, err := l.models(body)
	if err != nil {
		return "", err
	}
	for _, arn := range arns {
		if base, _ := models.Base(arn); base != "" && strings.HasPrefix(arn, "arn:") {
			return base, nil
		}
	}
	return "", errNoModel
}

// known is what is known of the model now. The first chat with an ARN waits until AWS has said what is
// behind it, lookupTimeout at most; without an answer the model is plain Converse.
func (m *Model) known(ctx context.Context) *view {
	if m.behind != nil && !m.behind.done.Load() {
		select {
		case <-m.resolving(ctx):
		case <-ctx.Done():
		}
	}
	return m.current.Load()
}

// Resolve finds out which model is behind an ARN, where that is not known, and says why it cannot:
// requests then are treated as those of a model that nobody knows. It waits for a few seconds at most.
func (m *Model) Resolve(ctx context.Context) error {
	if m.behind == nil {
		return nil
	}
	select {
	case <-m.resolving(ctx):
	case <-ctx.Done():
		return ended(ctx)
	}
	if f := m.behind.last.Load(); f != nil && !m.behind.done.Load() {
		return fmt.Errorf("which model is behind the ARN is not known: %w", f.err)
	}
	return nil
}

// resolving starts the question unless it is out or has just failed. The channel is closed when there
// is nothing more to wait for.
func (m *Model) resolving(ctx context.Context) <-chan struct{} {
	over := make(chan struct{})
	l := m.behind
	if f := l.last.Load(); l.done.Load() || f != nil && time.Since(f.at) < lookupPause {
		close(over)
		return over
	}
	ctx = context.WithoutCancel(ctx)
	go func() {
		defer close(over)
		l.asking <- struct{}{}
		defer func() { <-l.asking }()
		if f := l.last.Load(); l.done.Load() || f != nil && time.Since(f.at) < lookupPause {
			return
		}
		if err := m.resolve(ctx); err != nil {
			l.last.Store(&lookupFailure{err, time.Now()})
		}
	}()
	return over
}

func (m *Model) resolve(ctx context.Context) error {
	base, err := m.behind.ask(ctx)
	if err != nil {
		if e, ok := errors.AsType[*llm.Error](err); ok && e.Err != nil {
			err = e.Err // the operator's side of it
		}
		return err
	}
	v, err := m.client.view(m.id, traitsOf(m.client.catalogue, m.id, base), m.options)
	if err != nil {
		return err
	}
	m.current.Store(v)
	m.behind.done.Store(true)
	return nil
}
