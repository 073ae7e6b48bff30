// Package models is what is known of each Bedrock model: limits, prices,
// features and life cycle of every id, read from an embedded file.
//
// catalogue.json is written by distil.py; a fact that no source states is
// absent there and reads as unknown here, never as "no".
package models
