// The server's journal: records that a restarted server goes on from.
//
// A file of records, each with its length and checksum. It begins with those that replace() put
// there, to which is only ever appended; a record that a crash cut short, and what follows it, does
// not count. One server at a time has it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/descriptor.h"
#include "proto/rendezvous.pb.h"

namespace tessera::rendezvous {

class Journal {
 public:
  static constexpr uint64_t kMaxBytes = uint64_t{1} << 30;
  static constexpr uint32_t kMaxRecordBytes = 64U << 20;

  // Opens the file, or makes it (readable by its owner only); an Error where that cannot be, or
  // where another server has it. A file that is not empty and does not begin with a record is some
  // other one: an Error, and it stays as it is.
  explicit Journal(std::string path);

  // What was in it when it was opened.
  const std::vector<v1::Record>& records() const { return records_; }
  // Puts the records on the disk before it returns.
  void append(std::span<const v1::Record> records);
  // Whether it has grown so much that it should be replaced by a shorter one with the same meaning.
  bool is_long() const { return size_ > 2 * size_at_replace_ + kSlack; }
  // Puts these in the place of everything; after a crash there is either the old or the new, and
  // after an Error the journal goes on with what there is.
  void replace(std::span<const v1::Record> records);

 private:
  static constexpr uint64_t kSlack = uint64_t{1} << 20;

  void open_and_lock();
  void read_all();
  void write_all(const Descriptor& file, uint64_t at, std::string_view bytes) const;
  [[noreturn]] void fail(const char* what) const;

  std::string path_;
  Descriptor descriptor_;
  uint64_t size_ = 0;
  uint64_t size_at_replace_ = 0;
  std::vector<v1::Record> records_;
};

}  // namespace tessera::rendezvous
