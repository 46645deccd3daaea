#include "core/io/file_system.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera {
namespace {

using test::contains;
using test::error_of;
using test::TempDir;
using Names = std::set<std::string>;

void write(FileSystem& files, const std::string& path, std::string_view text) {
  const std::array pieces{std::as_bytes(std::span(text))};
  files.write_atomically(path, pieces);
}

std::string text_of(const std::vector<std::byte>& data) {
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

TEST(FileSystem, WritesPiecesAndReadsThemBack) {
  TempDir dir;
  FileSystem& files = FileSystem::real();
  std::string_view a = "ab", none, c = "cde";
  const std::array pieces{std::as_bytes(std::span(a)), std::as_bytes(std::span(none)),
                          std::as_bytes(std::span(c))};
  files.write_atomically(dir / "f", pieces);
  EXPECT_EQ(text_of(files.read(dir / "f", 5)), "abcde");
  EXPECT_EQ(dir.names(), Names{"f"});
  files.write_atomically(dir / "f", {});
  EXPECT_EQ(text_of(files.read(dir / "f", 0)), "");
}

TEST(FileSystem, WritesIntoTheCurrentFolder) {
  TempDir dir;
  std::string before = std::filesystem::current_path();
  std::filesystem::current_path(dir.path());
  write(FileSystem::real(), "f", "x");
  std::filesystem::current_path(before);
  EXPECT_EQ(dir.read("f"), "x");
}

TEST(FileSystem, TakesTheLongestName) {
  TempDir dir;
  std::string name(255, 'n');
  write(FileSystem::real(), dir / name, "x");
  EXPECT_EQ(dir.names(), Names{name});
}

TEST(FileSystem, ReadsRanges) {
  TempDir dir;
  auto file = FileSystem::real().open(dir.write("f", "abcdef"));
  EXPECT_EQ(file->size(), 6u);
  std::vector<std::byte> out(3);
  file->read(2, out);
  EXPECT_EQ(text_of(out), "cde");
  std::string error = error_of([&] { file->read(4, out); });
  EXPECT_TRUE(contains(error, dir / "f"));
  EXPECT_TRUE(contains(error, "ends at byte 6"));
}

TEST(FileSystem, RefusesToReadWhatIsNotAFileOrTooLarge) {
  TempDir dir;
  FileSystem& files = FileSystem::real();
  ASSERT_EQ(mkfifo((dir / "pipe").c_str(), 0600), 0);
  files.make_directories(dir / "folder");
  dir.write("f", "abc");
  auto error = [&](const char* name) { return error_of([&] { files.read(dir / name, 2); }); };
  EXPECT_EQ(error("absent"), fmt::format("[open] {}: No such file or directory", dir / "absent"));
  EXPECT_EQ(error("pipe"), fmt::format("[open] {}: expected a regular file", dir / "pipe"));
  EXPECT_EQ(error("folder"), fmt::format("[open] {}: expected a regular file", dir / "folder"));
  EXPECT_EQ(error("f"), fmt::format("[read] {}: expected at most 2 bytes, got 3", dir / "f"));
}

TEST(FileSystem, NamesPathAndReasonOfAFailedWrite) {
  TempDir dir;
  FileSystem& files = FileSystem::real();
  std::string error = error_of([&] { write(files, dir / "no/f", "x"); });
  EXPECT_TRUE(contains(error, "[write] " + (dir / "no/f") + ": [create] "));
  EXPECT_TRUE(contains(error, "No such file or directory"));
  for (std::string path : {std::string(), dir.path() + "/"}) {
    EXPECT_TRUE(contains(error_of([&] { write(files, path, "x"); }), "ends in a file's name"));
  }
  files.make_directories(dir / "folder");
  error = error_of([&] { write(files, dir / "folder", "x"); });
  EXPECT_TRUE(contains(error, "[rename] " + (dir / "folder") + ": Is a directory"));
  EXPECT_EQ(dir.names(), Names{"folder"});
}

TEST(FileSystem, MakesRenamesAndRemoves) {
  TempDir dir;
  FileSystem& files = FileSystem::real();
  files.make_directories(dir / "a/b/c");
  files.make_directories(dir / "a/b/c");
  files.rename(dir / "a/b", dir / "a/d");
  files.sync_directory(dir / "a");
  EXPECT_TRUE(std::filesystem::is_directory(dir / "a/d/c"));
  files.remove(dir / "a/d/c");
  EXPECT_TRUE(std::filesystem::is_empty(dir / "a/d"));

  dir.write("f", "x");
  EXPECT_TRUE(contains(error_of([&] { files.make_directories(dir / "f/g"); }),
                       "[make_directories] " + (dir / "f/g") + ": Not a directory"));
  EXPECT_TRUE(contains(error_of([&] { files.make_directories(dir / "f"); }), dir / "f"));
  EXPECT_TRUE(contains(error_of([&] { files.remove(dir / "g"); }), "[remove] " + (dir / "g")));
  EXPECT_TRUE(contains(error_of([&] { files.rename(dir / "g", dir / "h"); }),
                       "[rename] " + (dir / "h") + ": No such file"));
  EXPECT_TRUE(contains(error_of([&] { files.sync_directory(dir / "f"); }),
                       "[sync_directory] " + (dir / "f") + ": Not a directory"));
  EXPECT_TRUE(contains(error_of([&] { files.create(dir / "f"); }),
                       "[create] " + (dir / "f") + ": File exists"));
}

// Lets no file of this process grow beyond a limit, as a full disk would.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST(FileSystem, LeavesNothingBehindWhenTheDiskIsFull) {
  TempDir dir;
  dir.write("old", "old content");
  std::string large(100'000, 'x');
  std::string error_new, error_old;
  {
    // Not at a page: the first write is cut short, the next one fails.
    FileSizeLimit limit(70'001);
    error_new = error_of([&] { write(FileSystem::real(), dir / "new", large); });
    error_old = error_of([&] { write(FileSystem::real(), dir / "old", large); });
  }
  EXPECT_TRUE(contains(error_new, "[write] " + (dir / "new") + ": [write] "));
  EXPECT_TRUE(contains(error_new, "File too large"));
  EXPECT_TRUE(contains(error_old, dir / "old"));
  EXPECT_EQ(dir.names(), Names{"old"});
  EXPECT_EQ(dir.read("old"), "old content");
}

TEST(FileSystem, ListsNamesInOrderAndSaysWhatTheyAre) {
  TempDir dir;
  FileSystem& files = FileSystem::real();
  dir.write("b", "x");
  files.make_directories(dir / "a/deep");
  std::filesystem::create_symlink("a", dir / "c");
  EXPECT_EQ(files.list(dir.path()), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(files.kind(dir / "a"), FileKind::directory);
  EXPECT_EQ(files.kind(dir / "b"), FileKind::file);
  EXPECT_EQ(files.kind(dir / "c"), FileKind::link);
  EXPECT_EQ(files.kind(dir / "d"), FileKind::none);
  EXPECT_EQ(files.kind("/dev/null"), FileKind::other);
  EXPECT_TRUE(files.is_directory(dir / "c")) << "through the link";
  EXPECT_FALSE(files.is_directory(dir / "b"));
  EXPECT_TRUE(contains(error_of([&] { files.list(dir / "d"); }), "[list] " + (dir / "d") + ": No"));
}

TEST(FileSystem, RemovesAFolderAndFollowsNoLink) {
  TempDir dir;
  FileSystem& files = FileSystem::real();
  files.make_directories(dir / "a/b/c");
  files.make_directories(dir / "kept");
  dir.write("a/b/f", "x");
  dir.write("kept/f", "x");
  std::filesystem::create_symlink(dir / "kept", dir / "a/b/link");
  files.remove_all(dir / "a");
  EXPECT_EQ(dir.names(), Names{"kept"});
  EXPECT_EQ(dir.read("kept/f"), "x");
  files.remove_all(dir / "kept/f");
  EXPECT_TRUE(std::filesystem::is_empty(dir / "kept"));
}

TEST(FileSystem, OpensBeneathAFolderOnlyWhatIsThere) {
  TempDir dir;
  FileSystem& files = FileSystem::real();
  files.make_directories(dir / "in");
  dir.write("in/f", "inside");
  dir.write("secret", "outside");
  std::filesystem::create_symlink(dir / "secret", dir / "in/link");
  std::filesystem::create_symlink("f", dir / "in/harmless");
  EXPECT_EQ(files.open_beneath(dir / "in", "f")->size(), 6U);
  for (const char* name : {"../secret", "/etc/passwd", "..", ".", "", "./f", "link", "harmless"}) {
    EXPECT_NE(error_of([&] { files.open_beneath(dir / "in", name); }), "") << name;
  }
  EXPECT_NE(error_of([&] { files.open_beneath(dir / "in", std::string("f\0x", 3)); }), "");
  std::filesystem::create_symlink("in", dir / "way");
  EXPECT_EQ(files.open_beneath(dir / "way", "f")->size(), 6U) << "the folder may be a link";
}

// Fails at the n-th step of writing, counted from 0, and remembers whether it did.
class FailingAt final : public FileSystem {
 public:
  explicit FailingAt(int step) : left_(step) {}
  bool failed() const { return failed_; }

  std::unique_ptr<ReadableFile> open(const std::string& path) override { return real().open(path); }
  std::unique_ptr<ReadableFile> open_beneath(const std::string& folder,
                                             const std::string& name) override {
    return real().open_beneath(folder, name);
  }
  std::unique_ptr<WritableFile> create(const std::string& path) override {
    tick();
    return std::make_unique<File>(*this, real().create(path));
  }
  void rename(const std::string& from, const std::string& to) override {
    tick();
    real().rename(from, to);
  }
  void remove(const std::string& path) override { real().remove(path); }
  void sync_directory(const std::string& path) override {
    tick();
    real().sync_directory(path);
  }
  void make_directories(const std::string& path) override { real().make_directories(path); }
  FileKind kind(const std::string& path) override { return real().kind(path); }
  std::vector<std::string> list(const std::string& path) override { return real().list(path); }

 private:
  struct File final : WritableFile {
    File(FailingAt& owner, std::unique_ptr<WritableFile> file)
        : owner_(owner), file_(std::move(file)) {}
    void append(std::span<const std::byte> data) override {
      file_->append(data.first(data.size() / 2));
      owner_.tick();
      file_->append(data.subspan(data.size() / 2));
    }
    void finish() override {
      owner_.tick();
      file_->finish();
    }
    FailingAt& owner_;
    std::unique_ptr<WritableFile> file_;
  };

  void tick() {
    if (left_-- != 0) return;
    failed_ = true;
    throw_error("injected");
  }

  int left_;
  bool failed_ = false;
};

TEST(FileSystem, AFailureAtAnyStepLeavesTheOldOrTheNewContent) {
  int failures = 0;
  for (bool failed = true; failed; ++failures) {
    TempDir dir;
    std::string path = dir.write("f", "old");
    FailingAt files(failures);
    std::string error = error_of([&] { write(files, path, "new"); });
    failed = files.failed();
    EXPECT_EQ(error, failed ? "[write] " + path + ": injected" : "");
    EXPECT_EQ(dir.names(), Names{"f"});
    EXPECT_EQ(dir.read("f"), failures < 4 ? "old" : "new") << "failing at step " << failures;
  }
  EXPECT_EQ(failures, 6) << "create, append, finish, rename, sync_directory, and a run without";
}

}  // namespace
}  // namespace tessera
