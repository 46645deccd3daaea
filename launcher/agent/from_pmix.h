// What a tessera-pmix reports to its agent: one type for each frame.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "launcher/agent/fields.h"
#include "launcher/agent/frames.h"

namespace tessera::agent {
namespace from_pmix {

// What to_pmix::Prepare asked for is done.
struct Ready {
  static constexpr FrameType kType = FrameType::ready;

  std::vector<std::string> fields() const { return {}; }
  static Ready read(Fields&) { return {}; }
  bool operator==(const Ready&) const = default;
};

// A rank has a process.
struct Started {
  static constexpr FrameType kType = FrameType::started;
  int local_index = 0;
  pid_t process = 0;

  std::vector<std::string> fields() const;
  static Started read(Fields& fields);
  bool operator==(const Started&) const = default;
};

// Why a rank's program could not be started; Exited with code 127 follows.
struct ExecFailed {
  static constexpr FrameType kType = FrameType::exec_failed;
  int local_index = 0;
  std::string text;

  std::vector<std::string> fields() const;
  static ExecFailed read(Fields& fields);
  bool operator==(const ExecFailed&) const = default;
};

// A rank has called MPI_Init.
struct Connected {
  static constexpr FrameType kType = FrameType::connected;
  int rank = 0;

  std::vector<std::string> fields() const;
  static Connected read(Fields& fields);
  bool operator==(const Connected&) const = default;
};

// A rank has called MPI_Finalize.
struct Finalized {
  static constexpr FrameType kType = FrameType::finalized;
  int rank = 0;

  std::vector<std::string> fields() const;
  static Finalized read(Fields& fields);
  bool operator==(const Finalized&) const = default;
};

// A rank has called MPI_Abort.
struct Aborted {
  static constexpr FrameType kType = FrameType::aborted;
  int rank = 0;
  int32_t status = 0;
  std::string message;

  std::vector<std::string> fields() const;
  static Aborted read(Fields& fields);
  bool operator==(const Aborted&) const = default;
};

// A rank's process has ended.
struct Exited {
  static constexpr FrameType kType = FrameType::exited;
  int local_index = 0;
  bool by_signal = false;
  int value = 0;  // the signal, or the exit code

  std::vector<std::string> fields() const;
  static Exited read(Fields& fields);
  bool operator==(const Exited&) const = default;
};

// All local members of a fence are in it; to_pmix::FenceDone ends it.
struct Fence {
  static constexpr FrameType kType = FrameType::fence;
  std::string key;
  std::vector<int64_t> nodes;  // that take part
  std::string data;            // of this one

  std::vector<std::string> fields() const;
  static Fence read(Fields& fields);
  bool operator==(const Fence&) const = default;
};

struct LeaseExpired {
  static constexpr FrameType kType = FrameType::lease_expired;

  std::vector<std::string> fields() const { return {}; }
  static LeaseExpired read(Fields&) { return {}; }
  bool operator==(const LeaseExpired&) const = default;
};

// Everything is dead.
struct Ended {
  static constexpr FrameType kType = FrameType::ended;

  std::vector<std::string> fields() const { return {}; }
  static Ended read(Fields&) { return {}; }
  bool operator==(const Ended&) const = default;
};

// The process's own failure, after which it ends.
struct Failed {
  static constexpr FrameType kType = FrameType::failed;
  std::string text;

  std::vector<std::string> fields() const { return {text}; }
  static Failed read(Fields& fields) { return {fields.bytes("text")}; }
  bool operator==(const Failed&) const = default;
};

// A rank is in a call of MPI with others that is not served.
struct NotServed {
  static constexpr FrameType kType = FrameType::not_served;
  int rank = 0;
  std::string call;

  std::vector<std::string> fields() const;
  static NotServed read(Fields& fields);
  bool operator==(const NotServed&) const = default;
};

// A local rank needs what one of another node has published; to_pmix::ModexDone answers.
struct ModexWanted {
  static constexpr FrameType kType = FrameType::modex_request;
  int64_t id = 0;
  int64_t owner_node = 0;
  int64_t rank = 0;

  std::vector<std::string> fields() const;
  static ModexWanted read(Fields& fields);
  bool operator==(const ModexWanted&) const = default;
};

// What to_pmix::LookUp asked for.
struct ModexFound {
  static constexpr FrameType kType = FrameType::modex_data;
  std::string id;
  int64_t asking_node = 0;
  int32_t status = 0;
  std::string data;

  std::vector<std::string> fields() const;
  static ModexFound read(Fields& fields);
  bool operator==(const ModexFound&) const = default;
};

}  // namespace from_pmix

using FromPmix =
    std::variant<from_pmix::Ready, from_pmix::Started, from_pmix::ExecFailed, from_pmix::Connected,
                 from_pmix::Finalized, from_pmix::Aborted, from_pmix::Exited, from_pmix::Fence,
                 from_pmix::LeaseExpired, from_pmix::Ended, from_pmix::Failed, from_pmix::NotServed,
                 from_pmix::ModexWanted, from_pmix::ModexFound>;

// Throws Error that names the frame and the field that is wrong.
FromPmix read_from_pmix(Frame frame);

}  // namespace tessera::agent
