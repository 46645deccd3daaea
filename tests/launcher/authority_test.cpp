#include "launcher/rendezvous/authority.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>

#include "core/error.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera::rendezvous {
namespace {

using test::contains;
using test::error_of;
using test::TempDir;

unsigned mode_of(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) == -1) throw std::runtime_error("cannot stat " + path);
  return status.st_mode & 07777u;
}

TEST(MakeAuthority, SecretsAreForTheOwnerOnly) {
  TempDir folder;
  mode_t before = umask(0);
  make_authority(folder / "made");
  umask(before);
  EXPECT_EQ(mode_of(folder / "made"), 0700u);
  for (const char* name : {"ca.key", "node.key", "token"}) {
    EXPECT_EQ(mode_of(folder / "made/" + name), 0600u);
  }
  EXPECT_EQ(mode_of(folder / "made/ca.crt"), 0644u);
  std::string token = folder.read("made/token");
  EXPECT_EQ(token.size(), 65u);
  EXPECT_EQ(token.find_first_not_of("0123456789abcdef"), 64u);
  make_authority(folder / "second");
  for (const char* name : {"ca.crt", "ca.key", "node.crt", "node.key", "token"}) {
    EXPECT_NE(folder.read("made/" + std::string(name)), folder.read("second/" + std::string(name)));
  }
}

TEST(MakeAuthority, TakesAnEmptyFolderOnly) {
  TempDir folder;
  std::string empty = folder / "empty";
  std::filesystem::create_directory(empty);
  ASSERT_EQ(chmod(empty.c_str(), 0755), 0);
  make_authority(empty);
  EXPECT_EQ(mode_of(empty), 0700u);
  std::string key = folder.read("empty/ca.key");
  EXPECT_EQ(error_of([&] { make_authority(empty); }),
            "[rendezvous init] " + empty +
                ": expected no folder or an empty one, and there is something in it");
  EXPECT_EQ(folder.read("empty/ca.key"), key);
  std::string file = folder.write("file", "x");
  EXPECT_EQ(error_of([&] { make_authority(file); }),
            "[rendezvous init] " + file + ": cannot open it as a folder: Not a directory");
  EXPECT_EQ(folder.read("file"), "x");
  EXPECT_TRUE(contains(error_of([&] { make_authority(folder / "none/made"); }),
                       "none/made: cannot make the folder: No such file or directory"));
}

TEST(MakeAuthority, RefusesOptionsOutOfBounds) {
  TempDir folder;
  auto error_with = [&](AuthorityOptions options) {
    return error_of([&] { make_authority(folder / "made", options); });
  };
  for (int days : {0, -1, 3651}) {
    EXPECT_EQ(error_with({.days = days}),
              fmt::format("[rendezvous init] expected 1 to 3650 days, got {}", days));
  }
  for (int ago : {3651, -3651, std::numeric_limits<int>::min()}) {
    EXPECT_TRUE(contains(error_with({.not_before_days_ago = ago}), "at most 3650 days away"));
  }
  EXPECT_TRUE(folder.names().empty());
}

// Files of this process end at so many bytes while this lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit{bytes, before_.rlim_max};
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

TEST(MakeAuthority, AFailureMidwayLeavesNothing) {
  TempDir folder;
  std::filesystem::create_directory(folder / "empty");
  // A certificate of a node is longer than the CA's, so that the third file fails.
  rlim_t limit = make_ca({}).certificate.size() + 20;
  for (const char* name : {"empty", "new"}) {
    std::string error = error_of([&] {
      FileSizeLimit limited(limit);
      make_authority(folder / name);
    });
    EXPECT_EQ(error,
              "[rendezvous init] " + (folder / name) + "/node.crt: cannot write: File too large");
  }
  EXPECT_EQ(folder.names(), (std::set<std::string>{"empty"}));
  EXPECT_TRUE(std::filesystem::is_empty(folder / "empty"));
}

}  // namespace
}  // namespace tessera::rendezvous
