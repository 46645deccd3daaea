#include "core/io/safetensors.h"

#include <algorithm>
#include <numeric>

#include "core/io/elements.h"
#include "core/json_text.h"

namespace tessera {
namespace {

constexpr uint64_t kLengthBytes = 8;
// The data starts at a multiple of this.
constexpr size_t kHeaderAlignment = 8;

// The header's text: what follows the eight bytes that say how long it is.
std::string read_header_text(const ReadableFile& file, const std::string& what) {
  TESSERA_CHECK(file.size() >= kLengthBytes,
                "{}: expected at least {} bytes, got {}: not a safetensors file", what,
                kLengthBytes, file.size());
  uint64_t length = 0;
  file.read(0, std::as_writable_bytes(std::span(&length, 1)));
  TESSERA_CHECK(length <= kMaxSafetensorsHeaderBytes,
                "{}: expected a header of at most {} bytes, got {}", what,
                kMaxSafetensorsHeaderBytes, length);
  TESSERA_CHECK(length <= file.size() - kLengthBytes,
                "{}: expected a header of {} bytes, but only {} follow", what, length,
                file.size() - kLengthBytes);
  std::string text(length, '\0');
  file.read(kLengthBytes, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace

SafetensorsReader::SafetensorsReader(const std::string& path, FileSystem& files)
    : what_(fmt::format("[load_safetensors] {}", path)), file_(files.open(path)) {
  std::string text = read_header_text(*file_, what_);
  data_begin_ = kLengthBytes + text.size();
  header_ = parse_safetensors_header(text, file_->size() - data_begin_, what_);
}

Array SafetensorsReader::read(const SafetensorsEntry& entry) const {
  return read_elements(*file_, data_begin_ + entry.begin, entry.shape, entry.dtype,
                       fmt::format("{}: tensor {}", what_, excerpt(entry.name)));
}

void SafetensorsReader::read(const SafetensorsEntry& entry, uint64_t first,
                             std::span<std::byte> out) const {
  TESSERA_ASSERT(first <= entry.nbytes() && out.size() <= entry.nbytes() - first);
  try {
    file_->read(data_begin_ + entry.begin + first, out);
  } catch (const Error& error) {
    throw_error(fmt::format("{}: tensor {}: {}", what_, excerpt(entry.name), error.what()));
  }
  if (entry.dtype == DType::boolean) {
    check_bools(out, fmt::format("{}: tensor {}", what_, excerpt(entry.name)));
  }
}

SafetensorsFile load_safetensors(const std::string& path, FileSystem& files) {
  SafetensorsReader reader(path, files);
  SafetensorsFile out{reader.metadata(), {}};
  out.tensors.reserve(reader.tensors().size());
  for (const SafetensorsEntry& entry : reader.tensors()) {
    out.tensors.emplace_back(entry.name, reader.read(entry));
  }
  return out;
}

SafetensorsLayout layout_safetensors(std::span<const SafetensorsEntry> tensors,
                                     const std::map<std::string, std::string>& metadata,
                                     const std::string& what) {
  SafetensorsLayout layout;
  layout.order.resize(tensors.size());
  std::iota(layout.order.begin(), layout.order.end(), size_t{0});
  std::sort(layout.order.begin(), layout.order.end(), [&](size_t i, size_t j) {
    const SafetensorsEntry &a = tensors[i], &b = tensors[j];
    if (a.dtype == b.dtype) return a.name < b.name;
    return safetensors_before(a.dtype, b.dtype);
  });
  SafetensorsHeader header{metadata, {}};
  uint64_t position = 0;
  for (size_t index : layout.order) {
    const SafetensorsEntry& tensor = tensors[index];
    TESSERA_CHECK(tensor.shape.size() <= kMaxFileDims,
                  "{}: tensor {}: expected at most {} dims, got {}", what, excerpt(tensor.name),
                  kMaxFileDims, tensor.shape.size());
    std::optional<uint64_t> bytes = data_bytes(tensor.shape, tensor.dtype);
    TESSERA_CHECK(bytes, "{}: tensor {}: shape {} of {} is too large", what, excerpt(tensor.name),
                  tensor.shape, tensor.dtype);
    header.tensors.push_back(
        {tensor.name, tensor.dtype, tensor.shape, position, position + *bytes});
    position += *bytes;
  }
  std::string text = format_safetensors_header(header, what);
  text.append((kHeaderAlignment - text.size() % kHeaderAlignment) % kHeaderAlignment, ' ');
  uint64_t length = text.size();
  TESSERA_CHECK(length <= kMaxSafetensorsHeaderBytes,
                "{}: expected a header of at most {} bytes, got {}", what,
                kMaxSafetensorsHeaderBytes, length);
  layout.head.assign(reinterpret_cast<const char*>(&length), kLengthBytes);
  layout.head += text;
  layout.tensors = std::move(header.tensors);
  return layout;
}

void save_safetensors(const std::string& path,
                      std::span<const std::pair<std::string, Array>> tensors,
                      const std::map<std::string, std::string>& metadata, FileSystem& files) {
  std::string what = fmt::format("[save_safetensors] {}", path);
  std::vector<SafetensorsEntry> entries;
  std::vector<Array> packed;
  for (const auto& [name, array] : tensors) {
    packed.push_back(packed_on_cpu(array, fmt::format("{}: tensor {}", what, excerpt(name))));
    entries.push_back({name, array.dtype(), array.shape(), 0, 0});
  }
  SafetensorsLayout layout = layout_safetensors(entries, metadata, what);
  std::vector<std::span<const std::byte>> pieces{std::as_bytes(std::span(layout.head))};
  for (size_t index : layout.order) pieces.push_back(bytes_of(packed[index]));
  files.write_atomically(path, pieces);
}

}  // namespace tessera
