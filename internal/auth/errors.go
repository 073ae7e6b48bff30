package auth

// Reason is why a request has no caller.
type Reason uint8

// The reasons. A server answers Ambiguous and Duplicate with 400, Address with 403, Unreachable with 503, and all
// others with 401.
const (
	Missing         Reason = iota + 1 // no credential at all
	Malformed                         // an Authorization header that is not Bearer
	Unknown                           // a key that is not in the configuration
	Ambiguous                         // two credentials that differ
	Duplicate                         // one header twice
	Address                           // a key that may not be used from there
	Expired                           // a key that has ended
	BadToken                          // a token that is not good, or no more
	UnknownProvider                   // a token of nobody who is trusted
	Unreachable                       // nobody can tell now whether the token, or the key, is good
)

// Error says why a request has no caller. Its text is DIAL Core's where that has one, fit for the client, and
// quotes no credential.
type Error struct {
	Reason Reason
	detail string
}

func (e *Error) Error() string {
	switch e.Reason {
	case Missing:
		return "At least API-KEY or Authorization header must be provided"
	case Malformed:
		return "Bad Authorization header"
	case Ambiguous:
		return "Provided API key is not per request key"
	case Duplicate:
		return "The header " + e.detail + " is given more than once: send it once"
	case Address:
		return "Access is forbidden from IP address: " + e.detail
	case Expired:
		return "The API key has expired (" + e.detail + "): ask for a new one"
	case BadToken:
		return "The token in Authorization is not accepted: " + e.detail
	case UnknownProvider:
		return "Unknown Identity Provider"
	case Unreachable:
		if e.detail != "" {
			return e.detail
		}
		return "The token cannot be verified now, because its identity provider does not answer: try again later"
	default:
		return "Unknown api key"
	}
}

// bad is the error of a token; why completes "is not accepted: ".
func bad(why string) *Error { return &Error{Reason: BadToken, detail: why} }
