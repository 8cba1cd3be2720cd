package kernel

import (
	"fmt"

	"github.com/tandem-ne/tandem/dataplane"
	"github.com/tandem-ne/tandem/dataplane/kernel/chain"
)

// maxChainLabels is how many labels a chain imposes, maxChainDepth how many it
// can take off: each costs one of the sixteen jumps the kernel allows, and so
// does the way into the label space.
const (
	maxChainLabels   = 8
	maxChainDepth    = 15
	maxChainBranches = 8
	maxChainNesting  = 3
)

// Capabilities tells what the driver can do where the kernel has the parts of
// traffic control that Complete asks for.
func Capabilities() dataplane.Capabilities {
	c := dataplane.Capabilities{
		Driver: "kernel", MaxImpose: maxChainLabels, MaxReceive: maxChainDepth, MaxLabel: dataplane.MaxLabel,
		MaxNesting: maxChainNesting, MaxBranches: maxChainBranches,
		Features: map[dataplane.Feature]bool{},
		Limits: []string{
			"A group, its leg or a section that drops a packet counts that; who has entered the group counts it as sent.",
			"Each group on the way of a packet takes one of the labels that can be parsed.",
			"A branch into a group takes filters of its own for each leg: a switch of the group replaces them.",
			"An IP payload that leaves an LSP is routed by the host: IP forwarding must be on, and reverse path filtering not strict.",
			"A stack that traffic classes are copied into takes eight filters, one for each class.",
			"The ingress of an interface that has a clsact or ingress queueing discipline of somebody else cannot be used.",
			noSnapshots,
		},
	}
	c.Limits = append(c.Limits, clientLimits()...)
	for _, f := range dataplane.Features() {
		c.Features[f] = false
	}
	for _, f := range append(clientFeatures(),
		dataplane.FeatureImpose, dataplane.FeatureSwap, dataplane.FeaturePop, dataplane.FeaturePopImpose, dataplane.FeaturePopLookup,
		dataplane.FeatureTrafficClass, dataplane.FeatureImposedTTL, dataplane.FeaturePayloadTTL, dataplane.FeatureShortPipe,
		dataplane.FeatureLSPCounters, dataplane.FeatureSectionCounters, dataplane.FeatureInterfaceLabelSpace,
		dataplane.FeatureMulticastSend, dataplane.FeatureMulticastReceive, dataplane.FeatureVLANSection,
		dataplane.FeatureGALPunt, dataplane.FeatureTTLPunt, dataplane.FeatureKernelTime,
		dataplane.FeatureHierarchy, dataplane.FeatureGroupSwitch, dataplane.FeatureOnePlusOne, dataplane.FeatureP2MP, dataplane.FeatureBud, dataplane.FeatureBlock,
		dataplane.FeatureQueues, dataplane.FeatureLLSP, dataplane.FeatureLoopback, dataplane.FeatureSectionBlock, dataplane.FeaturePuntLimits, dataplane.FeatureSteadyCC,
	) {
		c.Features[f] = true
	}
	return c
}

// noSnapshots is why there is no direct loss measurement.
const noSnapshots = "Punts carry no counters: those of actions and interfaces cannot be read where OAM's frames are taken, nor is what was sent counted in the order of frames."

// checkChain refuses what one filter cannot hold.
func checkChain(o dataplane.Object) error {
	if err := checkClient(o); err != nil {
		return err
	}
	l, ok := o.(dataplane.LSP)
	if !ok || len(l.Branches) == 0 {
		return nil
	}
	depths := make([]int, 0, len(l.Branches))
	for _, b := range l.Branches {
		depths = append(depths, len(b.Stack))
	}
	if n, most := chain.Actions(depths, l.Bud); n > most {
		return &dataplane.OpError{Key: l.Key(), Reason: fmt.Sprintf(
			"needs %s with so many labels on so many branches: %d actions, one filter of the kernel holds %d", dataplane.FeatureP2MP, n, most)}
	}
	return nil
}
