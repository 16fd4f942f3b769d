package report

// Who unlocks it kicks a waiter. // want words: write the one who acts
// A lock is free, and whoever runs takes it. // want words: write the one who acts
// A CPU takes it, and who sleeps is woken. // want words: write the one who acts
// It wakes who sleeps. // want words: write the one who acts
// The caller is allowed to do so, and a value of 0 is no bound. // want words: write is not, or what it means
// This kick is in vain. // want words: a plain word
// It is simply faster. // want words: nothing, or a figure
// This comment goes on until it has more columns than a line may have, which are one hundred, and no more. // want lines: columns
