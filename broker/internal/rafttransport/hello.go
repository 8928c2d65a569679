package rafttransport

import (
	"encoding/binary"
	"fmt"

	"lockstep/broker/internal/checksum"
)

const (
	helloLen        = 32
	protocolVersion = 1
)

var helloMagic = [8]byte{'L', 'O', 'C', 'K', 'S', 'T', 'E', 'P'}

// lane tells a peer's two connections apart.
type lane byte

const (
	urgent lane = iota
	bulk
	numLanes
)

func (l lane) String() string { return [...]string{"urgent", "bulk"}[l] }

type helloStatus byte

const (
	helloAsk     helloStatus = iota // the dialler's
	helloOK                         // welcome
	helloWrong                      // the receiver is another node
	helloUnknown                    // the receiver does not know the sender
	helloVersion                    // the receiver speaks another version
)

func (s helloStatus) String() string {
	switch s {
	case helloAsk:
		return "asks"
	case helloOK:
		return "ok"
	case helloWrong:
		return "wrong node"
	case helloUnknown:
		return "does not know this node"
	case helloVersion:
		return "speaks another protocol version"
	}
	return fmt.Sprintf("status %d", byte(s))
}

// hello opens a connection; the answer is a hello in the other direction.
type hello struct {
	version          uint16
	lane             lane
	status           helloStatus
	sender, receiver int32
}

func (h hello) encode() []byte {
	b := make([]byte, helloLen)
	copy(b, helloMagic[:])
	binary.LittleEndian.PutUint16(b[8:], h.version)
	b[10], b[11] = byte(h.lane), byte(h.status)
	binary.LittleEndian.PutUint32(b[12:], uint32(h.sender))
	binary.LittleEndian.PutUint32(b[16:], uint32(h.receiver))
	binary.LittleEndian.PutUint32(b[28:], checksum.Of(b[:28]))
	return b
}

// decodeHello reads the helloLen bytes of p. It accepts every version, so that
// a refusal can be told.
func decodeHello(p []byte) (hello, error) {
	if len(p) != helloLen || [8]byte(p[:8]) != helloMagic {
		return hello{}, fmt.Errorf("%w: not a Lockstep node", errMalformed)
	}
	if checksum.Of(p[:28]) != binary.LittleEndian.Uint32(p[28:]) {
		return hello{}, fmt.Errorf("%w: hello checksum", errMalformed)
	}
	h := hello{
		version: binary.LittleEndian.Uint16(p[8:]), lane: lane(p[10]), status: helloStatus(p[11]),
		sender: int32(binary.LittleEndian.Uint32(p[12:])), receiver: int32(binary.LittleEndian.Uint32(p[16:])),
	}
	if h.lane >= numLanes {
		return hello{}, fmt.Errorf("%w: hello for lane %d", errMalformed, h.lane)
	}
	return h, nil
}
