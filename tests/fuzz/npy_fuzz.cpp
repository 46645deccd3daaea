// Any bytes as an npy file: an array whose elements can all be read, or an Error.
#include "core/io/npy.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tessera::fuzz::MemoryFileSystem files(data, size);
  try {
    tessera::Array array = tessera::load_npy("fuzz.npy", files);
    const auto* bytes = static_cast<const unsigned char*>(array.raw());
    volatile unsigned sum = 0;
    for (size_t i = 0; i < array.nbytes(); ++i) sum = sum + bytes[i];
  } catch (const tessera::Error&) {
  }
  return 0;
}
