// Package journal keeps notes in order until they have been read, over a kill of the process.
package journal
