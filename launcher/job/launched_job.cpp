#include "launcher/job/launched_job.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <string_view>

namespace tessera::job {
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

std::optional<StrangerTasks> tasks_of_strangers() {
  for (const char* known : {"TESSERA_JOB_ID", "OMPI_COMM_WORLD_SIZE", "PMIX_RANK"}) {
    if (std::getenv(known)) return std::nullopt;
  }
  struct Launcher {
    const char* mark;  // a variable that only its processes have
    const char* number;
    const char* count;
    const char* name;
    const char* instead;
  };
  // A batch script has Slurm's variables too, but not how many tasks its step has.
  constexpr const char* kMpirun = "mpirun of Open MPI";
  constexpr std::array<Launcher, 6> kLaunchers{
      {{"SLURM_PROCID", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "srun",
        "srun --mpi=pmix, where Slurm has it"},
       {"PMI_RANK", "PMI_RANK", "PMI_SIZE", "another MPI's launcher", kMpirun},
       {"MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", "MVAPICH's launcher",
        kMpirun},
       {"FLUX_TASK_RANK", "FLUX_TASK_RANK", "FLUX_JOB_SIZE", "flux run", kMpirun},
       {"JSM_NAMESPACE_RANK", "JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE", "jsrun", kMpirun},
       {"TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE", "torchrun", kMpirun}}};
  for (const Launcher& each : kLaunchers) {
    int64_t count = number_from(each.count);
    if (std::getenv(each.mark) && count > 1) {
      return StrangerTasks{each.name, count, number_from(each.number), each.instead};
    }
  }
  return std::nullopt;
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
    if (!std::getenv("SLURM_STEP_ID")) return "none: this is a batch script of Slurm's";
    int64_t tasks = number_from("SLURM_STEP_NUM_TASKS");
    if (tasks == 1) return "srun, one process by itself";
    return fmt::format(
        "srun without PMIx, by which its {} processes do not know of each other: srun "
        "--ntasks-per-node=1 tessera launch makes them ranks, or srun --mpi=pmix where Slurm has "
        "it",
        tasks);
  }
  return pmix ? "another PMIx launcher" : "none: this process was started alone";
}

}  // namespace tessera::job
