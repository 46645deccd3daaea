#include "launcher/agent/private_folders.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/io/file_system.h"

namespace tessera::agent {
namespace {

// A folder gets this name when its lock is held, so that no other agent takes it for one that was
// left; until then it has the other.
constexpr std::string_view kPrefix = "tessera-agent-";
constexpr std::string_view kMakingPrefix = "tessera-making-";
constexpr const char* kLock = "lock";
// How long the making may take.
constexpr time_t kMakingS = 60;
constexpr uint64_t kMaxKeptBytes = 4096;

std::string path_in(const std::string& folder, const std::string& name) {
  return fmt::format("{}/{}", folder, name);
}

bool is_own_folder(const struct stat& status) {
  return S_ISDIR(status.st_mode) && status.st_uid == geteuid();
}

bool is_old(const struct stat& status) { return time(nullptr) - status.st_mtime > kMakingS; }

// Whether the agent that made the folder is gone.
bool is_left(const std::string& base, const std::string& name) {
  std::string folder = path_in(base, name);
  struct stat status {};
  if (lstat(folder.c_str(), &status) != 0 || !is_own_folder(status)) return false;
  if (name.starts_with(kMakingPrefix)) return is_old(status);
  Descriptor lock(open(path_in(folder, kLock).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!lock.is_open()) return errno == ENOENT && is_old(status);
  return flock(lock.get(), LOCK_EX | LOCK_NB) == 0;
}

void remove(const std::string& folder) {
  try {
    FileSystem::real().remove_all(folder);
  } catch (const Error&) {
    // Another agent may be at it as well.
  }
}

void sweep(const std::string& base) {
  std::vector<std::string> names;
  try {
    names = FileSystem::real().list(base);
  } catch (const Error&) {
    return;
  }
  for (const std::string& name : names) {
    bool an_agents = name.starts_with(kPrefix) || name.starts_with(kMakingPrefix);
    if (an_agents && is_left(base, name)) remove(path_in(base, name));
  }
}

std::string temporary_base() {
  const char* named = std::getenv("TMPDIR");
  return named && *named ? named : "/tmp";
}

}  // namespace

PrivateFolders::Folder PrivateFolders::make(const std::string& base) {
  sweep(base);
  std::string making = path_in(base, fmt::format("{}XXXXXX", kMakingPrefix));
  TESSERA_CHECK(mkdtemp(making.data()), "{}: cannot make a folder there: {}", base,
                std::strerror(errno));
  Descriptor lock(
      open(path_in(making, kLock).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  TESSERA_CHECK(lock.is_open() && flock(lock.get(), LOCK_EX | LOCK_NB) == 0,
                "{}: cannot make a lock there: {}", making, std::strerror(errno));
  std::string suffix = making.substr(making.size() - 6);
  std::string path = path_in(base, fmt::format("{}{}", kPrefix, suffix));
  TESSERA_CHECK(rename(making.c_str(), path.c_str()) == 0, "{}: cannot be renamed: {}", making,
                std::strerror(errno));
  return {std::move(path), std::move(lock)};
}

void PrivateFolders::keep(const std::string& name, const std::string& text) const {
  std::string path = path_in(files_.path, name);
  Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  bool kept = file.is_open() &&
              write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  TESSERA_CHECK(kept, "{}: cannot write: {}", path, std::strerror(errno));
}

std::string PrivateFolders::find(const std::string& name) {
  std::string base = temporary_base();
  std::vector<std::string> folders;
  try {
    folders = FileSystem::real().list(base);
  } catch (const Error&) {
    return "";
  }
  for (const std::string& folder : folders) {
    std::string path = path_in(base, folder);
    struct stat status {};
    bool own = folder.starts_with(kPrefix) && lstat(path.c_str(), &status) == 0 &&
               is_own_folder(status) && !is_left(base, folder);
    std::string kept = path_in(path, name);
    if (!own || FileSystem::real().kind(kept) != FileKind::file) continue;
    std::vector<std::byte> bytes = FileSystem::real().read(kept, kMaxKeptBytes);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  return "";
}

PrivateFolders::PrivateFolders() : files_(make(temporary_base())) {
  bool shared = access("/dev/shm", W_OK | X_OK) == 0;
  memory_ = make(shared ? "/dev/shm" : temporary_base());
}

PrivateFolders::~PrivateFolders() {
  remove(files_.path);
  remove(memory_.path);
}

}  // namespace tessera::agent
