// The nodes of a job, as Slurm or a hostfile names them, and which of them this node is.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::agent {

// Of a list, and the slots of a host.
constexpr size_t kMaxHosts = 65536;

struct Host {
  // A host name or a literal address (IPv6 without brackets), as it was written.
  std::string name;
  // How many workers it is meant for, from 1 to kMaxHosts; 0: not given.
  int slots = 0;

  bool operator==(const Host&) const = default;
};

// The names that a Slurm node list (SLURM_JOB_NODELIST) stands for, in its order, of several
// brackets the last one fastest: "node[01-03,7],gpu5" is node01 node02 node03 node7 gpu5. A range
// is padded with zeros to the width of its first number. Throws Error naming the column for what is
// not such a list, for more than kMaxHosts names, and for a name of more than 253 bytes.
std::vector<std::string> expand_slurm_nodes(std::string_view list);

// The hosts of a hostfile's text: lines of `name [slots=N] [# comment]`, blank ones allowed. Throws
// Error starting with path:line:column (from 1, in bytes) for anything else, a host named twice
// (case and a final dot aside), more than kMaxHosts, or none.
std::vector<Host> parse_hostfile(std::string_view text, const std::string& path);
// The same for a file of at most 1 MiB.
std::vector<Host> read_hostfile(const std::string& path);

// The index of the host that is this node, given its own host names and addresses. Hosts with an
// own name or address go first; only where there are none do host names match whose first labels
// are equal and of which one has no domain (node1 and node1.cluster). Case and a final dot do not
// count, and no name is looked up. None if no host matches; an Error if several do.
std::optional<int> own_index(std::span<const Host> hosts, std::span<const std::string> own_names);

}  // namespace tessera::agent
