#include "core/storage.h"

namespace tessera {

Storage::Storage(void* data, size_t bytes, Device device, std::function<void()> release)
    : data_(data),
      bytes_(bytes),
      device_(device),
      backend_(tessera::backend(device)),
      release_(std::move(release)) {}

Storage::~Storage() {
  if (release_) release_();
  else if (!dropped_) backend_.deallocate(data_, bytes_);
}

void Storage::drop(std::shared_ptr<const std::string> what) {
  TESSERA_ASSERT(!release_ && what);
  if (!dropped_) backend_.deallocate(data_, bytes_);
  data_ = nullptr;
  dropped_ = std::move(what);
}

void Storage::refill() {
  if (!dropped_) return;
  data_ = backend_.allocate(bytes_);
  dropped_ = nullptr;
}

void Storage::throw_absent() const {
  TESSERA_CHECK(!dropped_, "{} not gathered here", *dropped_);
  throw_error(fmt::format("an array on {} has no elements", device_));
}

std::shared_ptr<Storage> Storage::allocate(size_t bytes, Device device) {
  auto storage = std::make_shared<Storage>(nullptr, bytes, device, nullptr);
  // A constructor that throws runs no destructor; one that has not taken memory must not return it.
  static const auto kNever = std::make_shared<const std::string>("memory that was never there is");
  storage->dropped_ = kNever;
  storage->refill();
  return storage;
}

std::shared_ptr<Storage> Storage::wrap(void* data, size_t bytes, Device device,
                                       std::function<void()> release) {
  if (!release) release = [] {};
  return std::make_shared<Storage>(data, bytes, device, std::move(release));
}

}  // namespace tessera
