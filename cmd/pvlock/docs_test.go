package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"example.com/pvlock/bench"
)

// Every command that the README, docs/, the package documentation or a -h shows is taken apart
// here, so that an unknown flag or a package that has moved is found; and what a block of them
// shows is run, shortened as the table of rules says. With PVLOCK_DOCS=all (and go test -timeout 1h
// -run Shown) those are run too that take long; with PVLOCK_DOCS=network those as well that need
// the network.

const (
	repository = "../.."
	howMuch    = "PVLOCK_DOCS"
)

// patience is how long a command may take that is always run, and one that is run when it is asked
// for.
const (
	patience       = 2 * time.Minute
	longerPatience = 15 * time.Minute
)

// A rule is what is done with a command that begins with these words, and has these flags. The
// first one that fits counts. A command that none fits is run as it stands.
type rule struct {
	words []string
	flags []string
	// also is appended when it is run: the last of two equal flags counts.
	also string
	// only says when it is run at all: always, or if PVLOCK_DOCS is that.
	only string
	why  string
}

var rules = []rule{
	{words: []string{"pvlock", "bench", "mutex"}, also: "--rounds 1 --duration 1ms", only: "all",
		why: "dozens of cells"},
	{words: []string{"pvlock", "bench", "unlock"}, also: "--rounds 1 --pairs 1000"},
	{words: []string{"pvlock", "bench"}, flags: []string{"on=goroutines"},
		also: "--rounds 1 --duration 1ms", only: "all",
		why: "the fair locks need a slice of the Go scheduler, 10 ms, for each acquisition, and " +
			"20 s to end"},
	{words: []string{"pvlock", "bench"}, flags: []string{"neighbours"},
		also: "--rounds 1 --duration 1ms", only: "all",
		why: "the neighbour takes half of the time"},
	{words: []string{"pvlock", "bench"}, also: "--rounds 1 --duration 1ms"},
	{words: []string{"pvlock", "check"}, also: "--states 500 --timeout 500ms"},
	{words: []string{"pvlock", "sim"}, flags: []string{"calibrate"}},
	{words: []string{"pvlock", "sim"}, flags: []string{"validate"}, only: "all",
		why: "it measures the machine for seconds"},
	{words: []string{"pvlock", "sim"}, also: "--duration 200us --warmup 10us"},
	{words: []string{"pvlock", "torture"}, flags: []string{"locks"}, also: "--duration 300ms"},
	{words: []string{"pvlock", "torture"}, also: "--duration 500ms", only: "all",
		why: "all locks on all machines"},
	{words: []string{"pvlock", "doctor"}, also: "--interval 10ms"},

	{words: []string{"go", "test", "./..."}, only: "never",
		why: "it would run itself; the commands of CI run it"},
	{words: []string{"go", "test"}, flags: []string{"fuzz"}, also: "-fuzztime 1s", only: "all",
		why: "it compiles and runs other tests"},
	{words: []string{"go", "test"}, flags: []string{"bench"}, also: "-benchtime 1x -count 1",
		only: "all", why: "it compiles and runs other tests"},
	{words: []string{"go", "test"}, only: "all", why: "it compiles and runs other tests"},
	{words: []string{"go", "run", "./machine/xen/testbed"}, only: "network",
		why: "it fetches Debian's packages, unless it has them, and boots them for a minute"},
	{words: []string{"go", "generate"}, only: "never",
		why: "it would write into the tree; CI runs it"},
	{words: []string{"go", "get"}, only: "never", why: "it would write into the tree"},
	{words: []string{"go", "mod"}, only: "never",
		why: "it would write into the tree; docs/import_test.go runs it"},
	{words: []string{"go", "install"}, only: "never",
		why: "it would write outside of the test's directory"},
	{words: []string{"kubectl"}, only: "never", why: "it would change a cluster"},
}

// A need is what a command needs of the machine.
type need struct {
	what    string
	has     func(s *stage) bool
	missing func() error
}

var needs = []need{
	{"KVM", func(s *stage) bool { return s.flag("on", "kvm") || s.flag("neighbours", "") },
		func() error { return bench.Probe(bench.OnKVM) }},
	{"Xen", func(s *stage) bool { return s.flag("on", "xen") }, func() error {
		return bench.Probe(bench.OnXen)
	}},
	{"the lock that docs/add-a-lock.md adds",
		func(s *stage) bool { return slices.ContainsFunc(s.words, isWalked) }, func() error {
			return errors.New("PVLOCK_WALK=1 go test ./docs adds it to a copy, and runs this there")
		}},
	program("jq"), program("benchstat"), program("go"),
}

// programs are what may stand in a command besides pvlock. Those of which nothing is known are
// findings.
var programs = []string{"go", "jq", "benchstat", "kubectl"}

// isWalked reports whether a word of a command names the lock of docs/add-a-lock.md.
func isWalked(word string) bool { return slices.Contains(strings.Split(word, ","), "backoff") }

func program(name string) need {
	return need{name, func(s *stage) bool { return s.words[0] == name }, func() error {
		_, err := exec.LookPath(name)
		return err
	}}
}

// given are files that a command may read without a command before it having written them, and how
// they are made.
var given = []struct{ names, how string }{
	{"old.json new.json",
		"pvlock bench --locks xen,tas --overcommit 1 --rounds 6 --duration 1ms --json "},
	{"old.txt", "pvlock bench --locks xen,tas --overcommit 1 --rounds 2 --duration 1ms " +
		"--benchfmt "},
	{"shard1.json shards/1.json",
		"pvlock sim --locks tas,xen,ticket --pcpus 2 --duration 1ms --shard 1/3 --json "},
	{"shard2.json shards/2.json",
		"pvlock sim --locks tas,xen,ticket --pcpus 2 --duration 1ms --shard 2/3 --json "},
	{"shard3.json shards/3.json",
		"pvlock sim --locks tas,xen,ticket --pcpus 2 --duration 1ms --shard 3/3 --json "},
}

// A block is commands that are run one after the other, in a directory of their own.
type block struct {
	where string
	lines []string
	// mentioned says that they stand in a sentence, which may leave things out: they are
	// understood, not run.
	mentioned bool
	// page is the text around them. What it shows of a package, the reader has in its own
	// directory.
	page string
}

// A stage is one program's part of a line: line = stage, or stage | stage, or stage && stage.
type stage struct {
	text  string   // as it stands
	words []string // without quotes, variables before them, and redirections after
	after string   // what follows it: |, &&, || or ;
}

// flag reports whether the stage has the flag, with that value if it isn't "".
func (s *stage) flag(name, value string) bool {
	for i, w := range s.words {
		w, v, ok := strings.Cut(strings.TrimLeft(w, "-"), "=")
		if w != name || !strings.HasPrefix(s.words[i], "-") {
			continue
		}
		if !ok && i+1 < len(s.words) {
			v = s.words[i+1]
		}
		if value == "" || v == value {
			return true
		}
	}
	return false
}

func (s *stage) rule() rule {
	for _, r := range rules {
		fits := len(s.words) >= len(r.words) && slices.Equal(s.words[:len(r.words)], r.words)
		for _, f := range r.flags {
			name, value, _ := strings.Cut(f, "=")
			fits = fits && s.flag(name, value)
		}
		if fits {
			return r
		}
	}
	return rule{}
}

var (
	assignment = regexp.MustCompile(`^[A-Z_]+=`)
	separators = []string{"&&", "||", "|", ";"}
)

// split takes a line apart as a shell does: quotes, separators, comments. What it doesn't know ($,
// subshells) is a word to it.
func split(line string) (stages []*stage, err error) {
	var s stage
	var word strings.Builder
	began, inWord, redirected := 0, false, false
	endWord := func() {
		if w := word.String(); inWord && !redirected &&
			!(len(s.words) == 0 && assignment.MatchString(w)) {
			if at := strings.IndexAny(w, "<>"); at >= 0 &&
				strings.Trim(w[:at], "0123456789") == "" {
				redirected = strings.Trim(w[at:], "<>&") == ""
			} else {
				s.words = append(s.words, w)
			}
		} else if inWord {
			redirected = false
		}
		word.Reset()
		inWord = false
	}
	endStage := func(at int, sep string) {
		endWord()
		s.text, s.after = strings.TrimSpace(line[began:at]), sep
		if len(s.words) > 0 {
			done := s
			stages = append(stages, &done)
		}
		s, began = stage{}, at+len(sep)
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'' || c == '"':
			end := strings.IndexByte(line[i+1:], c)
			if end < 0 {
				return nil, errors.New("a quote is not closed")
			}
			word.WriteString(line[i+1 : i+1+end])
			inWord = true
			i += end + 1
		case c == ' ' || c == '\t':
			endWord()
		case c == '#' && !inWord:
			endStage(i, "")
			return stages, nil
		default:
			sep := slices.IndexFunc(separators, func(sep string) bool {
				return strings.HasPrefix(line[i:], sep)
			})
			if sep >= 0 {
				endStage(i, separators[sep])
				i += len(separators[sep]) - 1
				continue
			}
			word.WriteByte(c)
			inWord = true
		}
	}
	endStage(len(line), "")
	return stages, nil
}

// commands takes a line apart. "go run ./cmd/pvlock" is pvlock.
func commands(line string) ([]*stage, error) {
	stages, err := split(line)
	for _, s := range stages {
		if rest, ok := strings.CutPrefix(s.text, "go run ./cmd/pvlock"); ok {
			s.text, s.words = "pvlock"+rest, append([]string{"pvlock"}, s.words[3:]...)
		}
	}
	return stages, err
}

// understood reports what is wrong with a line, as far as that can be told without running it.
func understood(line string) error { return understoodOn("", line) }

// understoodOn is understood, of a line on a page.
func understoodOn(page, line string) error {
	stages, err := commands(line)
	if err != nil {
		return err
	}
	for _, s := range stages {
		switch {
		case s.words[0] == "pvlock":
			err = understoodByPvlock(s.words[1:])
		case s.words[0] == "go":
			err = understoodByGo(page, s)
		case !slices.Contains(programs, s.words[0]):
			err = fmt.Errorf("nothing is known of the program %s", s.words[0])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// understoodByPvlock parses arguments as the command would.
func understoodByPvlock(args []string) error {
	root := rootCommand()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return nil
		}
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// names reports whether a line is the name of a command and no more, as a sentence has it.
func names(line string) bool {
	cmd, rest, err := rootCommand().Find(strings.Fields(line)[1:])
	return err == nil && len(rest) == 0 && cmd.CommandPath() == line
}

// The flags of go test that the documents use. Others are looked for among those that the package
// defines.
var (
	testSwitches = []string{"race", "v", "short", "json", "benchmem", "c"}
	testFlags    = []string{"run", "bench", "benchtime", "count", "cpu", "tags", "timeout", "fuzz",
		"fuzztime"}
)

func understoodByGo(page string, s *stage) error {
	if len(s.words) < 2 {
		return errors.New("go what?")
	}
	switch s.words[1] {
	case "run":
		if len(s.words) < 3 {
			return errors.New("go run what?")
		}
		return isPackage(s.words[2])
	case "test":
		return understoodByGoTest(page, s.words[2:])
	case "build", "vet", "generate", "get", "install", "mod", "tool":
		return nil
	}
	return fmt.Errorf("nothing is known of go %s", s.words[1])
}

func isPackage(name string) error {
	if !strings.HasPrefix(name, ".") {
		return nil // an import path, perhaps of another module
	}
	dir := filepath.Join(repository, strings.TrimSuffix(name, "..."))
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no package %s", name)
	}
	return nil
}

func understoodByGoTest(page string, args []string) error {
	var packages, others []string
	patterns := make(map[string]string)
	for i := 0; i < len(args) && args[i] != "-args"; i++ {
		name, value, has := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		switch {
		case !strings.HasPrefix(args[i], "-"):
			packages = append(packages, args[i])
			continue
		case slices.Contains(testSwitches, name):
			continue
		case !has && i+1 < len(args):
			i++
			value = args[i]
		case !has:
			return fmt.Errorf("-%s has no value", name)
		}
		patterns[name] = value
		if !slices.Contains(testFlags, name) {
			others = append(others, name)
		}
	}
	if len(packages) == 0 {
		packages = []string{"."}
	}
	text := ""
	for _, p := range packages {
		if err := isPackage(p); err != nil {
			return err
		}
		text += testsOf(p)
		if p == "." {
			text += page
		}
	}
	for _, name := range others {
		if !regexp.MustCompile(`flag\.\w+\((&\w+, )?"` + regexp.QuoteMeta(name) + `"`).
			MatchString(text) {
			return fmt.Errorf("go test has no flag -%s, nor have %v", name, packages)
		}
	}
	if patterns["bench"] != "" || patterns["fuzz"] != "" {
		delete(patterns, "run") // is there to match nothing
	}
	for kind, prefix := range map[string]string{"run": "Test", "bench": "Benchmark",
		"fuzz": "Fuzz"} {
		pattern, _, _ := strings.Cut(patterns[kind], "/")
		re, err := regexp.Compile(pattern)
		if err != nil {
			return fmt.Errorf("-%s: %w", kind, err)
		}
		if pattern == "" {
			continue
		}
		names := regexp.MustCompile(`(?m)^func (`+prefix+`\w*)\(`).FindAllStringSubmatch(text, -1)
		if !slices.ContainsFunc(names, func(m []string) bool { return re.MatchString(m[1]) }) {
			return fmt.Errorf("-%s %s fits nothing in %v", kind, patterns[kind], packages)
		}
	}
	return nil
}

// testsOf returns the text of a package's tests, and of those below it if it ends in three dots.
func testsOf(name string) string {
	var text strings.Builder
	dir := filepath.Join(repository, strings.TrimSuffix(name, "..."))
	_ = filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && at != dir && !strings.HasSuffix(name, "...") {
			return fs.SkipDir
		}
		if strings.HasSuffix(at, "_test.go") {
			source, _ := os.ReadFile(at) // what can't be read has no tests, and that is then found
			text.Write(source)
		}
		return nil
	})
	return text.String()
}

var (
	shells = regexp.MustCompile("^\\s*```(sh|bash|shell|console)\\s*$")
	// A command in a sentence: pvlock and a command, or go and one, up to the end of the code.
	spans    = regexp.MustCompile("`((?:pvlock|go (?:run|test))\\s[^`]+)`")
	indented = regexp.MustCompile(`^(?:\t| {4})\s*((?:[A-Z_]+=\S+ )*(?:pvlock|go run|go test) .*)$`)
)

// blocksOf returns the commands of a document in Markdown.
func blocksOf(name, text string) (blocks []block) {
	var prose strings.Builder
	var in *block // the fence of a shell that is open
	fenced, console := false, false
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			if in != nil {
				blocks = append(blocks, *in)
			}
			in = nil
			if fenced = !fenced; fenced && shells.MatchString(line) {
				in, console = &block{where: fmt.Sprintf("%s:%d", name, i+1)}, strings.Contains(line,
					"console")
			}
		case in != nil:
			command, prompted := strings.CutPrefix(strings.TrimSpace(line), "$ ")
			if last := len(in.lines) - 1; last >= 0 && strings.HasSuffix(in.lines[last], " \\") {
				in.lines[last] = strings.TrimSuffix(in.lines[last], "\\") + command // it goes on
			} else if prompted || !console {
				in.lines = append(in.lines, command)
			}
		case fenced:
		default:
			if m := indented.FindStringSubmatch(line); m != nil {
				blocks = append(blocks,
					block{where: fmt.Sprintf("%s:%d", name, i+1), lines: []string{m[1]}})
			}
			prose.WriteString(line + "\n")
		}
	}
	for _, m := range spans.FindAllStringSubmatch(prose.String(), -1) {
		blocks = append(blocks,
			block{where: name, lines: []string{strings.Join(strings.Fields(m[1]), " ")},
				mentioned: true})
	}
	for i := range blocks {
		blocks[i].page = text
	}
	return blocks
}

// blocksOfExamples returns what the -h of a command and of all below it shows.
func blocksOfExamples(cmd *cobra.Command) (blocks []block) {
	if cmd.Example != "" {
		blocks = append(blocks,
			block{where: cmd.CommandPath() + " -h", lines: strings.Split(cmd.Example, "\n")})
	}
	for _, sub := range cmd.Commands() {
		blocks = append(blocks, blocksOfExamples(sub)...)
	}
	return blocks
}

// blocksOfComments returns the commands that stand by themselves in a Go file's comments.
func blocksOfComments(name string, file *ast.File) (blocks []block) {
	for _, group := range file.Comments {
		for _, line := range strings.Split(group.Text(), "\n") {
			if m := indented.FindStringSubmatch(line); m != nil {
				blocks = append(blocks, block{where: name, lines: []string{m[1]}})
			}
		}
	}
	return blocks
}

// allBlocks returns all commands that the project shows anybody.
func allBlocks(t *testing.T) (all []block) {
	t.Helper()
	all = blocksOfExamples(rootCommand())
	err := filepath.WalkDir(repository, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(repository, at)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if d.IsDir() {
			if hidden := name != "." && strings.HasPrefix(d.Name(), "."); hidden ||
				d.Name() == "testdata" || name == "internal/twin" {
				return fs.SkipDir
			}
			return nil
		}
		switch path := filepath.Ext(name); {
		case name == "README.md" || strings.HasPrefix(name, "docs/") && path == ".md":
			text, err := os.ReadFile(at)
			all = append(all, blocksOf(name, string(text))...)
			return err
		case path == ".go" && !strings.HasSuffix(name, "_test.go"):
			file, err := parser.ParseFile(token.NewFileSet(), at, nil, parser.ParseComments)
			if err == nil {
				all = append(all, blocksOfComments(name, file)...)
			}
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEveryCommandThatIsShownIsUnderstood(t *testing.T) {
	sources := make(map[string]bool)
	for _, b := range allBlocks(t) {
		from, _, _ := strings.Cut(b.where, ":")
		sources[from] = true
		for _, line := range b.lines {
			if err := understoodOn(b.page, line); err != nil && !(b.mentioned && names(line)) {
				t.Errorf("%s: %s: %v", b.where, line, err)
			}
		}
	}
	for _, want := range []string{"README.md", "pvlock bench -h", "pvlock report compare -h",
		"doc.go"} {
		if !sources[want] {
			t.Errorf("%s shows no command: they aren't found", want)
		}
	}
}

// An errand is what is run, and where.
type errand struct {
	bin, dir string
	env      []string
}

// newErrand makes a directory to run in, and one with this very program as pvlock.
func newErrand(t *testing.T) errand {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("commands are run by a shell")
	}
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash, and without its pipefail a failure in a pipe is not seen")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e := errand{bin: t.TempDir(), dir: t.TempDir()}
	if err := os.Symlink(self, filepath.Join(e.bin, "pvlock")); err != nil {
		t.Fatal(err)
	}
	e.env = append(os.Environ(), asCommand+"=1",
		"PATH="+e.bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	return e
}

// shell runs a text in dir. A finding, exit status 1 of pvlock, is not a
// failure: some commands are shown because they find something.
func (e errand) shell(ctx context.Context, dir, text string, findings bool) error {
	atMost := patience
	if os.Getenv(howMuch) != "" {
		atMost = longerPatience
	}
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", text)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stderr = dir, e.env, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return fmt.Errorf("%s: not done after %v: it needs a rule that shortens it", text, atMost)
	}
	// A scenario that a rule's bound cut has not failed either.
	cut := cmd.ProcessState.ExitCode() == exitUsage &&
		strings.Contains(lastLine(stderr.String()), "cut by a bound")
	if err != nil && !(findings && (cut || cmd.ProcessState.ExitCode() == exitFinding)) {
		return fmt.Errorf("%s: %w: %s", text, err, lastLine(stderr.String()))
	}
	return nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// skipped says why a line is not run here, or returns "".
func skipped(stages []*stage) string {
	for _, s := range stages {
		r := s.rule()
		wanted := r.only == "" || r.only == os.Getenv(howMuch) ||
			r.only == "all" && os.Getenv(howMuch) == "network"
		if !wanted && r.only == "never" {
			return r.why
		}
		if !wanted {
			return fmt.Sprintf("%s; %s=%s runs it", r.why, howMuch, r.only)
		}
		for _, n := range needs {
			if !n.has(s) {
				continue
			}
			if err := n.missing(); err != nil {
				return fmt.Sprintf("it needs %s: %v", n.what, err)
			}
		}
	}
	return ""
}

// run runs a line, shortened.
func (e errand) run(ctx context.Context, line string) error {
	stages, err := commands(line)
	if err != nil || len(stages) == 0 {
		return err
	}
	dir, findings, text := e.dir, true, ""
	for _, s := range stages {
		if s.words[0] == "go" {
			// Packages are named from the repository, and go has no findings.
			dir, findings = repository, false
		}
		// Redirections come before what is appended, which is as good.
		text += s.text + " " + s.rule().also + " " + s.after + " "
	}
	return e.shell(ctx, dir, strings.TrimSpace(text), findings)
}

// give makes the files that a block reads and that are given.
func (e errand) give(ctx context.Context, b block) error {
	text := strings.Join(b.lines, "\n")
	for _, g := range given {
		for _, name := range strings.Fields(g.names) {
			if !strings.Contains(text, name) && !strings.Contains(text, filepath.Dir(name)+"/*") {
				continue
			}
			if err := os.MkdirAll(filepath.Dir(filepath.Join(e.dir, name)), 0o755); err != nil {
				return err
			}
			if err := e.shell(ctx, e.dir, g.how+name, false); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestEveryCommandThatIsShownRuns(t *testing.T) {
	ran := 0
	for _, b := range allBlocks(t) {
		if b.mentioned {
			continue
		}
		t.Run(b.where, func(t *testing.T) {
			e := newErrand(t)
			if err := e.give(t.Context(), b); err != nil {
				t.Fatal("a file that is given can't be made: ", err)
			}
			for _, line := range b.lines {
				stages, err := commands(line)
				if err != nil || len(stages) == 0 {
					continue // the other test says so, or it is a comment
				}
				if why := skipped(stages); why != "" {
					t.Logf("not run: %s: %s", line, why)
					continue
				}
				ran++
				began := time.Now()
				if err := e.run(t.Context(), line); err != nil {
					t.Error(err)
				}
				t.Logf("%5.2f s: %s", time.Since(began).Seconds(), line)
			}
		})
	}
	if ran == 0 {
		t.Error("no command was run")
	}
}

// TestARottenCommandIsFound is the test of the two tests above.
func TestARottenCommandIsFound(t *testing.T) {
	if names("pvlock report compare old.json") || names("pvlock gone") ||
		!names("pvlock report compare") {
		t.Error("a command is taken for a name, or a name for a command")
	}
	page := "```go\nfunc TestOfThePage(t *testing.T) {}\n```\n"
	if err := understoodOn(page, "go test -run OfThePage ."); err != nil {
		t.Errorf("a test that the page shows: %v", err)
	}
	if err := understoodOn(page, "go test -run OfThePage ./spinlock"); err == nil {
		t.Error("a test that the page shows is taken for one of another package")
	}
	for line, want := range map[string]string{
		"pvlock benhc":                             "unknown command",
		"pvlock bench --fast":                      "unknown flag: --fast",
		"pvlock bench --rounds many":               "invalid argument",
		"pvlock bench xen":                         "unknown command",
		"pvlock bench | pvlock report --pdf x":     "unknown flag: --pdf",
		"pvlock bench --json 'x":                   "a quote is not closed",
		"PVLOCK=pv pvlock patch --shwo 1 # so":     "unknown flag: --shwo",
		"go run ./cmd/pvlock bench --fast":         "unknown flag: --fast",
		"go run ./cmd/pvlok bench":                 "there is no package ./cmd/pvlok",
		"go test ./nowhere/...":                    "there is no package ./nowhere/...",
		"go test ./spinlock -bench Nothing":        "-bench Nothing fits nothing",
		"go test ./spinlock -run TestThatIsGone":   "-run TestThatIsGone fits nothing",
		"go test ./spinlock -quickly 1":            "go test has no flag -quickly",
		"go frobnicate":                            "nothing is known of go frobnicate",
		"frobnicate bench.json":                    "nothing is known of the program frobnicate",
		"pvlock bench --json - | frobnicate .runs": "nothing is known of the program frobnicate",
	} {
		if err := understood(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
	for _, line := range []string{
		"", "# nothing", "pvlock", "pvlock bench -h", "pvlock completion bash > pvlock.bash",
		"PVLOCK=pv pvlock patch  # so",
		"go test ./spinlock -run '^$' -bench Uncontended -count 9",
		"pvlock bench --json - | jq '.runs[] | .lock' && pvlock doctor",
	} {
		if err := understood(line); err != nil {
			t.Errorf("%s: %v, want nothing", line, err)
		}
	}
	e := newErrand(t)
	for line, want := range map[string]string{
		"pvlock report absent.json":                        "absent.json",
		"pvlock bench --locks xen,gone":                    `unknown lock "gone"`,
		"pvlock check --scenario gone":                     "gone",
		"pvlock bench --locks gone --json - | cat":         `unknown lock "gone"`,
		"pvlock report absent.json --html - > page.html":   "absent.json",
		"pvlock sim --pcpus 2 --locks tas --shard 4/3":     "4/3",
		"pvlock doctor && pvlock patch --mode yesterday":   "yesterday",
		"pvlock report compare absent.json also.json || x": "x",
	} {
		if err := e.run(t.Context(), line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error about %s", line, err, want)
		}
	}
}

// TestWhatIsAppendedIsUnderstood keeps the rules and the given files from rotting themselves.
func TestWhatIsAppendedIsUnderstood(t *testing.T) {
	for _, r := range rules {
		if r.words[0] != "pvlock" {
			continue
		}
		if err := understood(strings.Join(r.words, " ") + " " + r.also); err != nil {
			t.Errorf("%v: %v", r, err)
		}
	}
	for _, g := range given {
		if err := understood(g.how + "x"); err != nil {
			t.Errorf("%s: %v", g.how, err)
		}
	}
}
