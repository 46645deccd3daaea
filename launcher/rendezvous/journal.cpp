#include "launcher/rendezvous/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/error.h"
#include "core/io/file_system.h"

namespace tessera::rendezvous {
namespace {

// Before each record: its length, then its checksum, as this machine orders their bytes.
constexpr size_t kHeader = sizeof(uint32_t) + sizeof(uint64_t);

void append_record(const v1::Record& record, std::string& out) {
  std::string body = record.SerializeAsString();
  auto length = static_cast<uint32_t>(body.size());
  uint64_t checksum = XXH3_64bits_withSeed(body.data(), body.size(), length);
  out.append(reinterpret_cast<const char*>(&length), sizeof length);
  out.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
  out += body;
}

std::string bytes_of(std::span<const v1::Record> records) {
  std::string bytes;
  for (const v1::Record& record : records) append_record(record, bytes);
  return bytes;
}

// Takes the whole records at the beginning of `text`, and returns how many bytes they are.
size_t parse(std::string_view text, std::vector<v1::Record>& out) {
  size_t at = 0;
  while (text.size() - at >= kHeader) {
    uint32_t length = 0;
    uint64_t checksum = 0;
    std::memcpy(&length, text.data() + at, sizeof length);
    std::memcpy(&checksum, text.data() + at + sizeof length, sizeof checksum);
    if (length > Journal::kMaxRecordBytes || length > text.size() - at - kHeader) break;
    const char* body = text.data() + at + kHeader;
    v1::Record record;
    if (XXH3_64bits_withSeed(body, length, length) != checksum ||
        !record.ParseFromArray(body, static_cast<int>(length))) {
      break;
    }
    out.push_back(std::move(record));
    at += kHeader + length;
  }
  return at;
}

}  // namespace

Journal::Journal(std::string path) : path_(std::move(path)) {
  open_and_lock();
  read_all();
  size_at_replace_ = size_;
}

void Journal::fail(const char* what) const {
  throw Error(fmt::format("{}: cannot {} the journal: {}", path_, what, std::strerror(errno)));
}

void Journal::open_and_lock() {
  // O_NONBLOCK: a pipe is refused, not waited for.
  constexpr int kFlags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  descriptor_ = Descriptor(open(path_.c_str(), kFlags, 0600));
  if (!descriptor_.is_open()) fail("open");
  struct stat status {};
  if (fstat(descriptor_.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    throw Error(path_ + ": expected a regular file for the journal");
  }
  // Whoever has the journal may just have replaced the file that was opened.
  struct stat named {};
  if (flock(descriptor_.get(), LOCK_EX | LOCK_NB) != 0 || stat(path_.c_str(), &named) != 0 ||
      named.st_dev != status.st_dev || named.st_ino != status.st_ino) {
    throw Error(path_ + ": another server has this journal");
  }
  // Only now nobody writes to it any more.
  if (fstat(descriptor_.get(), &status) != 0) fail("read");
  size_ = static_cast<uint64_t>(status.st_size);
}

void Journal::read_all() {
  TESSERA_CHECK(size_ <= kMaxBytes, "{}: expected a journal of at most {} bytes, got {}", path_,
                kMaxBytes, size_);
  std::string text(size_, '\0');
  for (size_t done = 0; done < text.size();) {
    ssize_t count =
        pread(descriptor_.get(), text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail("read");
    done += static_cast<size_t>(count);
  }
  size_t good = parse(text, records_);
  // What begins with no record at all is some other file, which must not be cut.
  TESSERA_CHECK(good > 0 || text.empty(), "{}: not a journal of a rendezvous", path_);
  bool cut = good < text.size();
  if (cut && ftruncate(descriptor_.get(), static_cast<off_t>(good)) != 0) fail("cut");
  size_ = good;
}

void Journal::write_all(const Descriptor& file, uint64_t at, std::string_view bytes) const {
  for (size_t done = 0; done < bytes.size();) {
    ssize_t count =
        pwrite(file.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(at + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail("write");
    done += static_cast<size_t>(count);
  }
  if (fdatasync(file.get()) != 0) fail("write");
}

void Journal::append(std::span<const v1::Record> records) {
  if (records.empty()) return;
  std::string bytes = bytes_of(records);
  write_all(descriptor_, size_, bytes);
  size_ += bytes.size();
}

void Journal::replace(std::span<const v1::Record> records) {
  std::string bytes = bytes_of(records);
  // What a crash has left of it belongs to nobody: only who has the lock gets here.
  std::string name = path_ + ".new";
  unlink(name.c_str());
  Descriptor file(open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.is_open()) fail("replace");
  try {
    // Locked before it gets the name, so that there is no moment at which another server may.
    if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) fail("lock");
    write_all(file, 0, bytes);
    if (rename(name.c_str(), path_.c_str()) != 0) fail("replace");
  } catch (...) {
    unlink(name.c_str());
    throw;
  }
  descriptor_ = std::move(file);
  size_ = size_at_replace_ = bytes.size();
  std::string folder = std::filesystem::path(path_).parent_path().string();
  FileSystem::real().sync_directory(folder.empty() ? "." : folder);
}

}  // namespace tessera::rendezvous
