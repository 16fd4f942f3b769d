package result

// Ending says why a measurement ended before all that was asked for was measured; it is empty, and
// left out of the file, if it did not.
type Ending struct {
	// Interrupted says that the user stopped it.
	Interrupted bool `json:"interrupted,omitempty"`
	// Failed says, in a line, what the environment refused or took away.
	Failed string `json:"failed,omitempty"`
}

// String says it in a sentence, "" if there is nothing to say.
func (e Ending) String() string {
	switch {
	case e.Failed != "":
		return "Failed: " + e.Failed + ". What should have followed was not done."
	case e.Interrupted:
		return "Interrupted: what should have followed was not done."
	}
	return ""
}
