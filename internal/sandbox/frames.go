package sandbox

import (
	"encoding/binary"
	"hash/crc32"
)

// eventStreamType is the content type of a stream of frames.
const eventStreamType = "application/vnd.amazon.eventstream"

// headerTypeString is the only header type Bedrock uses (bedrock-api.md §6).
const headerTypeString = 7

// frame is one event-stream message before it is encoded.
type frame struct {
	kind      string // event type ("messageStart") or exception type ("throttlingException")
	exception bool   // the message is an exception, not an event
	payload   []byte // JSON
}

// appendTo writes the frame as Bedrock does: the headers in the order
// type, :content-type, :message-type (testdata/eventstream-vectors.json holds
// examples), both checksums CRC-32 of the IEEE polynomial.
func (f frame) appendTo(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, 12)...) // total length, headers length, checksum of both
	typeHeader, message := ":event-type", "event"
	if f.exception {
		typeHeader, message = ":exception-type", "exception"
	}
	dst = appendHeader(dst, typeHeader, f.kind)
	dst = appendHeader(dst, ":content-type", "application/json")
	dst = appendHeader(dst, ":message-type", message)
	headers := len(dst) - start - 12
	dst = append(dst, f.payload...)

	prelude := dst[start : start+12]
	binary.BigEndian.PutUint32(prelude[0:], uint32(len(dst)-start+4))
	binary.BigEndian.PutUint32(prelude[4:], uint32(headers))
	binary.BigEndian.PutUint32(prelude[8:], crc32.ChecksumIEEE(prelude[:8]))
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
}

// appendHeader writes one header with a string value of at most 65,535 bytes.
func appendHeader(dst []byte, name, value string) []byte {
	dst = append(dst, byte(len(name)))
	dst = append(dst, name...)
	dst = append(dst, headerTypeString)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(value)))
	return append(dst, value...)
}

// spoil returns the encoded frame with its last checksum wrong.
func spoil(encoded []byte) []byte {
	encoded[len(encoded)-1] ^= 0xff
	return encoded
}

// padding is the alphabet of the member "p" that Bedrock adds to every event
// against side channels of length.
const padding = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
