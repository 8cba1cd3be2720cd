package schema

// Value is a value of a leaf or leaf-list entry in canonical form. Values are
// comparable with ==; the zero Value is no value.
type Value struct {
	typ *Type
	str string
}
