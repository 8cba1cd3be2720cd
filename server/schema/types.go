package schema

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/openconfig/goyang/pkg/yang"
	"github.com/tandem-ne/tandem/server/schema/xsdre"
)

// typedef is a compiled typedef: its type and what it gives to leafs of it.
type typedef struct {
	typ     *Type
	dflt    located // stmt is nil when there is no default
	units   *yang.Statement
	pending bool // being compiled: a reference now is a cycle
}

// compileType returns the type of a type statement. The result is shared by all
// uses of the statement; leafrefs in it are bound to a leaf by bindType.
func (c *compiler) compileType(s *yang.Statement, sc *scope) typedef {
	if td, ok := c.typedefs[s]; ok {
		if td.pending {
			c.errorf(s, "type %q contains itself", s.Argument)
			return typedef{}
		}
		return *td
	}
	td := &typedef{pending: true}
	c.typedefs[s] = td
	faults := len(c.errs)
	if c.buildType(td, s, sc); len(c.errs) > faults {
		td.typ = nil
	}
	td.pending = false
	return *td
}

func (c *compiler) buildType(td *typedef, s *yang.Statement, sc *scope) {
	if kind := builtinKind(s.Argument); kind != 0 {
		if plain := len(s.SubStatements()) == 0; plain && c.builtin[kind] != nil {
			td.typ = c.builtin[kind]
			return
		}
		td.typ = c.restrict(&Type{kind: kind, name: kind.String(), require: kind == InstanceIdentifier, owner: c.schema}, s, sc, true)
		return
	}
	def := c.lookup(sc, s.Argument, (*scope).typedefTable)
	if def == nil {
		c.errorf(s, "no type %q is in scope", s.Argument)
		return
	}
	base := c.compileTypedef(def)
	if base.typ == nil {
		return
	}
	td.dflt, td.units = base.dflt, base.units
	td.typ = base.typ
	if len(s.SubStatements()) > 0 {
		td.typ = c.restrict(base.typ, s, sc, false)
	}
}

// compileTypedef returns the type that a typedef statement defines.
func (c *compiler) compileTypedef(def *definition) typedef {
	if td, ok := c.typedefs[def.stmt]; ok {
		if td.pending {
			c.errorf(def.stmt, "typedef %q is derived from itself", def.stmt.Argument)
			return typedef{}
		}
		return *td
	}
	td := &typedef{pending: true}
	c.typedefs[def.stmt] = td
	if ts := first(def.stmt, "type"); ts != nil {
		base := c.compileType(ts, def.scope)
		td.dflt, td.units = base.dflt, base.units
		if base.typ != nil {
			t := *base.typ
			t.name, t.module = def.stmt.Argument, def.scope.unit.mod
			if t.leafref != nil && t.leafref.Expr.Default == nil {
				spec := *t.leafref
				spec.Expr.Default = t.module
				t.leafref = &spec
			}
			td.typ = &t
		}
	}
	if s := first(def.stmt, "default"); s != nil {
		td.dflt = located{s, def.scope}
	}
	if s := first(def.stmt, "units"); s != nil {
		td.units = s
	}
	td.pending = false
	if s := td.dflt.stmt; td.typ != nil && s != nil && !td.typ.hasLeafref() {
		if td.typ.kind == InstanceIdentifier || td.typ.kind == Union {
			return *td // may need the tree; checked in every leaf of the type
		}
		if _, err := td.typ.parse(s.Argument, unitResolver{td.dflt.scope.unit}, true); err != nil {
			c.errorf(s, "default %q of typedef %q: %v", s.Argument, def.stmt.Argument, err)
		}
	}
	return *td
}

// typeStatements lists what may restrict or define each built-in type; the
// capital letters mark what a built-in type must have.
func typeStatements(k TypeKind) (allowed []string, required string) {
	switch {
	case k.IsSigned(), k.IsUnsigned():
		return []string{"range"}, ""
	}
	switch k {
	case Decimal64:
		return []string{"fraction-digits", "range"}, "fraction-digits"
	case String:
		return []string{"length", "pattern"}, ""
	case Binary:
		return []string{"length"}, ""
	case Enumeration:
		return []string{"enum"}, "enum"
	case Bits:
		return []string{"bit"}, "bit"
	case Leafref:
		return []string{"path", "require-instance"}, "path"
	case Identityref:
		return []string{"base"}, "base"
	case Union:
		return []string{"type"}, "type"
	case InstanceIdentifier:
		return []string{"require-instance"}, ""
	}
	return nil, ""
}

// restrict returns a copy of base narrowed by the substatements of s. builtin
// is true when s names the built-in type itself.
func (c *compiler) restrict(base *Type, s *yang.Statement, sc *scope, builtin bool) *Type {
	t := *base
	t.patterns = slices.Clip(t.patterns)
	allowed, required := typeStatements(t.kind)
	var members, enums, bits, bases []*yang.Statement
	for _, sub := range s.SubStatements() {
		if strings.Contains(sub.Keyword, ":") {
			continue
		}
		if !slices.Contains(allowed, sub.Keyword) {
			c.errorf(sub, "type %s cannot have a %s", t.kind, sub.Keyword)
			continue
		}
		switch sub.Keyword {
		case "path", "base", "type", "fraction-digits":
			if !builtin {
				c.errorf(sub, "%s cannot restrict the derived type %q", sub.Keyword, s.Argument)
				continue
			}
		}
		switch sub.Keyword {
		case "fraction-digits":
			n, err := strconv.Atoi(sub.Argument)
			if err != nil || n < 1 || n > 18 {
				c.errorf(sub, "fraction-digits %q is not 1 to 18", sub.Argument)
				n = 1
			}
			t.fraction = n
		case "pattern":
			t.patterns = c.pattern(t.patterns, sub)
		case "path":
			t.leafref = c.leafref(sub, sc)
		case "enum":
			enums = append(enums, sub)
		case "bit":
			bits = append(bits, sub)
		case "base":
			bases = append(bases, sub)
		case "type":
			members = append(members, sub)
		}
	}
	if builtin && required != "" && first(s, required) == nil {
		c.errorf(s, "type %s needs the statement %s", t.kind, required)
		return &t
	}
	// The rest needs the properties above, whatever the order of statements.
	for _, sub := range s.SubStatements() {
		switch sub.Keyword {
		case "range":
			if lo, hi, ok := t.numberLimits(); ok {
				t.ranges = c.spans(sub, base.ranges, span{lo, hi}, t.parseNumber, t.formatNumber)
				t.rangeRule = ruleOf(sub)
			}
		case "length":
			if t.kind == String || t.kind == Binary {
				t.lengths = c.spans(sub, base.lengths, span{0, math.MaxUint64}, parseLength, formatLength)
				t.lengthRule = ruleOf(sub)
			}
		case "require-instance":
			v := c.boolean(sub)
			if t.leafref != nil {
				spec := *t.leafref
				spec.RequireInstance = v
				t.leafref = &spec
			}
			t.require = v
		}
	}
	if enums != nil {
		c.enums(&t, base, enums, sc, builtin)
	}
	if bits != nil {
		c.bits(&t, base, bits, sc, builtin)
	}
	for _, b := range bases {
		if id := c.identity(b, sc.unit); id != nil {
			t.bases = append(t.bases, id)
		}
	}
	for _, m := range members {
		td := c.compileType(m, sc)
		if td.typ != nil {
			t.union = append(t.union, td.typ)
		}
	}
	return &t
}

// ruleOf reads the message of a range or length statement.
func ruleOf(s *yang.Statement) rule {
	return rule{argOf(s, "error-message"), argOf(s, "error-app-tag")}
}

// patternKey tells patterns apart that may be shared.
type patternKey struct {
	source, message, appTag string
	invert                  bool
}

func (c *compiler) pattern(list []*Pattern, s *yang.Statement) []*Pattern {
	p := &Pattern{Source: s.Argument, Message: argOf(s, "error-message"), AppTag: argOf(s, "error-app-tag")}
	if m := first(s, "modifier"); m != nil {
		if m.Argument != "invert-match" {
			c.errorf(m, "modifier %q is not invert-match", m.Argument)
		}
		p.Invert = true
	}
	key := patternKey{p.Source, p.Message, p.AppTag, p.Invert}
	if shared := c.patterns[key]; shared != nil {
		return append(list, shared)
	}
	expr, err := xsdre.Translate(s.Argument)
	if err != nil {
		c.errorf(s, "pattern %q: %v", s.Argument, err)
		return list
	}
	c.patterns[key] = p
	p.match = xsdre.Lazy(expr)
	return append(list, p)
}

// enums reads the enums of a new enumeration, or keeps some of base's.
func (c *compiler) enums(t, base *Type, list []*yang.Statement, sc *scope, builtin bool) {
	t.enums, t.byEnum = nil, map[string]int{}
	seen, values := map[string]bool{}, map[int32]bool{}
	next, highest := int64(0), int64(math.MinInt32)
	for _, s := range list {
		e := Enum{Name: s.Argument, Status: c.status(first(s, "status"))}
		if seen[e.Name] {
			c.errorf(s, "enum %q is defined twice", e.Name)
			continue
		}
		seen[e.Name] = true
		if e.Name == "" || strings.TrimSpace(e.Name) != e.Name {
			c.errorf(s, "the name of enum %q is empty or begins or ends with a space", e.Name)
			continue
		}
		v := first(s, "value")
		if builtin {
			if v != nil {
				n, err := strconv.ParseInt(v.Argument, 10, 32)
				if err != nil {
					c.errorf(v, "value %q is not a 32-bit integer", v.Argument)
					continue
				}
				next = n
			}
			if next > math.MaxInt32 {
				c.errorf(s, "enum %q needs a value: the one before has the largest", e.Name)
				continue
			}
			e.Value = int32(next)
			if values[e.Value] {
				c.errorf(s, "enum %q: the value %d is used twice", e.Name, e.Value)
			}
			values[e.Value] = true
			highest = max(highest, next)
			next = highest + 1
		} else {
			i, ok := base.byEnum[e.Name]
			if !ok {
				c.errorf(s, "enum %q is not in the type that is restricted", e.Name)
				continue
			}
			e.Value = base.enums[i].Value
			if v != nil && v.Argument != strconv.Itoa(int(e.Value)) {
				c.errorf(v, "enum %q has the value %d in the type that is restricted", e.Name, e.Value)
			}
		}
		if !c.enabled(s, sc.unit) {
			continue
		}
		t.byEnum[e.Name] = len(t.enums)
		t.enums = append(t.enums, e)
	}
}

// bits reads the bits of a new bits type, or keeps some of base's.
func (c *compiler) bits(t, base *Type, list []*yang.Statement, sc *scope, builtin bool) {
	t.bits = nil
	seen, positions := map[string]bool{}, map[uint32]bool{}
	next := uint64(0)
	for _, s := range list {
		b := Bit{Name: s.Argument, Status: c.status(first(s, "status"))}
		if seen[b.Name] {
			c.errorf(s, "bit %q is defined twice", b.Name)
			continue
		}
		seen[b.Name] = true
		p := first(s, "position")
		if builtin {
			at := next
			if p != nil {
				n, err := strconv.ParseUint(p.Argument, 10, 32)
				if err != nil {
					c.errorf(p, "position %q is not a 32-bit number", p.Argument)
					continue
				}
				at = n
			}
			if at > math.MaxUint32 {
				c.errorf(s, "bit %q needs a position: the one before has the largest", b.Name)
				continue
			}
			b.Position = uint32(at)
			if positions[b.Position] {
				c.errorf(s, "bit %q: the position %d is used twice", b.Name, b.Position)
			}
			positions[b.Position] = true
			next = max(next, at+1)
		} else {
			i, ok := base.byBit[b.Name]
			if !ok {
				c.errorf(s, "bit %q is not in the type that is restricted", b.Name)
				continue
			}
			b.Position = base.bits[i].Position
			if p != nil && p.Argument != strconv.FormatUint(uint64(b.Position), 10) {
				c.errorf(p, "bit %q has the position %d in the type that is restricted", b.Name, b.Position)
			}
		}
		if c.enabled(s, sc.unit) {
			t.bits = append(t.bits, b)
		}
	}
	slices.SortFunc(t.bits, func(a, b Bit) int { return int(int64(a.Position) - int64(b.Position)) })
	t.byBit = map[string]int{}
	for i, b := range t.bits {
		t.byBit[b.Name] = i
	}
}

// spans reads a range or length expression as parts inside those of base
// (RFC 7950 sections 9.2.4 and 9.4.4). limits is what the built-in type holds.
func (c *compiler) spans(s *yang.Statement, base []span, limits span, parse func(string) (uint64, error), format func(uint64) string) []span {
	if base == nil {
		base = []span{limits}
	}
	var list []span
	for part := range strings.SplitSeq(s.Argument, "|") {
		from, to, ok := strings.Cut(part, "..")
		if !ok {
			to = from
		}
		var sp span
		var err error
		if sp.min, err = bound(strings.TrimSpace(from), base, parse); err == nil {
			sp.max, err = bound(strings.TrimSpace(to), base, parse)
		}
		switch {
		case err != nil:
			c.errorf(s, "%s: %v", describe(s), err)
			return base
		case sp.min > sp.max:
			c.errorf(s, "%s: %s is greater than %s", describe(s), format(sp.min), format(sp.max))
			return base
		case len(list) > 0 && list[len(list)-1].max >= sp.min:
			c.errorf(s, "%s: the parts overlap or are not in ascending order", describe(s))
			return base
		}
		list = append(list, sp)
	}
	for _, sp := range list {
		if !covered(sp, base) {
			c.errorf(s, "%s: %s..%s is not within the type that is restricted", describe(s), format(sp.min), format(sp.max))
			return base
		}
	}
	return list
}

func bound(text string, base []span, parse func(string) (uint64, error)) (uint64, error) {
	switch text {
	case "min":
		return base[0].min, nil
	case "max":
		return base[len(base)-1].max, nil
	case "":
		return 0, errors.New("a bound is missing")
	}
	return parse(text)
}

// covered reports whether every value of sp is in base, whose parts may adjoin.
func covered(sp span, base []span) bool {
	next := sp.min
	for _, b := range base {
		if b.max < next {
			continue
		}
		if b.min > next {
			return false
		}
		if b.max >= sp.max {
			return true
		}
		next = b.max + 1
	}
	return false
}

// boolean reads the argument of a statement that is true or false.
func (c *compiler) boolean(s *yang.Statement) bool {
	if s.Argument != "true" && s.Argument != "false" {
		c.errorf(s, "%s %q is not true or false", s.Keyword, s.Argument)
	}
	return s.Argument == "true"
}

// unitResolver gives prefixes the meaning they have in a module text.
type unitResolver struct{ unit *unit }

func (r unitResolver) Module(prefix string) *Module {
	if prefix == "" {
		return r.unit.mod
	}
	return r.unit.prefixes[prefix]
}

// hasLeafref reports whether t or a member of it is a leafref.
func (t *Type) hasLeafref() bool {
	return t.leafref != nil || slices.ContainsFunc(t.union, (*Type).hasLeafref)
}
