// Package sim runs the locks' own text on a simulated host: any number of virtual CPUs over any number
// of physical ones, any scheduler, any price for an instruction, a wake-up or a switch.
//
// It is a discrete-event simulation in virtual nanoseconds, all integers: the same [Config] gives the same
// result on any machine. Memory is sequentially consistent and has costs; store buffers are the model checker's
// business.
package sim
