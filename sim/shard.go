package sim

import (
	"fmt"
	"strconv"
	"strings"

	"example.com/pvlock/result"
)

// Variables that say which shard this is.
const (
	// Kubernetes sets the first one in the pods of an Indexed Job, counted from 0. It tells nobody
	// how many there are: the second one is ours, to be set to the Job's completions.
	envJobIndex = "JOB_COMPLETION_INDEX"
	envJobCount = "PVLOCK_SHARDS"
	// Slurm sets these in the tasks of an array: sbatch --array=MIN-MAX:STEP.
	envTask      = "SLURM_ARRAY_TASK_ID"
	envTaskMin   = "SLURM_ARRAY_TASK_MIN"
	envTaskStep  = "SLURM_ARRAY_TASK_STEP"
	envTaskCount = "SLURM_ARRAY_TASK_COUNT"
)

// maxShards is far above the number of cells.
const maxShards = maxCells

// ParseShard reads "i/n", part i of n, counted from 1.
func ParseShard(text string) (result.Shard, error) {
	i, n, ok := strings.Cut(text, "/")
	index, err1 := strconv.Atoi(i)
	of, err2 := strconv.Atoi(n)
	if !ok || err1 != nil || err2 != nil || of < 1 || of > maxShards || index < 1 || index > of {
		return result.Shard{}, fmt.Errorf("shard %q: want I/N with I from 1 to N and N up to %d, "+
			"such as 2/5", text, maxShards)
	}
	return result.Shard{Index: index, Of: of}, nil
}

// ShardFrom finds the shard in the variables of a Kubernetes Indexed Job or of a Slurm array.
// Without them it is the whole sweep.
func ShardFrom(lookup func(string) (string, bool)) (result.Shard, error) {
	_, job := lookup(envJobIndex)
	_, array := lookup(envTask)
	switch {
	case job && array:
		return result.Shard{}, fmt.Errorf("both %s and %s are set: say which with --shard I/N",
			envJobIndex, envTask)
	case job:
		index, err := number(lookup, envJobIndex, "")
		if err != nil {
			return result.Shard{}, err
		}
		of, err := number(lookup, envJobCount, "")
		if err != nil {
			return result.Shard{}, fmt.Errorf("%w: set it to the Job's completions, or give "+
				"--shard I/N", err)
		}
		if of < 1 || of > maxShards || index < 0 || index >= of {
			return result.Shard{}, fmt.Errorf("%s=%d of %s=%d: want 0 to one less than that",
				envJobIndex, index, envJobCount, of)
		}
		return result.Shard{Index: index + 1, Of: of}, nil
	case array:
		return shardOfArray(lookup)
	}
	return result.Shard{Index: 1, Of: 1}, nil
}

func shardOfArray(lookup func(string) (string, bool)) (result.Shard, error) {
	var task, least, step, of int
	for _, v := range []struct {
		name, unset string
		to          *int
	}{{envTask, "", &task}, {envTaskMin, "0", &least}, {envTaskStep, "1", &step},
		{envTaskCount, "", &of}} {
		n, err := number(lookup, v.name, v.unset)
		if err != nil {
			return result.Shard{}, err
		}
		*v.to = n
	}
	if of < 1 || of > maxShards || step < 1 || task < least || (task-least)%step != 0 ||
		(task-least)/step >= of {
		return result.Shard{}, fmt.Errorf("%s=%d of %s=%d from %s=%d in steps of %d: want an "+
			"array without holes", envTask, task, envTaskCount, of, envTaskMin, least, step)
	}
	return result.Shard{Index: (task-least)/step + 1, Of: of}, nil
}

// number reads a variable; unset is what it is if it isn't there, "" for an error.
func number(lookup func(string) (string, bool), name, unset string) (int, error) {
	text, ok := lookup(name)
	if !ok {
		if text = unset; text == "" {
			return 0, fmt.Errorf("%s is not set", name)
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%s=%q: want a number", name, text)
	}
	return n, nil
}

// shardOf returns the numbers of the shard's cells. They are dealt out in turn, because neighbours
// cost much the same.
func shardOf(cells int, shard result.Shard) (mine []int) {
	for c := shard.Index - 1; c < cells; c += shard.Of {
		mine = append(mine, c)
	}
	return mine
}
