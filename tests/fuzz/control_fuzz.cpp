// The negative control: a reader that trusts the length in the file's header. The fuzzer must find
// that it reads past the end, or a silence of the others means nothing.
#include <cstdint>
#include <cstring>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 8 || std::memcmp(data, "\x93NUM", 4) != 0) return 0;
  std::vector<uint8_t> copy(data, data + size);
  size_t claimed = copy[4];
  volatile unsigned sum = 0;
  for (size_t i = 0; i < claimed; ++i) sum = sum + copy[8 + i];
  return 0;
}
