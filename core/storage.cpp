#include "core/storage.h"

#include "core/allocator.h"

namespace tessera {

Storage::Storage(void* data, size_t bytes, Device device, std::function<void()> release)
    : data_(data), bytes_(bytes), device_(device), release_(std::move(release)) {}

Storage::~Storage() {
  if (release_) release_();
  else allocator::deallocate(data_, bytes_);
}

std::shared_ptr<Storage> Storage::allocate(size_t bytes, Device device) {
  TESSERA_CHECK(device.type == DeviceType::cpu, "[allocate] this build has no memory on {}",
                device);
  return std::make_shared<Storage>(allocator::allocate(bytes), bytes, device, nullptr);
}

std::shared_ptr<Storage> Storage::wrap(void* data, size_t bytes, Device device,
                                       std::function<void()> release) {
  if (!release) release = [] {};
  return std::make_shared<Storage>(data, bytes, device, std::move(release));
}

}  // namespace tessera
