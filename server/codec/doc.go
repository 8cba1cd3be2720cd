// Package codec turns messages into edits and trees, and trees into messages:
// XML as RFC 6241 and RFC 7950 use it, JSON as RFC 7951 defines it, the plain
// JSON of gNMI, and gNMI's TypedValue.
//
// Decoding is driven by the schema and strict: what the schema does not know,
// a value outside its type, a missing key or a second value of one leaf is an
// error with the tag that RFC 6241 appendix A and RFC 7950 sections 8.3.1 and
// 15 name, the path of the instance and a sentence. All errors of a message
// are reported together, up to a limit. Encoding never fails: a tree holds
// nothing that cannot be written.
//
// Reading order: assemble.go (what both decoders feed), decode_xml.go,
// decode_json.go, encode_xml.go, encode_json.go, gnmi.go. The XML tokens come
// from the package xmltok.
package codec
