// What `tessera launch` tells its ranks of the job that they belong to.
#pragma once

#include <cstdint>
#include <string>

namespace tessera::experiment {

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

// By what this process was started, as the environment tells before MPI is initialized: "tessera
// launch, job 0123abcd, generation 1, 4 ranks", "mpirun, 2 ranks", "srun, 2 ranks", "another PMIx
// launcher", or "none: this process was started alone".
std::string describe_launcher();

}  // namespace tessera::experiment
