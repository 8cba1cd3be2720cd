package conformance_test

// netconfdFails are the cases that netconfd 2.13 fails, each with what it does.
func netconfdFails() map[string]string {
	return map[string]string{}
}
