#include "launcher/agent/private_folders.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "core/error.h"
#include "core/io/file_system.h"

namespace tessera::agent {
namespace {

constexpr const char* kPrefix = "tessera-agent-";
constexpr const char* kLock = "lock";
// Between the making of a folder and of its lock.
constexpr time_t kMakingS = 60;

std::string path_in(const std::string& folder, const std::string& name) {
  return fmt::format("{}/{}", folder, name);
}

// Whether the agent that made this folder is gone.
bool is_left(const std::string& folder) {
  struct stat status {};
  if (lstat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return false;
  if (status.st_uid != geteuid()) return false;
  Descriptor lock(open(path_in(folder, kLock).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!lock.is_open()) return errno == ENOENT && time(nullptr) - status.st_mtime > kMakingS;
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
    if (name.starts_with(kPrefix) && is_left(path_in(base, name))) remove(path_in(base, name));
  }
}

std::string temporary_base() {
  const char* named = std::getenv("TMPDIR");
  return named && *named ? named : "/tmp";
}

}  // namespace

PrivateFolders::Folder PrivateFolders::make(const std::string& base) {
  sweep(base);
  Folder folder{path_in(base, std::string(kPrefix) + "XXXXXX"), {}};
  TESSERA_CHECK(mkdtemp(folder.path.data()), "{}: cannot make a folder there: {}", base,
                std::strerror(errno));
  folder.lock = Descriptor(
      open(path_in(folder.path, kLock).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  TESSERA_CHECK(folder.lock.is_open() && flock(folder.lock.get(), LOCK_EX | LOCK_NB) == 0,
                "{}: cannot make a lock there: {}", folder.path, std::strerror(errno));
  return folder;
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
