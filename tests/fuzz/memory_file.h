// One file in memory, for readers that are given bytes from anywhere.
#pragma once

#include <algorithm>

#include "core/error.h"
#include "core/io/file_system.h"

namespace tessera::fuzz {

class MemoryFile final : public ReadableFile {
 public:
  explicit MemoryFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  uint64_t size() const override { return bytes_.size(); }
  void read(uint64_t offset, std::span<std::byte> out) const override {
    TESSERA_CHECK(offset <= bytes_.size() && out.size() <= bytes_.size() - offset,
                  "[read] the file ends before byte {}", offset + out.size());
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
  }

 private:
  std::span<const std::byte> bytes_;
};

// Opens the same bytes whatever the path; nothing can be written.
class MemoryFileSystem final : public FileSystem {
 public:
  MemoryFileSystem(const uint8_t* data, size_t size)
      : bytes_(reinterpret_cast<const std::byte*>(data), size) {}

  std::unique_ptr<ReadableFile> open(const std::string&) override {
    return std::make_unique<MemoryFile>(bytes_);
  }
  std::unique_ptr<ReadableFile> open_beneath(const std::string&, const std::string&) override {
    return std::make_unique<MemoryFile>(bytes_);
  }
  std::unique_ptr<WritableFile> create(const std::string& path) override { refuse(path); }
  void rename(const std::string& from, const std::string&) override { refuse(from); }
  void remove(const std::string& path) override { refuse(path); }
  void sync_directory(const std::string& path) override { refuse(path); }
  void make_directories(const std::string& path) override { refuse(path); }
  FileKind kind(const std::string&) override { return FileKind::file; }
  std::vector<std::string> list(const std::string& path) override { refuse(path); }

 private:
  [[noreturn]] static void refuse(const std::string& path) {
    throw_error("[fuzz] nothing is written here: " + path);
  }
  std::span<const std::byte> bytes_;
};

}  // namespace tessera::fuzz
