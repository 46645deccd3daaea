// Any bytes as a safetensors file: tensors whose bytes can all be read, or an Error.
#include "core/io/safetensors.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tessera::fuzz::MemoryFileSystem files(data, size);
  try {
    tessera::SafetensorsReader reader("fuzz.safetensors", files);
    volatile unsigned sum = 0;
    for (const auto& entry : reader.tensors()) {
      tessera::Array array = reader.read(entry);
      const auto* bytes = static_cast<const unsigned char*>(array.raw());
      for (size_t i = 0; i < array.nbytes(); ++i) sum = sum + bytes[i];
    }
  } catch (const tessera::Error&) {
  }
  return 0;
}
