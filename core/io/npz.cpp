#include "core/io/npz.h"

#include <zip.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>

#include "core/io/elements.h"
#include "core/io/npy_format.h"
#include "core/json_text.h"

namespace tessera {
namespace {

constexpr std::string_view kSuffix = ".npy";
// What deflate can make of one byte, at most.
constexpr uint64_t kMaxInflation = 1032;
// 1 January 1980, as DOS counts: the earliest date that the format has.
constexpr uint16_t kEpoch = 1 << 5 | 1;

// The end of a directory that lists nothing.
constexpr std::array<char, 22> kEmptyArchive{'P', 'K', 5, 6};

struct DiscardArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
using Archive = std::unique_ptr<zip_t, DiscardArchive>;

struct FreeSource {
  void operator()(zip_source_t* source) const { zip_source_free(source); }
};
using Source = std::unique_ptr<zip_source_t, FreeSource>;

struct CloseMember {
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};

// libzip's own report of what went wrong.
class ZipError {
 public:
  ZipError() { zip_error_init(&error_); }
  ~ZipError() { zip_error_fini(&error_); }
  ZipError(const ZipError&) = delete;
  ZipError& operator=(const ZipError&) = delete;
  zip_error_t* get() { return &error_; }
  const char* text() { return zip_error_strerror(&error_); }

 private:
  zip_error_t error_{};
};

// A ReadableFile as libzip reads archives; what the file throws is kept for the caller.
class ArchiveFile {
 public:
  explicit ArchiveFile(const ReadableFile& file) : file_(file) {}
  ~ArchiveFile() { zip_error_fini(&error_); }
  ArchiveFile(const ArchiveFile&) = delete;
  ArchiveFile& operator=(const ArchiveFile&) = delete;

  // For zip_source_function_create.
  static zip_int64_t call(void* self, void* data, zip_uint64_t length, zip_source_cmd_t command) {
    return static_cast<ArchiveFile*>(self)->run(command, data, length);
  }
  const std::string& failure() const { return failure_; }

 private:
  zip_int64_t run(zip_source_cmd_t command, void* data, zip_uint64_t length) {
    switch (command) {
      case ZIP_SOURCE_OPEN: at_ = 0; return 0;
      case ZIP_SOURCE_READ: return read(data, length);
      case ZIP_SOURCE_STAT: return stat(static_cast<zip_stat_t*>(data));
      case ZIP_SOURCE_TELL: return static_cast<zip_int64_t>(at_);
      case ZIP_SOURCE_ERROR: return zip_error_to_data(&error_, data, length);
      case ZIP_SOURCE_CLOSE:
      case ZIP_SOURCE_FREE:
      case ZIP_SOURCE_ACCEPT_EMPTY: return 0;
      case ZIP_SOURCE_SUPPORTS:
        return ZIP_SOURCE_SUPPORTS_SEEKABLE |
               ZIP_SOURCE_MAKE_COMMAND_BITMASK(ZIP_SOURCE_ACCEPT_EMPTY);
      case ZIP_SOURCE_SEEK: {
        auto size = static_cast<zip_uint64_t>(file_.size());
        zip_int64_t to = zip_source_seek_compute_offset(at_, size, data, length, &error_);
        if (to >= 0) at_ = static_cast<uint64_t>(to);
        return to < 0 ? -1 : 0;
      }
      default: zip_error_set(&error_, ZIP_ER_OPNOTSUPP, 0); return -1;
    }
  }

  zip_int64_t read(void* data, zip_uint64_t length) {
    uint64_t count = std::min<uint64_t>(length, file_.size() - at_);
    try {
      file_.read(at_, {static_cast<std::byte*>(data), count});
    } catch (const Error& error) {
      failure_ = error.what();
      zip_error_set(&error_, ZIP_ER_READ, 0);
      return -1;
    }
    at_ += count;
    return static_cast<zip_int64_t>(count);
  }

  zip_int64_t stat(zip_stat_t* out) const {
    zip_stat_init(out);
    out->valid = ZIP_STAT_SIZE;
    out->size = file_.size();
    return sizeof *out;
  }

  const ReadableFile& file_;
  uint64_t at_ = 0;
  zip_error_t error_{};
  std::string failure_;
};

// One member's content. Read forwards; going back starts it again.
class Member final : public ReadableFile {
 public:
  Member(zip_t* archive, uint64_t index, uint64_t size, const std::string& what)
      : archive_(archive), index_(index), size_(size), what_(what) {
    rewind();
  }
  uint64_t size() const override { return size_; }

  void read(uint64_t offset, std::span<std::byte> out) const override {
    TESSERA_CHECK(offset <= size_ && out.size() <= size_ - offset, "{}: the member ends early",
                  what_);
    if (offset < at_) rewind();
    std::array<std::byte, 4096> skipped;
    while (at_ < offset) take({skipped.data(), std::min<uint64_t>(skipped.size(), offset - at_)});
    while (!out.empty()) out = out.subspan(take(out));
    if (at_ == size_) expect_end();
  }

 private:
  void rewind() const {
    file_.reset(zip_fopen_index(archive_, index_, 0));
    at_ = 0;
    TESSERA_CHECK(file_, "{}: {}", what_, zip_strerror(archive_));
  }

  size_t take(std::span<std::byte> out) const {
    zip_int64_t count = zip_fread(file_.get(), out.data(), out.size());
    TESSERA_CHECK(count >= 0, "{}: {}", what_, zip_file_strerror(file_.get()));
    TESSERA_CHECK(count > 0, "{}: the member ends early", what_);
    at_ += static_cast<uint64_t>(count);
    return static_cast<size_t>(count);
  }

  // libzip compares the checksum once it has seen that nothing follows.
  void expect_end() const {
    std::byte extra{};
    zip_int64_t count = zip_fread(file_.get(), &extra, 1);
    TESSERA_CHECK(count >= 0, "{}: {}", what_, zip_file_strerror(file_.get()));
    TESSERA_CHECK(count == 0, "{}: the member is longer than the archive says", what_);
  }

  zip_t* archive_;
  uint64_t index_;
  uint64_t size_;
  const std::string& what_;
  mutable std::unique_ptr<zip_file_t, CloseMember> file_;
  mutable uint64_t at_ = 0;
};

Archive open_archive(Source source, int flags, const std::string& what) {
  ZipError error;
  Archive archive(zip_open_from_source(source.get(), flags, error.get()));
  TESSERA_CHECK(archive, "{}: {}", what, error.text());
  (void)source.release();  // the archive's now
  return archive;
}

std::pair<std::string, Array> read_member(zip_t* archive, uint64_t index, const std::string& file) {
  zip_stat_t stat;
  TESSERA_CHECK(zip_stat_index(archive, index, 0, &stat) == 0, "{}: {}", file,
                zip_strerror(archive));
  constexpr zip_uint64_t kNeeded = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
  TESSERA_CHECK((stat.valid & kNeeded) == kNeeded, "{}: member {} has no name or size", file,
                index);
  std::string_view name = stat.name;
  std::string what = fmt::format("{}: {}", file, excerpt(name));
  TESSERA_CHECK(name.ends_with(kSuffix) && name != kSuffix, "{}: expected members named NAME.npy",
                what);
  TESSERA_CHECK(stat.size / kMaxInflation <= stat.comp_size,
                "{}: {} bytes cannot hold the {} that the archive promises", what, stat.comp_size,
                stat.size);
  Array array = read_npy(Member(archive, index, stat.size, what), what);
  return {std::string(name.substr(0, name.size() - kSuffix.size())), std::move(array)};
}

// One member: what precedes its data, and an array that owns this.
struct Part {
  std::string preamble;
  Array packed;
};

void add_member(zip_t* archive, const std::string& name, Part& part, bool compressed,
                const std::string& what) {
  std::span<const std::byte> data = bytes_of(part.packed);
  std::array<zip_buffer_fragment_t, 2> pieces{};
  pieces[0] = {reinterpret_cast<zip_uint8_t*>(part.preamble.data()), part.preamble.size()};
  pieces[1] = {static_cast<zip_uint8_t*>(part.packed.raw()), data.size()};
  ZipError error;
  Source source(
      zip_source_buffer_fragment_create(pieces.data(), data.empty() ? 1 : 2, 0, error.get()));
  TESSERA_CHECK(source, "{}: {}", what, error.text());
  zip_int64_t index =
      zip_file_add(archive, (name + std::string(kSuffix)).c_str(), source.get(), ZIP_FL_ENC_UTF_8);
  TESSERA_CHECK(index >= 0, "{}: {}", what, zip_strerror(archive));
  (void)source.release();  // the archive's now
  auto place = static_cast<zip_uint64_t>(index);
  bool set = zip_set_file_compression(archive, place, compressed ? ZIP_CM_DEFLATE : ZIP_CM_STORE,
                                      0) == 0 &&
             zip_file_set_dostime(archive, place, 0, kEpoch, 0) == 0;
  TESSERA_CHECK(set, "{}: {}", what, zip_strerror(archive));
}

std::vector<std::byte> content_of(zip_source_t* source, const std::string& what) {
  zip_stat_t stat;
  auto fail = [&] {
    throw_error(fmt::format("{}: {}", what, zip_error_strerror(zip_source_error(source))));
  };
  if (zip_source_stat(source, &stat) != 0 || zip_source_open(source) != 0) fail();
  std::vector<std::byte> content(stat.size);
  if (zip_source_read(source, content.data(), content.size()) !=
      static_cast<zip_int64_t>(content.size()))
    fail();
  zip_source_close(source);
  return content;
}

}  // namespace

std::vector<std::pair<std::string, Array>> load_npz(const std::string& path, FileSystem& files) {
  std::string what = fmt::format("[load_npz] {}", path);
  auto file = files.open(path);
  ArchiveFile reader(*file);
  ZipError error;
  Source source(zip_source_function_create(&ArchiveFile::call, &reader, error.get()));
  TESSERA_CHECK(source, "{}: {}", what, error.text());
  try {
    Archive archive = open_archive(std::move(source), ZIP_RDONLY, what);
    std::vector<std::pair<std::string, Array>> arrays;
    std::set<std::string> names;
    zip_int64_t count = zip_get_num_entries(archive.get(), 0);
    for (zip_int64_t i = 0; i < count; ++i) {
      arrays.push_back(read_member(archive.get(), static_cast<uint64_t>(i), what));
      TESSERA_CHECK(names.insert(arrays.back().first).second, "{}: {} appears twice", what,
                    excerpt(arrays.back().first));
    }
    return arrays;
  } catch (const Error&) {
    // The file's own words say more than libzip's.
    if (!reader.failure().empty()) throw_error(fmt::format("{}: {}", what, reader.failure()));
    throw;
  }
}

void save_npz(const std::string& path, std::span<const std::pair<std::string, Array>> arrays,
              bool compressed, FileSystem& files) {
  std::string what = fmt::format("[save_npz] {}", path);
  std::vector<Part> parts;
  std::set<std::string> names;
  for (const auto& [name, array] : arrays) {
    std::string member = fmt::format("{}: {}", what, excerpt(name));
    TESSERA_CHECK(!name.empty() && name.find('\0') == std::string::npos,
                  "{}: expected a name without null bytes", member);
    TESSERA_CHECK(names.insert(name).second, "{} appears twice", member);
    Array packed = packed_on_cpu(array, member);
    parts.push_back({npy_preamble(packed.dtype(), packed.shape(), member), packed});
  }
  if (parts.empty()) {
    // libzip would make no archive at all.
    const std::array<std::span<const std::byte>, 1> pieces{std::as_bytes(std::span(kEmptyArchive))};
    return files.write_atomically(path, pieces);
  }
  ZipError error;
  Source buffer(zip_source_buffer_create(nullptr, 0, 0, error.get()));
  TESSERA_CHECK(buffer, "{}: {}", what, error.text());
  zip_source_keep(buffer.get());
  Archive archive = open_archive(Source(buffer.get()), ZIP_CREATE | ZIP_TRUNCATE, what);
  for (size_t i = 0; i < parts.size(); ++i) {
    add_member(archive.get(), arrays[i].first, parts[i], compressed, what);
  }
  // Closing writes; it frees the archive only when that went well.
  TESSERA_CHECK(zip_close(archive.get()) == 0, "{}: {}", what, zip_strerror(archive.get()));
  (void)archive.release();
  std::vector<std::byte> content = content_of(buffer.get(), what);
  const std::array pieces{std::span<const std::byte>(content)};
  files.write_atomically(path, pieces);
}

}  // namespace tessera
