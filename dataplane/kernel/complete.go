package kernel

import (
	"os"
	"strings"
)

// Complete tells whether this kernel also has the parts of tc that complete its
// MPLS, flower, u32 and six actions, or can load them. The automatic choice of a
// data plane takes this driver only then.
func Complete() error {
	for _, module := range []string{"sch_ingress", "cls_flower", "cls_u32", "act_gact", "act_mpls", "act_vlan", "act_mirred", "act_pedit", "act_skbedit"} {
		err := present(module, func() bool { return live(module) || builtIn(module) })
		if err != nil {
			return err
		}
	}
	return nil
}

// live tells whether a module is loaded and ready.
func live(module string) bool {
	b, err := os.ReadFile("/sys/module/" + module + "/initstate")
	return err == nil && strings.TrimSpace(string(b)) == "live"
}
