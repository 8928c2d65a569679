package partition

import (
	"encoding/hex"
	"strconv"
)

// TopicID is a topic's stable UUID (KIP-516), big-endian as on the wire.
type TopicID [16]byte

// String returns the id as 32 hexadecimal digits.
func (id TopicID) String() string { return hex.EncodeToString(id[:]) }

// Key names one partition of one topic. Names of topics may be used again
// after a deletion, ids never are: so the log and the index know only ids.
type Key struct {
	Topic     TopicID
	Partition int32
}

// String returns "topicid-partition", for logs and errors.
func (k Key) String() string { return k.Topic.String() + "-" + strconv.Itoa(int(k.Partition)) }
