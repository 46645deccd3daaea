#include "core/io/safetensors.h"

#include <algorithm>
#include <cstring>

#include "core/io/elements.h"
#include "core/json_text.h"

namespace tessera {
namespace {

constexpr uint64_t kLengthBytes = 8;
// The data starts at a multiple of this.
constexpr size_t kAlignment = 8;

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
    : what_(fmt::format("[read_safetensors] {}", path)), file_(files.open(path)) {
  std::string text = read_header_text(*file_, what_);
  data_begin_ = kLengthBytes + text.size();
  header_ = parse_safetensors_header(text, file_->size() - data_begin_, what_);
}

Array SafetensorsReader::read(const SafetensorsEntry& entry) const {
  return read_elements(*file_, data_begin_ + entry.begin, entry.shape, entry.dtype,
                       fmt::format("{}: tensor {}", what_, excerpt(entry.name)));
}

SafetensorsFile read_safetensors(const std::string& path, FileSystem& files) {
  SafetensorsReader reader(path, files);
  SafetensorsFile out{reader.metadata(), {}};
  out.tensors.reserve(reader.tensors().size());
  for (const SafetensorsEntry& entry : reader.tensors()) {
    out.tensors.emplace_back(entry.name, reader.read(entry));
  }
  return out;
}

void write_safetensors(const std::string& path,
                       std::span<const std::pair<std::string, Array>> tensors,
                       const std::map<std::string, std::string>& metadata, FileSystem& files) {
  std::string what = fmt::format("[write_safetensors] {}", path);
  std::vector<std::pair<std::string, Array>> sorted;
  sorted.reserve(tensors.size());
  for (const auto& [name, array] : tensors) {
    std::string tensor = fmt::format("{}: tensor {}", what, excerpt(name));
    sorted.emplace_back(name, packed_on_cpu(array, tensor));
    TESSERA_CHECK(array.dim() <= kMaxFileDims, "{}: expected at most {} dims, got {}", tensor,
                  kMaxFileDims, array.dim());
  }
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    if (a.second.dtype() == b.second.dtype()) return a.first < b.first;
    return safetensors_before(a.second.dtype(), b.second.dtype());
  });

  SafetensorsHeader header{metadata, {}};
  uint64_t position = 0;
  for (const auto& [name, array] : sorted) {
    header.tensors.push_back(
        {name, array.dtype(), array.shape(), position, position + array.nbytes()});
    position += array.nbytes();
  }
  std::string text = format_safetensors_header(header, what);
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  uint64_t length = text.size();
  TESSERA_CHECK(length <= kMaxSafetensorsHeaderBytes,
                "{}: expected a header of at most {} bytes, got {}", what,
                kMaxSafetensorsHeaderBytes, length);

  std::vector<std::span<const std::byte>> pieces{std::as_bytes(std::span(&length, 1)),
                                                 std::as_bytes(std::span(text))};
  for (const auto& [name, array] : sorted) pieces.push_back(bytes_of(array));
  files.write_atomically(path, pieces);
}

}  // namespace tessera
