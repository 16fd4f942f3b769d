package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"example.com/pvlock/report"
	"example.com/pvlock/result"
)

func reportCommand() *cobra.Command {
	var htmlFile string
	cmd := &cobra.Command{
		Use:   "report FILE...",
		Short: "Make one page of HTML of result files",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			files, problems := readResults(names)
			for _, p := range problems {
				fmt.Fprintln(cmd.ErrOrStderr(), "pvlock:", p)
			}
			if files == nil {
				return errors.New("no file could be read, so there is nothing to report")
			}
			outs, err := openOutputs(cmd.OutOrStdout(), []output[[]report.File]{{htmlFile, func(w io.Writer, f []report.File) error {
				return report.Write(w, f, problems...)
			}}})
			if err != nil {
				return err
			}
			return outs.write(files)
		},
	}
	cmd.Flags().StringVar(&htmlFile, "html", "report.html", "write the page to a `file`, - for stdout")
	return cmd
}

// readResults reads result files, and says in a line each what is wrong with those that can't be read.
func readResults(names []string) (files []report.File, problems []string) {
	for _, name := range names {
		r, err := readResult(name)
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", name, err))
			continue
		}
		files = append(files, report.File{Name: name, Result: r})
	}
	return files, problems
}

func readResult(name string) (any, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return result.Read(f)
}
