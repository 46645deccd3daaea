#include "core/io/npy.h"

#include <array>

#include "core/io/elements.h"
#include "core/io/npy_format.h"

namespace tessera {

Array load_npy(const std::string& path, FileSystem& files) {
  return read_npy(*files.open(path), fmt::format("[load_npy] {}", path));
}

void save_npy(const std::string& path, const Array& array, FileSystem& files) {
  std::string what = fmt::format("[save_npy] {}", path);
  Array packed = packed_on_cpu(array, what);
  std::string preamble = npy_preamble(packed.dtype(), packed.shape(), what);
  const std::array pieces{std::as_bytes(std::span(preamble)), bytes_of(packed)};
  files.write_atomically(path, pieces);
}

}  // namespace tessera
