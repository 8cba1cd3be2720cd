package kernel

// Complete tells whether this kernel also has the parts of tc that complete its
// MPLS, act_mpls and cls_flower, or can load them. The automatic choice of a
// data plane takes this driver only then.
func Complete() error {
	for _, module := range []string{"act_mpls", "cls_flower"} {
		err := present(module, func() bool { return exists("/sys/module/"+module) || builtIn(module) })
		if err != nil {
			return err
		}
	}
	return nil
}
