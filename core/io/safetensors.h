// The safetensors format: https://github.com/huggingface/safetensors#format
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/array.h"
#include "core/io/file_system.h"
#include "core/io/safetensors_header.h"

namespace tessera {

// An open file whose header has been read and checked (see parse_safetensors_header), and whose
// data has not been touched. Every error names the file and, where there is one, the tensor.
class SafetensorsReader {
 public:
  explicit SafetensorsReader(const std::string& path, FileSystem& files = FileSystem::real());

  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  // Names, dtypes, shapes and bytes, in the order of the data.
  const std::vector<SafetensorsEntry>& tensors() const { return header_.tensors; }
  // The tensor's data, in memory of its own; entry is one of tensors(). May be called from several
  // threads at once.
  Array read(const SafetensorsEntry& entry) const;
  // Fills out with the bytes of the tensor's data from `first` on.
  void read(const SafetensorsEntry& entry, uint64_t first, std::span<std::byte> out) const;

 private:
  std::string what_;
  std::unique_ptr<ReadableFile> file_;
  uint64_t data_begin_ = 0;
  SafetensorsHeader header_;
};

struct SafetensorsFile {
  std::map<std::string, std::string> metadata;
  std::vector<std::pair<std::string, Array>> tensors;  // in the order of the data
};

// What a new file will look like.
struct SafetensorsLayout {
  std::string head;                       // all bytes before the data
  std::vector<SafetensorsEntry> tensors;  // in the order of the data, as the reference lays it out
  std::vector<size_t> order;              // tensors[i] is the order[i]-th that was asked for
  uint64_t file_bytes() const { return head.size() + (tensors.empty() ? 0 : tensors.back().end); }
};

// For tensors of these names, dtypes and shapes, whose places are ignored. Errors begin with
// `what`.
SafetensorsLayout layout_safetensors(std::span<const SafetensorsEntry> tensors,
                                     const std::map<std::string, std::string>& metadata,
                                     const std::string& what);

SafetensorsFile load_safetensors(const std::string& path, FileSystem& files = FileSystem::real());

// Writes the file atomically. The bytes depend on the content only, not on the order of `tensors`:
// the data is laid out as the reference implementation does it. Arrays that are not row-major are
// copied first, all at once.
void save_safetensors(const std::string& path,
                      std::span<const std::pair<std::string, Array>> tensors,
                      const std::map<std::string, std::string>& metadata = {},
                      FileSystem& files = FileSystem::real());

}  // namespace tessera
