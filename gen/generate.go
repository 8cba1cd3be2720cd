// Package gen makes the Go structs of our YANG modules: the typed view of the
// configuration that server/intent decodes into, and an SDK for Go users. The
// full modules are generated, without the deviations of a release, and with
// them ietf-interfaces and ietf-alarms, which they refer to.
//
// Everything below gen/mtp is generated and never edited: run
//
//	go generate ./gen
//
// after a change of yang/mtp-*.yang. A test generates again and compares.
package gen

//go:generate ../yang/fetch.sh
//go:generate go run ./internal/generate -yang ../yang -out mtp/mtp.go
