// The one seam through which files are read and written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// An open regular file. May be read from several threads at once.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  // Bytes in the file when it was opened.
  virtual uint64_t size() const = 0;
  // Fills all of `out` from the bytes at `offset`; an error when the file ends before that.
  virtual void read(uint64_t offset, std::span<std::byte> out) const = 0;
};

// A new file being written. Nothing is promised about what the disk holds before finish() has
// returned; the destructor only closes.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  // Writes all of `data` after what is there.
  virtual void append(std::span<const std::byte> data) = 0;
  // Forces the data to the disk and closes the file; it is the last call.
  virtual void finish() = 0;
};

enum class FileKind { none, file, directory, link, other };

// Whether text can name a file inside a folder: not empty, no '/' or zero byte, not "." or "..".
bool is_plain_name(std::string_view text);

// What the library needs of a file system. Every failure throws Error naming the operation, the
// path and the system's reason. All functions may be called from any thread.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // The machine's own.
  static FileSystem& real();

  // An error when path is anything but a regular file (or a link to one).
  virtual std::unique_ptr<ReadableFile> open(const std::string& path) = 0;
  // The same for the entry `name` of a folder, which need not be trusted: an error when it is no
  // plain name, or a link.
  virtual std::unique_ptr<ReadableFile> open_beneath(const std::string& folder,
                                                     const std::string& name) = 0;
  // An error when path exists.
  virtual std::unique_ptr<WritableFile> create(const std::string& path) = 0;
  // Replaces what is at `to`; readers see either the old or the new, never a mixture. It survives
  // a loss of power once the folder has been synced.
  virtual void rename(const std::string& from, const std::string& to) = 0;
  // A file, or an empty folder.
  virtual void remove(const std::string& path) = 0;
  // Forces the folder's list of names to the disk.
  virtual void sync_directory(const std::string& path) = 0;
  // Makes the folder and its missing parents; one that exists already is no error.
  virtual void make_directories(const std::string& path) = 0;
  // What is at path, a link not followed; none also where it cannot be looked at.
  virtual FileKind kind(const std::string& path) = 0;
  // The names in a folder, sorted.
  virtual std::vector<std::string> list(const std::string& path) = 0;

  // Whether path is a folder, or a link to one.
  bool is_directory(const std::string& path) { return kind(path + "/.") == FileKind::directory; }
  // Removes a file, or a folder with everything in it; links are removed, not followed.
  void remove_all(const std::string& path);
  // The whole file; an error when it is larger than max_bytes.
  std::vector<std::byte> read(const std::string& path, uint64_t max_bytes);
  // Puts the pieces, one after the other, under `path`: written to a temporary file in the same
  // folder (.NAME.tmp-PID-RANDOM), forced to the disk, renamed, and the folder forced to the disk.
  // On an error the temporary is removed and path is as it was; only when the very last part, the
  // sync of the folder, fails does path hold the new content, whole.
  void write_atomically(const std::string& path,
                        std::span<const std::span<const std::byte>> pieces);
  // The same for what `write` appends.
  void produce_atomically(const std::string& path, const std::function<void(WritableFile&)>& write);
};

}  // namespace tessera
