package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// words are what they are.
func words(all ...string) func() []string { return func() []string { return all } }

// completeList lets the shell complete a flag whose value is one of some words, or a list of them
// with commas where the flag takes a list.
func completeList(cmd *cobra.Command, flag string, words func() []string) {
	list := cmd.Flags().Lookup(flag).Value.Type() == "stringSlice"
	err := cmd.RegisterFlagCompletionFunc(flag,
		func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			given := ""
			if i := strings.LastIndexByte(typed, ','); list && i >= 0 {
				given = typed[:i+1]
			}
			var all []string
			for _, w := range words() {
				if !slices.Contains(strings.Split(given, ","), w) {
					all = append(all, given+w)
				}
			}
			directive := cobra.ShellCompDirectiveNoFileComp
			if list {
				directive |= cobra.ShellCompDirectiveNoSpace
			}
			return all, directive
		})
	if err != nil {
		panic(err) // no such flag, or twice: known at the first start
	}
}
