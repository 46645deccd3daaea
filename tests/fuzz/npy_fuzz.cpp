// Any bytes as an npy file: an array whose elements can all be read, or an Error.
#include "core/io/npy.h"
#include "tests/fuzz/array_reads.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tessera::fuzz::MemoryFileSystem files(data, size);
  try {
    tessera::fuzz::read_all(tessera::load_npy("fuzz.npy", files));
  } catch (const tessera::Error&) {
  }
  return 0;
}
