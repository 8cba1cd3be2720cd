package bfd

import "github.com/tandem-ne/tandem/oam"

// input is what can move the state of a session: the columns of RFC 6428
// figure 7.
type input uint8

// The inputs.
const (
	rxAdminDown     input = iota // AD: CC packet with state AdminDown.
	rxDown                       // DOWN: CC packet with state Down.
	rxInit                       // INIT: CC packet with state Init.
	rxUp                         // UP: CC packet with state Up.
	timerExpired                 // T: detection time expired.
	misConnectivity              // MC: mis-connectivity defect entered.
	rxLDI                        // Link down indication.
	rxLKR                        // Lock report.
	numInputs
)

// String returns the input's name in the figure.
func (in input) String() string {
	names := [numInputs]string{"AD", "DOWN", "INIT", "UP", "T", "MC", "LDI", "LKR"}
	return names[in]
}

// cell is one cell of the table: the next state, and the diagnostic that
// goes with entering it.
type cell struct {
	next oam.BFDState
	diag oam.Diag
}

// next is the state machine of RFC 6428 figure 7 (coordinated mode), rows
// and columns as printed there; AdminDown is added above, where nothing
// received counts (RFC 5880 section 6.8.6). The diagnostic is the one of the
// last change to Down; it is set to 0 on the way up, because in RFC 6428 it
// is the remote defect indication and ends with the defect.
//
// One cell is not in the figure: INIT with MC. Section 3.7.3 has any defect
// communicated as Down, so that the peer cannot reach Up alone.
func next(s oam.BFDState, in input) cell {
	const (
		none = oam.DiagNone
		time = oam.DiagDetectionExpired
		nbor = oam.DiagNeighborDown
		path = oam.DiagPathDown
		misc = oam.DiagMisConnectivity
		A    = oam.AdminDown
		D    = oam.Down
		I    = oam.Init
		U    = oam.Up
	)
	table := [4][numInputs]cell{
		//     AD         DOWN       INIT       UP         T          MC         LDI        LKR
		A: {{A, none}, {A, none}, {A, none}, {A, none}, {A, none}, {A, none}, {A, none}, {A, none}},
		D: {{D, none}, {I, none}, {U, none}, {D, none}, {D, none}, {D, none}, {D, none}, {D, none}},
		I: {{D, nbor}, {I, none}, {U, none}, {U, none}, {D, time}, {D, misc}, {D, path}, {D, path}},
		U: {{D, nbor}, {D, nbor}, {U, none}, {U, none}, {D, time}, {D, misc}, {D, path}, {D, path}},
	}
	return table[s][in]
}
