package docs

import "testing"

func TestTheTableOfWhatRunsWhereIsWhatTheCodeHas(t *testing.T) {
	page := read(t, "why.md")
	covered, err := WithCoverage(page)
	if err != nil {
		t.Fatal(err)
	}
	if covered != page {
		t.Error(`why.md is stale: run "go generate ./docs", and commit it`)
	}
}
