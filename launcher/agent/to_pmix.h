// What an agent orders its tessera-pmix to do: one type for each frame.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "launcher/agent/fields.h"
#include "launcher/agent/frames.h"

namespace tessera::agent {

// Ranks of one generation, at most.
inline constexpr int64_t kMaxWorldSize = 1 << 20;
// CPU numbers are below this.
inline constexpr int64_t kMaxCpus = 8192;

namespace to_pmix {

// A generation of ranks: who they are, and where.
struct Prepare {
  static constexpr FrameType kType = FrameType::prepare;
  std::string nspace;                       // the job's name to PMIx
  std::vector<std::string> nodes;           // their names
  std::vector<std::vector<int64_t>> ranks;  // of every node, by local index
  int64_t world_size = 0;
  int64_t first_rank = 0;  // of this node
  int64_t node_index = 0;

  std::vector<std::string> fields() const;
  static Prepare read(Fields& fields);
  bool operator==(const Prepare&) const = default;
};

// What the ranks run.
struct Program {
  static constexpr FrameType kType = FrameType::program;
  std::string folder;
  std::vector<std::string> arguments;    // the program first
  std::vector<std::string> environment;  // NAME=VALUE

  std::vector<std::string> fields() const;
  static Program read(Fields& fields);
  bool operator==(const Program&) const = default;
};

// What one rank has of its own.
struct Rank {
  static constexpr FrameType kType = FrameType::rank;
  int64_t local_index = 0;
  std::vector<int64_t> cpus;             // none: any
  std::vector<std::string> environment;  // besides the program's

  std::vector<std::string> fields() const;
  static Rank read(Fields& fields);
  bool operator==(const Rank&) const = default;
};

struct Start {
  static constexpr FrameType kType = FrameType::start;

  std::vector<std::string> fields() const { return {}; }
  static Start read(Fields&) { return {}; }
  bool operator==(const Start&) const = default;
};

// The end of a fence that was reported.
struct FenceDone {
  static constexpr FrameType kType = FrameType::fence_done;
  std::string key;
  int32_t status = 0;  // of PMIx, 0 for success
  std::string data;    // of all nodes

  std::vector<std::string> fields() const;
  static FenceDone read(Fields& fields);
  bool operator==(const FenceDone&) const = default;
};

// To every living rank's process group.
struct Signal {
  static constexpr FrameType kType = FrameType::signal;
  int number = 0;

  std::vector<std::string> fields() const;
  static Signal read(Fields& fields);
  bool operator==(const Signal&) const = default;
};

// Until when the ranks may live without another one.
struct Lease {
  static constexpr FrameType kType = FrameType::lease;
  int64_t deadline_ms = 0;  // of CLOCK_BOOTTIME

  std::vector<std::string> fields() const;
  static Lease read(Fields& fields);
  bool operator==(const Lease&) const = default;
};

struct End {
  static constexpr FrameType kType = FrameType::end;

  std::vector<std::string> fields() const { return {}; }
  static End read(Fields&) { return {}; }
  bool operator==(const End&) const = default;
};

// Another node asks for what a rank of this one has published.
struct LookUp {
  static constexpr FrameType kType = FrameType::modex_request;
  std::string id;  // the asking server's
  int64_t asking_node = 0;
  int64_t rank = 0;

  std::vector<std::string> fields() const;
  static LookUp read(Fields& fields);
  bool operator==(const LookUp&) const = default;
};

// The answer to a from_pmix::ModexWanted.
struct ModexDone {
  static constexpr FrameType kType = FrameType::modex_data;
  int64_t id = 0;
  int32_t status = 0;
  std::string data;

  std::vector<std::string> fields() const;
  static ModexDone read(Fields& fields);
  bool operator==(const ModexDone&) const = default;
};

}  // namespace to_pmix

using ToPmix = std::variant<to_pmix::Prepare, to_pmix::Program, to_pmix::Rank, to_pmix::Start,
                            to_pmix::FenceDone, to_pmix::Signal, to_pmix::Lease, to_pmix::End,
                            to_pmix::LookUp, to_pmix::ModexDone>;

// Throws Error that names the frame and the field that is wrong.
ToPmix read_to_pmix(Frame frame);

}  // namespace tessera::agent
