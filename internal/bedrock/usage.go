package bedrock

import (
	"outcrop/internal/jsonscan"
	"outcrop/internal/llm"
)

// about reads a member that a whole reply and the metadata of a stream share.
func (d *decoder) about(s *jsonscan.Scanner, key string) {
	switch key {
	case "usage":
		d.finish.Usage = readUsage(s)
	case "trace":
		d.extras.trace = s.Raw()
	case "performanceConfig":
		d.extras.performance = s.Raw()
	case "serviceTier":
		if s.Null() {
			return
		}
		s.Object()
		for key, ok := s.Member(); ok; key, ok = s.Member() {
			if key == "type" {
				d.extras.tier = s.String()
			} else {
				s.Skip()
			}
		}
	default:
		s.Skip()
	}
}

// readUsage reads a TokenUsage. inputTokens excludes cached tokens, as Usage.Input does.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
func readUsage(s *jsonscan.Scanner) (u llm.Usage) {
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "inputTokens":
			u.Input = count(s)
		case "outputTokens":
			u.Output = count(s)
		case "cacheReadInputTokens":
			u.CacheRead = count(s)
		case "cacheWriteInputTokens":
			u.CacheWrite = count(s)
		case "cacheDetails":
			if s.Null() {
				continue
			}
			for s.Array(); s.Element(); {
				u.CacheWrite1h += readCacheDetail(s)
			}
		default:
			s.Skip()
		}
	}
	return u
}

// count reads a number of tokens; a null is none.
func count(s *jsonscan.Scanner) int {
	if s.Null() {
		return 0
	}
	return int(max(s.Int(), 0))
}

// readCacheDetail returns the tokens of a CacheDetail whose ttl is an hour.
func readCacheDetail(s *jsonscan.Scanner) int {
	var ttl string
	var tokens int
	s.Object()
	for key, ok := s.Member(); ok; key, ok = s.Member() {
		switch key {
		case "ttl":
			ttl = s.String()
		case "inputTokens":
			tokens = count(s)
		default:
			s.Skip()
		}
	}
	if ttl != "1h" {
		return 0
	}
	return tokens
}
