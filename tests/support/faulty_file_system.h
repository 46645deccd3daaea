// A file system in memory that is killed, fails and loses power as tests want it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/io/file_system.h"

namespace tessera::test {

// What several file systems (one for each rank) write to. Knows what of it is on the disk for good:
// the content of files after their finish(), the names in a folder after its sync_directory(). The
// rest are pending changes, which a loss of power may drop one by one.
class Disk {
 public:
  Disk();

  size_t num_pending() const { return pending_.size(); }
  // The disk after a loss of power that only those pending changes survived.
  Disk after_power_loss(const std::vector<bool>& survived) const;
  // Makes everything durable.
  void settle();

  bool exists(const std::string& path) const { return find(path).has_value(); }
  // A file's bytes, to be changed behind everybody's back.
  std::vector<std::byte>& content(const std::string& path);
  void swap_files(const std::string& a, const std::string& b);
  void remove_file(const std::string& path);
  // The paths of all files.
  std::vector<std::string> files() const;

 private:
  friend class FaultyFileSystem;
  using Id = size_t;
  struct Node {
    bool directory = false;
    std::vector<std::byte> content;
    std::map<std::string, Id> entries;
  };
  struct Change {
    Id node = 0;  // the file or the folder that it changes
    uint64_t offset = 0;
    std::vector<std::byte> bytes;  // of a file
    std::string removed;           // names of a folder
    std::optional<std::pair<std::string, Id>> added;
  };

  static void apply(std::vector<Node>& nodes, const Change& change);
  void change(Change change);
  void sync(Id node);
  std::optional<Id> find(const std::string& path) const;
  Id get(const std::string& path) const;
  std::pair<Id, std::string> parent_of(const std::string& path) const;
  void collect(Id node, const std::string& path, std::vector<std::string>& out) const;

  std::vector<Node> nodes_;    // as running programs see it
  std::vector<Node> durable_;  // what no loss of power takes away
  std::vector<Change> pending_;
};

// Thrown by every call after the kill.
class Killed : public Error {
 public:
  using Error::Error;
};

class FaultyFileSystem final : public FileSystem {
 public:
  explicit FaultyFileSystem(Disk& disk) : disk_(disk) {}

  // Calls that change something are counted from 0. The process is killed at the given one, of
  // which, if it is a write, half has happened.
  void kill_at(int64_t call) { kill_at_ = call; }
  // The given one fails so, and has no effect.
  void fail_at(int64_t call, int error_number) {
    fail_at_ = call;
    error_number_ = error_number;
  }
  // Writes fail when all files written by this file system are this large together.
  void limit_bytes(uint64_t bytes) { bytes_left_ = bytes; }

  // "write PATH", "fsync PATH", "rename FROM TO", ... of every counted call.
  const std::vector<std::string>& calls() const { return calls_; }
  bool failed() const { return failed_; }
  bool killed() const { return killed_; }

  std::unique_ptr<ReadableFile> open(const std::string& path) override;
  std::unique_ptr<ReadableFile> open_beneath(const std::string& folder,
                                             const std::string& name) override;
  std::unique_ptr<WritableFile> create(const std::string& path) override;
  void rename(const std::string& from, const std::string& to) override;
  void remove(const std::string& path) override;
  void sync_directory(const std::string& path) override;
  void make_directories(const std::string& path) override;
  FileKind kind(const std::string& path) override;
  std::vector<std::string> list(const std::string& path) override;

 private:
  class Writer;
  // Whether the call is the one to be killed in; throws where it is to fail.
  bool call(const std::string& operation, const std::string& path);
  void check_alive() const;
  void kill();

  Disk& disk_;
  std::vector<std::string> calls_;
  int64_t kill_at_ = -1;
  int64_t fail_at_ = -1;
  int error_number_ = 0;
  std::optional<uint64_t> bytes_left_;
  bool failed_ = false;
  bool killed_ = false;
};

}  // namespace tessera::test
