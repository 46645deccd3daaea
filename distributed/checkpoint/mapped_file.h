// A file in the address space, for what should outlive the process and need not reach a disk.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace tessera {

// A file of a given size, made where there is none, mapped for writing. All of its memory is there:
// a file system that is full is an Error of the constructor's, not a signal later on.
class MappedFile {
 public:
  MappedFile(const std::string& path, size_t bytes);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<std::byte> data() const { return {data_, bytes_}; }

 private:
  std::byte* data_ = nullptr;
  size_t bytes_;
};

}  // namespace tessera
