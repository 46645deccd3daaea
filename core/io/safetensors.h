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

SafetensorsFile read_safetensors(const std::string& path, FileSystem& files = FileSystem::real());

// Writes the file atomically. The bytes depend on the content only, not on the order of `tensors`:
// the data is laid out as the reference implementation does it. Arrays that are not row-major are
// copied first, all at once.
void write_safetensors(const std::string& path,
                       std::span<const std::pair<std::string, Array>> tensors,
                       const std::map<std::string, std::string>& metadata = {},
                       FileSystem& files = FileSystem::real());

}  // namespace tessera
