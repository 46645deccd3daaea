#include "launcher/experiment/launched_job.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace tessera::experiment {
namespace {

int64_t number_from(const char* variable) {
  const char* text = std::getenv(variable);
  if (!text) return 0;
  std::string_view view(text);
  int64_t value = 0;
  auto [end, error] = std::from_chars(view.begin(), view.end(), value);
  return error == std::errc() && end == view.end() && value > 0 ? value : 0;
}

}  // namespace

LaunchedJob launched_job() {
  const char* id = std::getenv("TESSERA_JOB_ID");
  if (!id || !*id) return {};
  return {id, number_from("TESSERA_GENERATION"), static_cast<int>(number_from("WORLD_SIZE")),
          static_cast<int>(number_from("RANK"))};
}

std::string describe_launcher() {
  auto ranks = [](int64_t count) {
    return count > 0 ? fmt::format("{} rank{}", count, count == 1 ? "" : "s")
                     : std::string("an unknown number of ranks");
  };
  if (LaunchedJob job = launched_job(); !job.id.empty()) {
    return fmt::format("tessera launch, job {}, generation {}, {}", job.id, job.generation,
                       ranks(job.num_ranks));
  }
  if (std::getenv("OMPI_COMM_WORLD_RANK")) {
    return "mpirun, " + ranks(number_from("OMPI_COMM_WORLD_SIZE"));
  }
  bool pmix = std::getenv("PMIX_RANK") != nullptr;
  if (pmix && std::getenv("SLURM_PROCID")) return "srun, " + ranks(number_from("SLURM_NTASKS"));
  if (std::getenv("SLURM_PROCID")) {
    return "srun without PMIx, by which no MPI can start: srun --mpi=pmix does it";
  }
  return pmix ? "another PMIx launcher" : "none: this process was started alone";
}

}  // namespace tessera::experiment
