// Bytes from a tessera-pmix, or an agent, that has gone mad, in torn pieces; and node lists and
// hostfiles. What is read as an order or a report must come back from its own frame.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "core/error.h"
#include "launcher/agent/from_pmix.h"
#include "launcher/agent/host_list.h"
#include "launcher/agent/to_pmix.h"
#include "launcher/agent/typed_frames.h"

namespace {

using tessera::agent::Frame;

template <class Message>
void read_typed(const Frame& frame, Message (*read)(Frame)) {
  std::optional<Message> message;
  try {
    message = read(frame);
  } catch (const tessera::Error&) {
    return;
  }
  // Numbers may have been written otherwise; their types say the same.
  if (read(tessera::agent::frame_of(*message)) != *message) std::abort();
}

void read_frames(std::string_view text, size_t piece) {
  tessera::agent::FrameReader reader;
  try {
    for (size_t begin = 0; begin < text.size(); begin += piece) {
      reader.feed(text.substr(begin, piece));
      while (auto frame = reader.next()) {
        read_typed(*frame, tessera::agent::read_to_pmix);
        read_typed(*frame, tessera::agent::read_from_pmix);
      }
    }
  } catch (const tessera::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.empty()) return 0;
  read_frames(text.substr(1), 1 + data[0] % 64);
  try {
    tessera::agent::expand_slurm_nodes(text);
  } catch (const tessera::Error&) {
  }
  try {
    tessera::agent::parse_hostfile(text, "hosts");
  } catch (const tessera::Error&) {
  }
  return 0;
}
