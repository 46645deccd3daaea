#include "core/io/file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <random>
#include <system_error>
#include <utility>

#include "core/error.h"

namespace tessera {
namespace {

[[noreturn]] void fail(std::string_view operation, const std::string& path, int error_number) {
  throw_error(
      fmt::format("[{}] {}: {}", operation, path, std::generic_category().message(error_number)));
}

// Calls fn until a signal no longer interrupts it.
template <class F>
auto retry(F&& fn) {
  auto result = fn();
  while (result == -1 && errno == EINTR) result = fn();
  return result;
}

// Owns an open descriptor.
class Descriptor {
 public:
  Descriptor(std::string_view operation, const std::string& path, int flags)
      : Descriptor(operation, path, AT_FDCWD, path, flags) {}
  // `name` in the folder that `at` is open on; errors call it `path`.
  Descriptor(std::string_view operation, const std::string& path, int at, const std::string& name,
             int flags)
      : fd_(retry([&] { return ::openat(at, name.c_str(), flags | O_CLOEXEC, 0666); })) {
    if (fd_ == -1) fail(operation, path, errno);
  }
  ~Descriptor() {
    if (fd_ != -1) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  // Closes now; -1 and errno as from close(2). An interrupted close has closed all the same.
  int close() { return ::close(std::exchange(fd_, -1)) == -1 && errno != EINTR ? -1 : 0; }

 private:
  int fd_;
};

class RealReadableFile final : public ReadableFile {
 public:
  // Without O_NONBLOCK, opening a pipe would wait for its writer instead of being refused.
  explicit RealReadableFile(const std::string& path)
      : path_(path), descriptor_("open", path, O_RDONLY | O_NONBLOCK) {
    look();
  }
  RealReadableFile(const std::string& path, int folder, const std::string& name)
      : path_(path), descriptor_("open", path, folder, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW) {
    look();
  }

  uint64_t size() const override { return size_; }

  void read(uint64_t offset, std::span<std::byte> out) const override {
    while (!out.empty()) {
      ssize_t count = retry([&] {
        return pread(descriptor_.get(), out.data(), out.size(), static_cast<off_t>(offset));
      });
      if (count == -1) fail("read", path_, errno);
      TESSERA_CHECK(count > 0, "[read] {}: the file ends at byte {}, {} bytes too early", path_,
                    offset, out.size());
      offset += static_cast<uint64_t>(count);
      out = out.subspan(static_cast<size_t>(count));
    }
  }

 private:
  void look() {
    struct stat status {};
    if (fstat(descriptor_.get(), &status) == -1) fail("open", path_, errno);
    TESSERA_CHECK(S_ISREG(status.st_mode), "[open] {}: expected a regular file", path_);
    size_ = static_cast<uint64_t>(status.st_size);
  }

  std::string path_;
  Descriptor descriptor_;
  uint64_t size_ = 0;
};

class RealWritableFile final : public WritableFile {
 public:
  explicit RealWritableFile(const std::string& path)
      : path_(path), descriptor_("create", path, O_WRONLY | O_CREAT | O_EXCL) {}

  void append(std::span<const std::byte> data) override {
    while (!data.empty()) {
      ssize_t count = retry([&] { return write(descriptor_.get(), data.data(), data.size()); });
      if (count == -1) fail("write", path_, errno);
      data = data.subspan(static_cast<size_t>(count));
    }
  }

  void finish() override {
    if (retry([&] { return fsync(descriptor_.get()); }) == -1) fail("fsync", path_, errno);
    if (descriptor_.close() == -1) fail("close", path_, errno);
  }

 private:
  std::string path_;
  Descriptor descriptor_;
};

class RealFileSystem final : public FileSystem {
 public:
  std::unique_ptr<ReadableFile> open(const std::string& path) override {
    return std::make_unique<RealReadableFile>(path);
  }

  std::unique_ptr<ReadableFile> open_beneath(const std::string& folder,
                                             const std::string& name) override {
    std::string path = folder + "/" + name;
    TESSERA_CHECK(is_plain_name(name), "[open] {}: expected the name of a file in the folder",
                  path);
    Descriptor descriptor("open", folder, O_RDONLY | O_DIRECTORY);
    return std::make_unique<RealReadableFile>(path, descriptor.get(), name);
  }

  std::unique_ptr<WritableFile> create(const std::string& path) override {
    return std::make_unique<RealWritableFile>(path);
  }

  void rename(const std::string& from, const std::string& to) override {
    if (std::rename(from.c_str(), to.c_str()) != 0) fail("rename", to, errno);
  }

  void remove(const std::string& path) override {
    if (std::remove(path.c_str()) != 0) fail("remove", path, errno);
  }

  void sync_directory(const std::string& path) override {
    Descriptor descriptor("sync_directory", path, O_RDONLY | O_DIRECTORY);
    if (retry([&] { return fsync(descriptor.get()); }) == -1) fail("sync_directory", path, errno);
  }

  void make_directories(const std::string& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) fail("make_directories", path, error.value());
  }

  FileKind kind(const std::string& path) override {
    struct stat status {};
    if (lstat(path.c_str(), &status) == -1) return FileKind::none;
    if (S_ISREG(status.st_mode)) return FileKind::file;
    if (S_ISDIR(status.st_mode)) return FileKind::directory;
    return S_ISLNK(status.st_mode) ? FileKind::link : FileKind::other;
  }

  std::vector<std::string> list(const std::string& path) override {
    std::error_code error;
    std::vector<std::string> names;
    std::filesystem::directory_iterator entries(path, error);
    while (!error && entries != std::filesystem::directory_iterator()) {
      names.push_back(entries->path().filename().string());
      entries.increment(error);
    }
    if (error) fail("list", path, error.value());
    std::sort(names.begin(), names.end());
    return names;
  }
};

// Removes the file unless told to keep it.
class Temporary {
 public:
  Temporary(FileSystem& files, const std::string& path) : files_(files), path_(path) {}
  ~Temporary() {
    if (kept_) return;
    try {
      files_.remove(path_);
    } catch (const std::exception&) {
      // The error on its way already names the cause; a second one could not be thrown here.
    }
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  void keep() { kept_ = true; }

 private:
  FileSystem& files_;
  const std::string& path_;
  bool kept_ = false;
};

// The random part keeps writers on different hosts apart. A long name is cut, so that the
// temporary's stays below the usual limit of 255 bytes.
std::string temporary_name(const std::filesystem::path& path) {
  constexpr size_t kKeptOfName = 200;
  std::random_device random;
  auto name =
      fmt::format(".{}.tmp-{}-{:08x}{:08x}", path.filename().string().substr(0, kKeptOfName),
                  getpid(), random(), random());
  return (path.parent_path() / name).string();
}

}  // namespace

bool is_plain_name(std::string_view text) {
  return !text.empty() && text != "." && text != ".." &&
         text.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

FileSystem& FileSystem::real() {
  static RealFileSystem instance;
  return instance;
}

std::vector<std::byte> FileSystem::read(const std::string& path, uint64_t max_bytes) {
  auto file = open(path);
  TESSERA_CHECK(file->size() <= max_bytes, "[read] {}: expected at most {} bytes, got {}", path,
                max_bytes, file->size());
  std::vector<std::byte> data(file->size());
  file->read(0, data);
  return data;
}

void FileSystem::remove_all(const std::string& path) {
  // Folders after what is in them.
  std::vector<std::string> folders;
  std::vector<std::string> waiting{path};
  while (!waiting.empty()) {
    std::string next = std::move(waiting.back());
    waiting.pop_back();
    if (kind(next) != FileKind::directory) {
      remove(next);
      continue;
    }
    for (const std::string& name : list(next)) waiting.push_back(fmt::format("{}/{}", next, name));
    folders.push_back(std::move(next));
  }
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) remove(*folder);
}

void FileSystem::write_atomically(const std::string& path,
                                  std::span<const std::span<const std::byte>> pieces) {
  produce_atomically(path, [&](WritableFile& file) {
    for (auto piece : pieces) file.append(piece);
  });
}

void FileSystem::produce_atomically(const std::string& path,
                                    const std::function<void(WritableFile&)>& write) {
  std::filesystem::path target(path);
  TESSERA_CHECK(target.has_filename(), "[write] '{}': expected a path that ends in a file's name",
                path);
  std::string folder = target.has_parent_path() ? target.parent_path().string() : ".";
  std::string temporary_path = temporary_name(target);
  try {
    auto file = create(temporary_path);
    Temporary temporary(*this, temporary_path);
    write(*file);
    file->finish();
    rename(temporary_path, path);
    temporary.keep();
    sync_directory(folder);
  } catch (const Error& error) {
    throw_error(fmt::format("[write] {}: {}", path, error.what()));
  }
}

}  // namespace tessera
