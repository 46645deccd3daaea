#include "launcher/agent/pmix_server/name_space.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pmix_server.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "launcher/agent/pmix_server/pmix_info.h"
#include "launcher/agent/pmix_server/system_error.h"

namespace tessera::agent {
namespace {

struct Free {
  void operator()(char* text) const { std::free(text); }
};
using CString = std::unique_ptr<char, Free>;

void make_dir(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0) throw_system_error(fmt::format("make {}", path));
}

// The ranks of all nodes as PMIx writes them: "0,1;2,3".
std::string rank_map(const JobLayout& layout) {
  std::vector<std::string> nodes;
  for (const auto& ranks : layout.ranks) nodes.push_back(fmt::format("{}", fmt::join(ranks, ",")));
  return fmt::format("{}", fmt::join(nodes, ";"));
}

void add_maps(InfoList& job, const JobLayout& layout) {
  char* text = nullptr;
  check_pmix(PMIx_generate_regex(fmt::format("{}", fmt::join(layout.nodes, ",")).c_str(), &text),
             "PMIx_generate_regex");
  CString nodes(text);
  check_pmix(PMIx_generate_ppn(rank_map(layout).c_str(), &text), "PMIx_generate_ppn");
  CString ranks(text);
  job.add_regex(PMIX_NODE_MAP, nodes.get());
  job.add_regex(PMIX_PROC_MAP, ranks.get());
}

void add_sizes(InfoList& job, const JobLayout& layout) {
  for (const char* key : {PMIX_JOB_SIZE, PMIX_UNIV_SIZE, PMIX_MAX_PROCS, PMIX_APP_SIZE}) {
    job.add_u32(key, layout.world_size());
  }
  job.add_u32(PMIX_NUM_NODES, static_cast<uint32_t>(layout.nodes.size()));
  job.add_u32(PMIX_JOB_NUM_APPS, 1);
  job.add_u32(PMIX_SESSION_ID, 1);
  job.add_text(PMIX_JOBID, layout.nspace);
  const auto& local_ranks = layout.local_ranks();
  for (const char* key : {PMIX_LOCAL_SIZE, PMIX_NODE_SIZE}) {
    job.add_u32(key, static_cast<uint32_t>(local_ranks.size()));
  }
  job.add_text(PMIX_LOCAL_PEERS, fmt::format("{}", fmt::join(local_ranks, ",")));
  job.add_rank(PMIX_LOCALLDR, local_ranks.front());
}

// With any of these given libpmix derives none of a rank's values itself, so all must be here; the
// rank has to come first.
void add_rank(InfoList& job, const JobLayout& layout, uint32_t node, uint32_t local_index,
              const std::string& job_dir) {
  uint32_t number = layout.ranks[node][local_index];
  InfoList rank;
  rank.add_rank(PMIX_RANK, number);
  rank.add_u32(PMIX_APPNUM, 0);
  rank.add_rank(PMIX_APP_RANK, number);
  rank.add_rank(PMIX_GLOBAL_RANK, number);
  rank.add_u16(PMIX_LOCAL_RANK, static_cast<uint16_t>(local_index));
  rank.add_u16(PMIX_NODE_RANK, static_cast<uint16_t>(local_index));
  rank.add_u32(PMIX_NODEID, node);
  rank.add_text(PMIX_HOSTNAME, layout.nodes[node]);
  if (node == layout.node_index) {
    std::string dir = fmt::format("{}/{}", job_dir, number);
    make_dir(dir);
    rank.add_text(PMIX_PROCDIR, dir);
  }
  job.add_list(PMIX_PROC_DATA, rank);
}

}  // namespace

void register_job(const JobLayout& layout, const std::string& session_dir) {
  InfoList job;
  add_sizes(job, layout);
  add_maps(job, layout);
  std::string job_dir = session_dir + "/ranks";
  make_dir(job_dir);
  job.add_text(PMIX_TMPDIR, session_dir);
  job.add_text(PMIX_NSDIR, job_dir);
  // Keeps Open MPI out of /tmp: the folders are ours to remove.
  job.add_flag(PMIX_TDIR_RMCLEAN, true);
  for (uint32_t node = 0; node < layout.nodes.size(); ++node) {
    for (uint32_t i = 0; i < layout.ranks[node].size(); ++i) {
      add_rank(job, layout, node, i, job_dir);
    }
  }
  int num_local = static_cast<int>(layout.local_ranks().size());
  check_pmix(PMIx_server_register_nspace(layout.nspace.c_str(), num_local, job.data(), job.size(),
                                         nullptr, nullptr),
             "PMIx_server_register_nspace");
  for (uint32_t rank : layout.local_ranks()) {
    pmix_proc_t id = process_id(layout.nspace, rank);
    check_pmix(PMIx_server_register_client(&id, geteuid(), getegid(), nullptr, nullptr, nullptr),
               "PMIx_server_register_client");
  }
}

std::vector<std::string> identity_of(const JobLayout& layout, uint32_t rank) {
  pmix_proc_t id = process_id(layout.nspace, rank);
  char** entries = nullptr;
  check_pmix(PMIx_server_setup_fork(&id, &entries), "PMIx_server_setup_fork");
  std::vector<std::string> out;
  for (char** entry = entries; entry && *entry; ++entry) out.emplace_back(CString(*entry).get());
  std::free(entries);
  // Open MPI 4 takes a process for a job of its own, of size 1, unless it knows the launcher from
  // the environment. Of the launchers it knows, this one asks for nothing but PMIx.
  out.emplace_back("JSM_JSRUN_PORT=1");
  return out;
}

}  // namespace tessera::agent
