#include "core/io/elements.h"

#include <algorithm>
#include <bit>

namespace tessera {

static_assert(std::endian::native == std::endian::little, "files hold little-endian numbers");

std::optional<uint64_t> data_bytes(const Dims& shape, DType dtype) {
  auto span = static_cast<int64_t>(item_size(dtype));
  bool is_empty = false;
  // A size of 0 does not hide the others: strides are products of these, too.
  for (int64_t size : shape) {
    if (size < 0) return std::nullopt;
    is_empty |= size == 0;
    if (__builtin_mul_overflow(span, std::max<int64_t>(size, 1), &span)) return std::nullopt;
  }
  return is_empty ? 0 : static_cast<uint64_t>(span);
}

std::span<const std::byte> bytes_of(const Array& array) {
  TESSERA_ASSERT(array.defined() && array.is_contiguous() && array.device() == Device{});
  return {static_cast<const std::byte*>(array.raw()), array.nbytes()};
}

Array packed_on_cpu(const Array& array, const std::string& what) {
  TESSERA_CHECK(array.defined(), "{}: expected an array, got an undefined one", what);
  TESSERA_CHECK(array.device() == Device{}, "{}: expected an array on the cpu, got one on {}", what,
                array.device());
  return array.contiguous();
}

void check_bools(std::span<const std::byte> bytes, const std::string& what) {
  auto bad = std::find_if(bytes.begin(), bytes.end(), [](std::byte b) { return b > std::byte{1}; });
  TESSERA_CHECK(bad == bytes.end(), "{}: expected bools of 0 or 1, got a byte of {}", what,
                static_cast<int>(*bad));
}

Array read_elements(const ReadableFile& file, uint64_t offset, const Dims& shape, DType dtype,
                    const std::string& what) {
  Array out;
  try {
    out = Array::empty(shape, dtype);
    file.read(offset, {static_cast<std::byte*>(out.raw()), out.nbytes()});
  } catch (const Error& error) {
    throw_error(fmt::format("{}: {}", what, error.what()));
  }
  if (dtype == DType::boolean) check_bools(bytes_of(out), what);
  return out;
}

}  // namespace tessera
