#include "launcher/agent/pmix_server/private_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "core/descriptor.h"
#include "core/error.h"
#include "launcher/agent/pmix_server/system_error.h"

namespace tessera::agent {

PrivateDir::PrivateDir(std::string path) : path_(std::move(path)) {
  if (mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST) {
    throw_system_error(fmt::format("make {}", path_));
  }
  // Through a descriptor, so that what is checked is what is changed.
  Descriptor dir(open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (dir.get() < 0 || fstat(dir.get(), &status) != 0) {
    throw_system_error(fmt::format("open the folder {}", path_));
  }
  if (status.st_uid != geteuid()) {
    throw Error(fmt::format("expected {} to belong to user {}, got user {}", path_, geteuid(),
                            status.st_uid));
  }
  if (!std::filesystem::is_empty(path_)) {
    throw Error(fmt::format("expected {} to be absent or empty", path_));
  }
  // Whatever the umask and whoever made it.
  if (fchmod(dir.get(), 0700) != 0) throw_system_error(fmt::format("set the mode of {}", path_));
}

void PrivateDir::remove() const {
  std::error_code error;
  // A thread of libpmix may still add files while the others go.
  for (int attempt = 0; attempt < 10; ++attempt) {
    std::filesystem::remove_all(path_, error);
    if (!error) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  throw Error(fmt::format("cannot remove {}: {}", path_, error.message()));
}

}  // namespace tessera::agent
