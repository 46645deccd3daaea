#include "core/storage.h"

#include "core/allocator.h"
#include "core/cuda/cuda.h"
#include "core/meta/meta.h"

namespace tessera {

Storage::Storage(void* data, size_t bytes, Device device, std::function<void()> release)
    : data_(data), bytes_(bytes), device_(device), release_(std::move(release)) {}

Storage::~Storage() {
  if (release_) release_();
  else if (!dropped_) give_memory_back();
}

void Storage::take_memory() {
  switch (device_.type) {
    case DeviceType::cpu: data_ = allocator::allocate(bytes_); return;
    case DeviceType::cuda: data_ = cuda::allocate(bytes_, device_.index); return;
    case DeviceType::meta: meta::count(static_cast<int64_t>(allocator::block_size(bytes_))); return;
  }
}

void Storage::give_memory_back() {
  switch (device_.type) {
    case DeviceType::cpu: allocator::deallocate(data_, bytes_); return;
    case DeviceType::cuda: cuda::deallocate(data_, device_.index); return;
    case DeviceType::meta:
      meta::count(-static_cast<int64_t>(allocator::block_size(bytes_)));
      return;
  }
}

void Storage::drop(std::shared_ptr<const std::string> what) {
  TESSERA_ASSERT(!release_ && what);
  if (!dropped_) give_memory_back();
  data_ = nullptr;
  dropped_ = std::move(what);
}

void Storage::refill() {
  if (!dropped_) return;
  take_memory();
  dropped_ = nullptr;
}

void Storage::throw_absent() const {
  TESSERA_CHECK(!dropped_, "{} not gathered here", *dropped_);
  throw_error(fmt::format("an array on {} has no elements", device_));
}

std::shared_ptr<Storage> Storage::allocate(size_t bytes, Device device) {
  auto storage = std::make_shared<Storage>(nullptr, bytes, device, nullptr);
  // A constructor that throws runs no destructor; one that has not taken memory must not return it.
  storage->dropped_ = std::make_shared<const std::string>("memory that was never there is");
  storage->refill();
  return storage;
}

std::shared_ptr<Storage> Storage::wrap(void* data, size_t bytes, Device device,
                                       std::function<void()> release) {
  if (!release) release = [] {};
  return std::make_shared<Storage>(data, bytes, device, std::move(release));
}

}  // namespace tessera
