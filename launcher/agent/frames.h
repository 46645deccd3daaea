// The messages between a node agent and its tessera-pmix, on a byte stream.
//
// On the wire, all numbers u32 little endian: the number of bytes that follow this number, the
// type, the number of fields, and for every field its length and its bytes. Both ends are the same
// build on the same node, so there is no version.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::agent {

// to_pmix.h and from_pmix.h have a type for each of them. Numbers in fields are decimal text. A
// `status` is a PMIx status, 0 for success.
enum class FrameType : uint32_t {
  // Orders: agent to server.
  prepare = 1,     // nspace, node names "a,b", ranks per node "0,1;2,3", world_size, first_rank,
                   // node_index
  program = 2,     // cwd, argc, the arguments, the environment as NAME=VALUE
  rank = 3,        // local_index, cpus "0,1" or "" for any, additional environment as NAME=VALUE
  start = 4,       //
  fence_done = 5,  // key, status, data
  signal = 6,      // number, to every living rank's process group
  lease = 7,       // deadline in ms of CLOCK_BOOTTIME
  end = 8,         //
  // Both ways. As an order: id, asking_node, rank (look it up here); as a report: id, owner_node,
  // rank (have it looked up there).
  modex_request = 9,
  // As an order: id, status, data (the answer to this server's request); as a report: id,
  // asking_node, status, data (what was found here).
  modex_data = 10,
  // Reports: server to agent.
  ready = 11,          //
  started = 12,        // local_index, pid
  exec_failed = 13,    // local_index, text; `exited` with code 127 follows
  connected = 14,      // rank: has called MPI_Init
  finalized = 15,      // rank: has called MPI_Finalize
  aborted = 16,        // rank, status, message: has called MPI_Abort
  exited = 17,         // local_index, "exit" or "signal", its value
  fence = 18,          // key, participating node indices "0,1", data
  lease_expired = 19,  //
  ended = 20,          // everything is dead
  failed = 21,         // text: the server's own failure, after which it ends
  not_served = 22,     // rank, the call of MPI that it is in with others
};

// Lower case, as above.
std::string_view name_of(FrameType type);

struct Frame {
  FrameType type;
  std::vector<std::string> fields;
};

// The largest frame, its own length number not counted.
inline constexpr size_t kMaxFrameBytes = size_t{64} << 20;

// Throws Error if the frame is larger than kMaxFrameBytes.
std::string encode(const Frame& frame);

// Takes bytes as they come and gives whole frames.
class FrameReader {
 public:
  void feed(std::string_view bytes);

  // The next frame, or nothing until more bytes came. Throws Error if the bytes are no frame, and
  // then again at every call: there is no way to find the next frame's start.
  std::optional<Frame> next();

 private:
  std::string bytes_;
  size_t start_ = 0;
};

// Sends a frame to a blocking socket. Throws Error if the peer is gone.
void send_frame(int descriptor, const Frame& frame);

}  // namespace tessera::agent
