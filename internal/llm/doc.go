// Package llm is what a chat and a failure are: the one vocabulary that every dialect translates
// into and every adapter translates out of.
//
// A request is a value; a reply is a sequence of events. The contract of such a sequence is small
// and is checked by llmtest.TestChatModel for every implementation:
//
//   - events, then exactly one Finish, then the end; or, at any point, one error, then the end;
//   - an upstream that closes without its terminal frame is an error, never a quiet end;
//   - leaving the loop or cancelling the context releases everything the sequence holds;
//   - it may be ranged over once.
package llm
