package configure

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/tandem-ne/tandem/server/schema"
	"github.com/tandem-ne/tandem/server/tree"
)

// split cuts a line into words. Words in quotation marks may hold anything, with
// \" \\ and \n inside; a # where a word could begin starts a comment.
func split(line string) ([]string, error) {
	var all []string
	var word strings.Builder
	inWord, quoted := false, false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quoted && c == '\\':
			i++
			if i == len(line) {
				return nil, errors.New(`the line ends behind a \`)
			}
			if line[i] == 'n' {
				word.WriteByte('\n')
			} else {
				word.WriteByte(line[i])
			}
		case c == '"':
			quoted = !quoted
			inWord = true
		case quoted:
			word.WriteByte(c)
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			if inWord {
				all = append(all, word.String())
				word.Reset()
				inWord = false
			}
		case c == '#' && !inWord:
			return all, nil
		case c == '|' && !inWord:
			all = append(all, pipe)
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if quoted {
		return nil, errors.New(`a " is not closed`)
	}
	if inWord {
		all = append(all, word.String())
	}
	return all, nil
}

// pipe is the word that a bare | becomes; no quoted word can be it.
const pipe = "\x00|"

// quote writes a word so that split reads it back.
func quote(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\r\n\"\\|#") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// words writes a path as the words that lead to it.
func words(p tree.Path) string {
	var b strings.Builder
	for i, step := range p {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(step.Node.Plain)
		for _, k := range step.Keys {
			b.WriteString(" " + quote(k.String()))
		}
	}
	return b.String()
}

// filters are what a line says behind |.
type filters struct {
	display string // "", "set", "xml" or "json"
	match   *regexp.Regexp
}

func (f filters) any() bool { return f.display != "" || f.match != nil }

// pipes takes what is behind | off a line.
func pipes(tokens []string) ([]string, filters, error) {
	var f filters
	for i := 0; i < len(tokens); i++ {
		if tokens[i] != pipe {
			continue
		}
		rest := tokens[i+1:]
		tokens = tokens[:i]
		for len(rest) > 0 {
			if rest[0] != "display" && rest[0] != "match" {
				return nil, f, fmt.Errorf("| %s: display or match", strings.TrimPrefix(rest[0], "\x00"))
			}
			if len(rest) < 2 || rest[1] == pipe {
				return nil, f, fmt.Errorf("| %s needs a word behind it", rest[0])
			}
			if rest[0] == "display" {
				f.display = rest[1]
				if f.display != "xml" && f.display != "json" && f.display != "set" {
					return nil, f, fmt.Errorf("| display %s: set, xml or json", f.display)
				}
			} else {
				var err error
				if f.match, err = regexp.Compile(rest[1]); err != nil {
					return nil, f, fmt.Errorf("| match: %w", err)
				}
			}
			rest = rest[2:]
			if len(rest) > 0 {
				if rest[0] != pipe {
					return nil, f, fmt.Errorf("%q is one word too many", rest[0])
				}
				rest = rest[1:]
				if len(rest) == 0 {
					return nil, f, errors.New("nothing stands behind |")
				}
			}
		}
		if !f.any() {
			return nil, f, errors.New("nothing stands behind |")
		}
	}
	return tokens, f, nil
}

// child finds a node by its name, or module:name, below n.
func child(n *schema.Node, word string, config bool) (*schema.Node, error) {
	module, name, qualified := strings.Cut(word, ":")
	if !qualified {
		name = word
	}
	c := n.Child(name)
	if c != nil && c.Plain != c.Name {
		c = n.Child(word)
	}
	switch {
	case c != nil && c.Plain != c.Name && !qualified:
		return nil, fmt.Errorf("several modules have a %q below %s: name one, as in %q", word, title(n), c.Plain)
	case c == nil || qualified && c.Module.Name != module:
		return nil, fmt.Errorf("there is no %q below %s; %s", word, title(n), known(n, config))
	case config && !c.Config:
		return nil, fmt.Errorf("%s is state: it cannot be configured", c.Path())
	}
	return c, nil
}

func title(n *schema.Node) string {
	if n.Parent == nil {
		return "the top"
	}
	return n.Name
}

func known(n *schema.Node, config bool) string {
	var names []string
	for _, c := range n.Children() {
		if c.Config || !config {
			names = append(names, c.Plain)
		}
	}
	if len(names) == 0 {
		return "nothing can be"
	}
	if len(names) == 1 {
		return "there is " + names[0]
	}
	if len(names) > 12 {
		names = append(names[:12], "…")
	}
	return "there are " + strings.Join(names, ", ")
}
