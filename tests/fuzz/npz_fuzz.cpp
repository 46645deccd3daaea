// Any bytes as an npz file: arrays whose elements can all be read, or an Error.
#include "core/io/npz.h"
#include "tests/fuzz/array_reads.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tessera::fuzz::MemoryFileSystem files(data, size);
  try {
    for (const auto& [name, array] : tessera::load_npz("fuzz.npz", files)) {
      tessera::fuzz::read_all(array);
    }
  } catch (const tessera::Error&) {
  }
  return 0;
}
