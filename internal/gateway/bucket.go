package gateway

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
)

const (
	// bucketIV is fixed: clients keep the names of buckets, so one place has one name for ever.
	bucketIV         = "19f3e789d6758a809b1499afd0e9ca8f"
	bucketIterations = 3000
	bucketKeyLength  = 32
	bucketSalt       = 16 // bytes that FIPS 140-3 wants at least (SP 800-132)
	// base58 is Bitcoin's alphabet.
	base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
)

// Buckets give places their names, as DIAL Core does to the bit: data that is moved stays where links say.
type Buckets struct {
	block cipher.Block
	iv    []byte
}

// NewBuckets takes DIAL's encryption.secret and encryption.key.
func NewBuckets(secret, key string) (*Buckets, error) {
	if fips140.Enforced() && len(key) < bucketSalt {
		return nil, fmt.Errorf("encryption.key: it has %d bytes, and GODEBUG=fips140=only wants at least %d: another key gives every bucket another name", len(key), bucketSalt)
	}
	derived, err := pbkdf2.Key(sha256.New, secret, []byte(key), bucketIterations, bucketKeyLength)
	if err != nil {
		return nil, fmt.Errorf("the key of buckets: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("the key of buckets: %w", err)
	}
	iv, err := hex.DecodeString(bucketIV)
	return &Buckets{block, iv}, err
}

// usualBuckets are those of a server that is told no secret: names that last, and that whoever has this program
// can read. They hide nothing, and open nothing either: who may see what does not depend on them.
func usualBuckets() (b *Buckets, err error) {
	// Nothing is kept secret with them, so FIPS mode need not mind how short the salt is.
	fips140.WithoutEnforcement(func() { b, err = NewBuckets("outcrop", "outcrop") })
	return b, err
}

// Name is that of a place, "Users/<user>/" or "Keys/<project>/".
func (b *Buckets) Name(place string) string {
	pad := aes.BlockSize - len(place)%aes.BlockSize // PKCS #5
	text := append([]byte(place), slices.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(b.block, b.iv).CryptBlocks(text, text)
	return toBase58(text)
}

// toBase58 writes bytes as one number; each zero byte before it is a digit of its own.
func toBase58(data []byte) string {
	number, radix, digit := new(big.Int).SetBytes(data), big.NewInt(int64(len(base58))), new(big.Int)
	var out []byte
	for number.Sign() > 0 {
		number.DivMod(number, radix, digit)
		out = append(out, base58[digit.Int64()])
	}
	for _, c := range data {
		if c != 0 {
			break
		}
		out = append(out, base58[0])
	}
	slices.Reverse(out)
	return string(out)
}
