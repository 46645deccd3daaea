// Running one experiment on every rank of a job.
#pragma once

#include <functional>
#include <memory>

#include "distributed/comm/communicator.h"
#include "launcher/experiment/trainer.h"

namespace tessera::experiment {

// Makes this rank's Trainer; a config that cannot be used throws here.
using MakeTrainer = std::function<std::unique_ptr<Trainer>()>;

// Trains on this rank, and returns the exit code. A collective. Ranks first tell each other whether
// they could start: each distinct error is printed once, by the first rank that has it, and all
// ranks end. Of the errors later on, a SharedError is printed by rank 0; any other is printed by
// the rank that has it, and ends the others.
int train_rank(Communicator& comm, const MakeTrainer& make);

// The ranks of this job, one of which this process is: those of mpirun, or this one alone.
int train_job(const MakeTrainer& make);

// num_ranks ranks as threads of this process.
int train_threads(int num_ranks, const MakeTrainer& make);

// What `compute.threads` stands for on one of `local_ranks` ranks of this node: the number
// given, else TESSERA_NUM_THREADS, else the node's cores shared out among the ranks, but not
// more than this process may run on.
int threads_for(const AutoInt& threads, int local_ranks);

// How many ranks of this job are on this node, as its launcher says; 1 when it says nothing.
int local_ranks_of_job();

}  // namespace tessera::experiment
