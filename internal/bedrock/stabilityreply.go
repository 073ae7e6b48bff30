package bedrock

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// wholeStability reads an answer. A filtered image is a 200 with a reason.
func wholeStability(body []byte, _ http.Header) (events []llm.Event, err error) {
	s := jsonscan.New(body)
	reason := ""
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "images":
			for s.Array(); s.Element(); {
				if data := optionalString(&s); data != "" {
					events = append(events, imageOut(strings.Clone(data)))
				}
			}
		case "finish_reasons":
			for s.Array(); s.Element(); {
				if r := optionalString(&s); r != "" && reason == "" && r != "SUCCESS" {
					reason = strings.Clone(r)
				}
			}
		case "amazon-bedrock-guardrailAction":
			if optionalString(&s) == "INTERVENED" {
				reason = "Filter reason: guardrail"
			}
		default:
			s.Skip()
		}
	}
	s.End()
	switch {
	case s.Err() != nil:
		return nil, fmt.Errorf("stability answer: %w", s.Err())
	case reason != "":
		return nil, noImage(reason)
	case len(events) == 0:
		return nil, errNoAnswer
	}
	return append(events, llm.Finish{Reason: llm.FinishStop, Usage: llm.Usage{Images: len(events)}}), nil
}

// imageOut is an image of an answer. What it is its bytes say.
func imageOut(data string) llm.Event {
	b := llm.Blob{MIME: "image/png", Name: "Image", Base64: data}
	if kind := sniff(b); kind.class == classImage {
		b.MIME = "image/" + kind.format
	}
	return llm.BlobOut{Blob: b}
}

// noImage is the error of a finish_reason that is not null.
func noImage(reason string) error {
	what, filtered := strings.CutPrefix(reason, "Filter reason: ")
	if !filtered {
		return &llm.Error{Kind: llm.KindUpstream, Message: "The model failed to make the image.", Err: errors.New("stability: " + known(reason))}
	}
	message := "A filter of the model withheld the image. Change the request."
	switch what {
	case "prompt":
		message = "A filter of the model refused the prompt. Change it."
	case "output image":
		message = "A filter of the model withheld the image that it had made. Change the prompt, or try again."
	case "input image":
		message = "A filter of the model refused an image of the request. Use another."
	case "guardrail":
		message = "The deployment's guardrail refused the request or the image."
	}
	return &llm.Error{Kind: llm.KindContentFilter, Message: message, Err: errors.New("stability: " + known(reason))}
}

// known is a reason that may be logged.
func known(reason string) string {
	switch reason {
	case "Filter reason: prompt", "Filter reason: output image", "Filter reason: input image", "Filter reason: guardrail", "Inference error":
		return reason
	default:
		return "a finish_reason that is not known"
	}
}
