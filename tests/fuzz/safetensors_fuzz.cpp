// Any bytes as a safetensors file: tensors whose bytes can all be read, or an Error.
#include "core/io/safetensors.h"
#include "tests/fuzz/array_reads.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tessera::fuzz::MemoryFileSystem files(data, size);
  try {
    tessera::SafetensorsReader reader("fuzz.safetensors", files);
    for (const auto& entry : reader.tensors()) tessera::fuzz::read_all(reader.read(entry));
  } catch (const tessera::Error&) {
  }
  return 0;
}
