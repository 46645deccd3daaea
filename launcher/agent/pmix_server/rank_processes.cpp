#include "launcher/agent/pmix_server/rank_processes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "launcher/agent/pmix_server/options.h"
#include "launcher/agent/pmix_server/system_error.h"
#include "launcher/agent/to_pmix.h"

namespace tessera::agent {
namespace {

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// One cpu_set_t holds 1024; the calls take any number of them in a row.
std::vector<cpu_set_t> cpu_set_of(const std::vector<int64_t>& cpus) {
  std::vector<cpu_set_t> set(kMaxCpus / CPU_SETSIZE);
  for (int64_t cpu : cpus) {
    CPU_SET_S(static_cast<size_t>(cpu), set.size() * sizeof(cpu_set_t), set.data());
  }
  return set;
}

std::string explain(const ChildFailure& failure, const RankProgram& program) {
  std::string reason = reason_of(failure.error_number);
  switch (failure.step) {
    case ChildStep::none: return "";
    case ChildStep::descriptors:
      return fmt::format("cannot set up descriptors for {}: {}", program.arguments[0], reason);
    case ChildStep::binding:
      return fmt::format("cannot bind {} to CPUs {}: {}", program.arguments[0],
                         fmt::join(program.cpus, ","), reason);
    case ChildStep::folder:
      return fmt::format("cannot run {} in {}: {}", program.arguments[0], program.folder, reason);
    case ChildStep::program: return fmt::format("cannot run {}: {}", program.arguments[0], reason);
  }
  return "";
}

// What a child that has ended said about its start.
ChildFailure read_failure(int descriptor) {
  ChildFailure failure;
  ssize_t size = read(descriptor, &failure, sizeof failure);
  return size == sizeof failure ? failure : ChildFailure{};
}

}  // namespace

pid_t RankProcesses::start(size_t local_index, RankProgram program) {
  Rank& rank = ranks_[local_index];
  rank.program = std::move(program);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) throw_system_error("make a pipe");
  rank.failure = Descriptor(ends[0]);
  Descriptor told(ends[1]);
  Descriptor output(output_descriptor(local_index));
  Descriptor errors(error_descriptor(local_index));
  // The first rank reads what the agent lets it read.
  Descriptor nothing(local_index == 0 ? -1 : open("/dev/null", O_RDONLY | O_CLOEXEC));
  std::vector<char*> arguments = pointers_to(rank.program.arguments);
  std::vector<char*> environment = pointers_to(rank.program.environment);
  std::vector<cpu_set_t> cpus = cpu_set_of(rank.program.cpus);
  ChildPlan plan{.arguments = arguments.data(),
                 .environment = environment.data(),
                 .folder = rank.program.folder.c_str(),
                 .cpus = rank.program.cpus.empty() ? nullptr : cpus.data(),
                 .cpus_bytes = cpus.size() * sizeof(cpu_set_t),
                 .input = local_index == 0 ? STDIN_FILENO : nothing.get(),
                 .output = output.get(),
                 .errors = errors.get(),
                 .failure = told.get(),
                 .parent = getpid()};
  rank.pid = fork();
  if (rank.pid == 0) run_child(plan);
  if (rank.pid < 0) throw_system_error(fmt::format("fork {}", rank.program.arguments[0]));
  // Here and in the child: whichever is first, the group is there for both afterwards.
  setpgid(rank.pid, rank.pid);
  return rank.pid;
}

std::vector<RankExit> RankProcesses::reap() {
  std::vector<RankExit> exits;
  int status = 0;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    auto rank = std::find_if(ranks_.begin(), ranks_.end(),
                             [pid](const Rank& candidate) { return candidate.pid == pid; });
    if (rank != ranks_.end()) exits.push_back(make_exit(*rank, status));
  }
  return exits;
}

void RankProcesses::signal_all(int signal) const {
  for (const Rank& rank : ranks_) {
    if (rank.pid > 0) kill(-rank.pid, signal);
  }
}

RankExit RankProcesses::make_exit(Rank& rank, int status) const {
  RankExit exit;
  exit.local_index = static_cast<size_t>(&rank - ranks_.data());
  exit.by_signal = WIFSIGNALED(status);
  exit.value = exit.by_signal ? WTERMSIG(status) : WEXITSTATUS(status);
  exit.failure = explain(read_failure(rank.failure.get()), rank.program);
  rank.failure.reset();
  rank.pid = -1;
  return exit;
}

}  // namespace tessera::agent
