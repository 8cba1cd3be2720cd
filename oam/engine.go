package oam

import "github.com/tandem-ne/tandem/oam/ach"

// Engine is one OAM protocol. A shard hosts engines and gives every MEG one
// Session of each engine that wants it.
type Engine interface {
	// Channels lists the channel types whose frames the engine takes.
	Channels() []ach.ChannelType

	// Check refuses a MEG the engine cannot serve. It changes nothing and
	// may be called on any goroutine. The error is a *ConfigError.
	Check(*MEG) error

	// Wants says whether the MEG uses the engine.
	Wants(*MEG) bool

	// Open makes the session for a MEG that passed Check and that the engine
	// wants. It is called on the goroutine that applies the configuration;
	// the session starts with Session.Configure.
	Open(*MEG, Host) Session

	// Forget says that the session Open made for the MEG of this name has
	// left the configuration and is not to be shown any more. The session
	// itself is closed by the shard.
	Forget(name string)
}

// Session is what one engine does for one MEG. Its methods are called on the
// shard's goroutine only; they must neither block nor, once the session is
// in a steady state, allocate.
type Session interface {
	// Configure takes the MEG's configuration, first after Open and then
	// whenever it changes.
	Configure(now int64, m *MEG)

	// Receive takes a frame of one of the engine's channels. body is what
	// follows the ACH; it and rx are valid until Receive returns.
	Receive(now int64, rx *Rx, channel ach.ChannelType, body []byte)

	// Expire does what is due at now. Every frame the kernel saw before
	// seen (seen <= now) has been given to Receive: only deadlines up to
	// seen may be taken for silence of the peer.
	Expire(now, seen int64)

	// Next says when Expire is due next, Forever for never. The shard asks
	// after each call of the other methods.
	Next() int64

	// Close ends the session; it may send a last frame.
	Close(now int64)
}

// Host is what a session may ask of its shard, on the shard's goroutine.
type Host interface {
	// Buffer returns an empty slice with room for MaxFrame octets to build the next frame in.
	Buffer() []byte

	// Send queues a frame built in the last Buffer for the path of the MEG.
	// It returns false if the frame is lost because there is no such path.
	Send(frame []byte) bool

	// Watch asks the data plane to consume the frames of the MEG that are
	// octets (WatchLen of them, from the ACH on) and to note them in what it
	// returns; nil where that cannot be. A session has one Watch at a time, and
	// none after Close.
	Watch(octets []byte) *Seen

	// Unwatch ends a Watch.
	Unwatch(*Seen)

	// Drop counts a received frame that was not used.
	Drop(DropReason)

	// Emit queues an event for the observer; the host fills in the MEG's name.
	Emit(Event)
}

// MaxFrame is the longest G-ACh frame a session may send, in octets from the ACH.
const MaxFrame = 512
