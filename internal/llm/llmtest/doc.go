// Package llmtest is the contract of llm's interfaces as code: two models that need no upstream,
// Echo and Script, and the suite that every implementation passes, TestChatModel.
package llmtest
