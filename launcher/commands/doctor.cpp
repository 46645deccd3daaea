#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "core/cpu/cpu.h"
#include "core/cuda/cuda.h"
#include "core/parallel.h"
#include "distributed/comm/direct/mpi_communicator.h"
#include "launcher/commands/commands.h"
#include "launcher/experiment/process_info.h"
#include "launcher/experiment/ranks.h"
#include "launcher/job/launched_job.h"

namespace tessera::commands {
namespace {

void row(const std::string& what, const std::string& value) {
  fmt::print("{:<14} {}\n", what, value);
}

std::string memory_text() {
  auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  double total = page * static_cast<double>(sysconf(_SC_PHYS_PAGES));
  double free = page * static_cast<double>(sysconf(_SC_AVPHYS_PAGES));
  return fmt::format("{:.1f} GiB, {:.1f} GiB free", total / (1 << 30), free / (1 << 30));
}

std::string cuda_text() {
  const cuda::Availability& available = cuda::availability();
  if (available.num_devices == 0) return "off: " + available.reason;
  return fmt::format("{} device{}, the first: {}", available.num_devices,
                     available.num_devices == 1 ? "" : "s", cuda::describe(0));
}

std::string data_text(const std::string& path) {
  return access(path.c_str(), R_OK) == 0 ? path
                                         : path + " is missing; scripts/prepare_data makes it";
}

int examine() {
  using namespace experiment;  // NOLINT(google-build-using-namespace)
  row("build", build_id());
  row("instructions", cpu::instruction_set());
  row("cores", fmt::format("{} of the machine's {}", num_cores(), sysconf(_SC_NPROCESSORS_ONLN)));
  row("threads", fmt::format("{} a rank, unless compute.threads says otherwise",
                             threads_for(AutoInt(), local_ranks_of_job())));
  row("memory", memory_text());
  row("MPI", mpi_version());
  row("launcher", job::describe_launcher());
  row("CUDA", cuda_text());
  row("data", data_text("data/kjv.txt"));
  row("", data_text("data/fashion-mnist/train-images-idx3-ubyte"));
  return 0;
}

}  // namespace

Command doctor() {
  return [](CLI::App& app, std::function<int()>& action) {
    CLI::App* command = app.add_subcommand("doctor", "Say what this build and this machine can do");
    command->callback([&action] { action = examine; });
  };
}

}  // namespace tessera::commands
