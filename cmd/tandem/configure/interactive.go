package configure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/ergochat/readline"
)

// Terminal is where Interactive reads and writes. The zero value is the
// process's own terminal.
type Terminal struct {
	In          io.Reader
	Out, Err    io.Writer
	IsTerminal  func() bool
	HistoryFile string // empty for none
}

// Interactive reads lines with completion (Tab), help (?) and history until the
// user leaves or ctx ends. What a line prints goes to the terminal.
func (m *Mode) Interactive(ctx context.Context, t Terminal) error {
	config := &readline.Config{
		Prompt: m.Prompt(), HistoryFile: t.HistoryFile, AutoComplete: completer{m},
		Stdin: t.In, Stdout: t.Out, Stderr: t.Err, FuncIsTerminal: t.IsTerminal,
		InterruptPrompt: "^C", EOFPrompt: "exit",
	}
	var rl *readline.Instance
	config.Listener = func(line []rune, pos int, key rune) ([]rune, int, bool) {
		if key != '?' || pos == 0 || line[pos-1] != '?' {
			return nil, 0, false
		}
		before := string(line[:pos-1])
		if strings.Count(before, `"`)%2 == 1 {
			return nil, 0, false
		}
		fmt.Fprint(rl.Stdout(), m.Help(before))
		return append(line[:pos-1:pos-1], line[pos:]...), pos - 1, true
	}
	rl, err := readline.NewFromConfig(config)
	if err != nil {
		return err
	}
	defer rl.Close()
	stop := context.AfterFunc(ctx, func() { rl.Close() })
	defer stop()
	m.out = rl.Stdout()
	for {
		rl.SetPrompt(m.Prompt())
		line, err := rl.ReadLine()
		switch {
		case errors.Is(err, readline.ErrInterrupt):
			continue
		case errors.Is(err, io.EOF):
			line = "exit"
		case err != nil:
			return err
		}
		switch err := m.Run(ctx, line); {
		case errors.Is(err, ErrExit):
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			fmt.Fprintln(rl.Stderr(), "error: "+err.Error())
		}
	}
}

// Help returns what ? prints behind line: the ways to go on, with their help.
func (m *Mode) Help(line string) string {
	candidates, word := m.Complete(line)
	switch {
	case len(candidates) > 0:
	case word != "":
		return "  nothing fits that begins with " + word + "\n"
	default:
		return "  <enter>\n"
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	for _, c := range candidates {
		if c.Help == "" {
			fmt.Fprintf(w, "  %s\n", c.Word)
		} else {
			fmt.Fprintf(w, "  %s\t%s\n", c.Word, c.Help)
		}
	}
	if err := w.Flush(); err != nil {
		return err.Error()
	}
	return b.String()
}

// completer is the Tab key.
type completer struct{ *Mode }

// Do implements readline.AutoCompleter.
func (c completer) Do(line []rune, pos int) ([][]rune, int) {
	candidates, word := c.Complete(string(line[:pos]))
	var rest [][]rune
	for _, one := range candidates {
		if one.Word != "" {
			rest = append(rest, []rune(strings.TrimPrefix(one.Word, word)+" "))
		}
	}
	return rest, len([]rune(word))
}

// Script carries out the lines of a text and stops at the first error, which
// names the line.
func (m *Mode) Script(ctx context.Context, name, text string) error {
	number := 0
	for line := range strings.Lines(text) {
		number++
		err := m.Run(ctx, line)
		if errors.Is(err, ErrExit) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", name, number, err)
		}
	}
	return nil
}
