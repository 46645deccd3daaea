// Bytes from a tessera-pmix that has gone mad, in torn pieces; and node lists and hostfiles.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "launcher/agent/frames.h"
#include "launcher/agent/host_list.h"

namespace {

void read_frames(std::string_view text, size_t piece) {
  tessera::agent::FrameReader reader;
  try {
    for (size_t begin = 0; begin < text.size(); begin += piece) {
      reader.feed(text.substr(begin, piece));
      while (reader.next()) {
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
