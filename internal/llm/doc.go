// Package llm is what a chat and a failure are: the one vocabulary that every dialect translates
// into and every adapter translates out of.
//
// A request is a value; a reply is a sequence of events. The contract of such a sequence is small
// and is checked by llmtest.TestChatModel for every implementation:
//
//   - events, then exactly one Finish, then the end; or, at any point, one error, then the end;
//   - of several choices each has its own events and its own Finish, the last of which is the end and
//     has the usage of all; Choice says whose the events after it are, and an error is everybody's;
//   - an upstream that closes without its terminal frame is an error, never a quiet end;
//   - leaving the loop or cancelling the context releases everything the sequence holds;
//   - it may be ranged over once.
//
// SideBySide makes one sequence of several that run at the same time.
package llm
