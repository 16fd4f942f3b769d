// Command pvlock measures, breaks and proves paravirtual spinlocks.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"example.com/pvlock/boot"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		// The first Ctrl-C ends things in order, a second one at once.
		<-ctx.Done()
		stop()
	}()
	os.Exit(run(ctx))
}

func run(ctx context.Context) int {
	err := rootCommand().ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "pvlock:", message(err))
	}
	return exitCode(err)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "pvlock",
		Short: "Paravirtual spinlocks: measure them, break them, prove them",
		Long: `Paravirtual spinlocks: measure them, break them, prove them.

A spinlock assumes that its holder is running. On shared machines it is not:
the hypervisor takes the vCPU, the kernel takes the thread, the Go scheduler
takes the goroutine. What to try first:

  pvlock doctor     what is beneath this process, and what it costs: a second
  pvlock bench      which locks survive that here: under a minute
  pvlock check      every interleaving of the locks' own text: minutes
  pvlock sim        the same text on a simulated host, of any size
  pvlock torture    the same while everything around it misbehaves
  pvlock report     all of that as one page; bench --html page.html for short

Each says more with -h. Exit status: 0, 1 if what was looked for was found (a violation, a lock
that hangs, a loss), 2 if what was asked for can't be done (a bad flag; the environment refused,
or took away what was needed), 130 if it was interrupted. The first of these that applies
counts; what was
measured by then is shown and written.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		// Whatever the command: what can't be understood must not be taken for what was meant.
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFlags(cmd.Flags()); err != nil {
				return err
			}
			_, err := boot.Environment()
			return err
		},
	}
	root.AddCommand(benchCommand(), checkCommand(), simCommand(), tortureCommand(), reportCommand(),
		patchCommand(), doctorCommand())
	return root
}
