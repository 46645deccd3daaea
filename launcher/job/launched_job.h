// What `tessera launch` tells its ranks of the job that they belong to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace tessera::job {

struct LaunchedJob {
  std::string id;          // empty: not under `tessera launch`
  int64_t generation = 0;  // of the ranks; from 1
  // Of all ranks, and which one this is; 0 and 0 where nobody said.
  int num_ranks = 0;
  int rank = 0;

  // Whether ranks of the same job have been at work before these.
  bool begun() const { return !id.empty() && generation > 1; }
};

// From the environment.
LaunchedJob launched_job();

// Processes that something has started together and that have no MPI in common, of which this is
// one.
struct StrangerTasks {
  std::string launcher;  // "srun"
  int64_t count = 0;     // more than one
  int64_t number = 0;    // of this one among them
  std::string instead;   // what makes them one MPI job: "srun --mpi=pmix"
};

// From the environment; none under mpirun, `tessera launch` or another PMIx launcher, and where
// this process stands alone.
std::optional<StrangerTasks> tasks_of_strangers();

// By what this process was started, as the environment tells before MPI is initialized: "tessera
// launch, job 0123abcd, generation 1, 4 ranks", "mpirun, 2 ranks", "srun, 2 ranks", "another PMIx
// launcher", or "none: this process was started alone".
std::string describe_launcher();

}  // namespace tessera::job
