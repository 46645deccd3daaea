#include "distributed/checkpoint/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "core/error.h"

namespace tessera {

MappedFile::MappedFile(const std::string& path, size_t bytes) : bytes_(bytes) {
  int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  int error = fd == -1 ? errno : 0;
  if (!error && ftruncate(fd, static_cast<off_t>(bytes)) == -1) error = errno;
  if (!error && bytes > 0) error = posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  if (!error && bytes > 0) {
    void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) error = errno;
    else data_ = static_cast<std::byte*>(data);
  }
  if (fd != -1) close(fd);
  TESSERA_CHECK(!error, "[map] {}: {}", path, std::generic_category().message(error));
}

MappedFile::~MappedFile() {
  if (data_) munmap(data_, bytes_);
}

}  // namespace tessera
