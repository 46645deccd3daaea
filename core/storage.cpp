#include "core/storage.h"

#include "core/allocator.h"
#include "core/cuda/cuda.h"

namespace tessera {

Storage::Storage(void* data, size_t bytes, Device device, std::function<void()> release)
    : data_(data), bytes_(bytes), device_(device), release_(std::move(release)) {}

Storage::~Storage() {
  if (release_) release_();
  else if (device_.type == DeviceType::cuda) cuda::deallocate(data_, device_.index);
  else allocator::deallocate(data_, bytes_);
}

std::shared_ptr<Storage> Storage::allocate(size_t bytes, Device device) {
  TESSERA_CHECK(device.type != DeviceType::meta, "[allocate] {} has no memory", device);
  void* data = device.type == DeviceType::cuda ? cuda::allocate(bytes, device.index)
                                               : allocator::allocate(bytes);
  return std::make_shared<Storage>(data, bytes, device, nullptr);
}

std::shared_ptr<Storage> Storage::wrap(void* data, size_t bytes, Device device,
                                       std::function<void()> release) {
  if (!release) release = [] {};
  return std::make_shared<Storage>(data, bytes, device, std::move(release));
}

}  // namespace tessera
