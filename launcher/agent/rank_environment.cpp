#include "launcher/agent/rank_environment.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "launcher/agent/pmix_server/options.h"
#include "launcher/job/progress_board.h"
#include "launcher/rendezvous/credentials.h"

namespace tessera::agent {
namespace {

std::vector<int> own_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

// Whether one process may read the memory of another of the same user (Yama).
bool may_read_peers() {
  std::ifstream file("/proc/sys/kernel/yama/ptrace_scope");
  int scope = 0;
  return !(file >> scope) || scope == 0;
}

std::string name_in(const std::string& entry) { return entry.substr(0, entry.find('=')); }

// Whether all agents run on this machine and met on its loopback.
bool is_on_loopback(const rendezvous::v1::Plan& plan) {
  return std::all_of(
      plan.nodes().begin(), plan.nodes().end(),
      [](const rendezvous::v1::Node& node) { return rendezvous::is_loopback(node.address()); });
}

}  // namespace

int RankEnvironment::first_rank() const {
  int rank = 0;
  for (int node = 0; node < place; ++node) rank += plan.nodes(node).slots();
  return rank;
}

std::vector<std::string> RankEnvironment::common(const std::vector<std::string>& inherited) const {
  std::map<std::string, std::string> defaults;
  bool one_node = plan.nodes_size() == 1;
  auto cores = static_cast<int>(own_cores().size());
  defaults["OMPI_MCA_pml"] = "ob1";
  defaults["OMPI_MCA_btl"] = one_node ? "self,vader" : "self,vader,tcp";
  // Open MPI leaves it out, and version 5 finds no other way between nodes of one address.
  if (!one_node && is_on_loopback(plan)) defaults["OMPI_MCA_btl_tcp_if_include"] = "lo";
  defaults["OMPI_MCA_shmem"] = "mmap";
  if (num_local() > cores) defaults["OMPI_MCA_mpi_yield_when_idle"] = "1";
  if (!may_read_peers()) defaults["OMPI_MCA_btl_vader_single_copy_mechanism"] = "none";
  defaults["OMP_NUM_THREADS"] = std::to_string(std::max(1, cores / num_local()));
  if (!snapshots.empty()) defaults["TESSERA_SNAPSHOT_DIR"] = snapshots;

  std::map<std::string, std::string> fixed;
  fixed["OMPI_MCA_btl_vader_backing_directory"] = shared_memory;
  // A rank that does not recognise this launcher would run alone, and end well.
  fixed["OMPI_MCA_ess"] = "^singleton";
  fixed["WORLD_SIZE"] = std::to_string(plan.world_size());
  fixed["LOCAL_WORLD_SIZE"] = std::to_string(num_local());
  fixed["NODE_RANK"] = std::to_string(place);
  fixed["MASTER_ADDR"] = plan.nodes(0).address();
  fixed["MASTER_PORT"] = std::to_string(plan.nodes(0).port());
  fixed["TESSERA_JOB_ID"] = job_id;
  fixed["TESSERA_JOB_STARTED_AT"] = std::to_string(started_at);
  fixed["TESSERA_GENERATION"] = std::to_string(plan.generation());

  std::vector<std::string> out;
  for (const std::string& entry : inherited) {
    std::string name = name_in(entry);
    defaults.erase(name);
    // Open MPI takes one of the two.
    if (name == "OMPI_MCA_btl_tcp_if_exclude") defaults.erase("OMPI_MCA_btl_tcp_if_include");
    if (!fixed.contains(name)) out.push_back(entry);
  }
  for (const auto* some : {&defaults, &fixed}) {
    for (const auto& [name, value] : *some) out.push_back(fmt::format("{}={}", name, value));
  }
  return out;
}

std::vector<std::string> RankEnvironment::of(int local_rank) const {
  return {fmt::format("RANK={}", first_rank() + local_rank),
          fmt::format("LOCAL_RANK={}", local_rank),
          fmt::format("{}={}:{}", job::kBoardVariable, kBoardDescriptor, local_rank)};
}

std::vector<int64_t> RankEnvironment::cores_of(int local_rank) const {
  std::vector<int> cores = own_cores();
  size_t each = cores.size() / static_cast<size_t>(num_local());
  if (!bind || each == 0) return {};
  auto first = cores.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(local_rank) * each);
  return {first, first + static_cast<std::ptrdiff_t>(each)};
}

std::vector<std::string> own_environment() {
  std::vector<std::string> out;
  for (char** entry = environ; *entry; ++entry) out.emplace_back(*entry);
  return out;
}

}  // namespace tessera::agent
