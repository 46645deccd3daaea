// A block of memory that arrays share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/backend.h"
#include "core/device.h"

namespace tessera {

// Owns `bytes()` bytes on one device. Arrays hold it by shared_ptr; the last one frees it.
class Storage {
 public:
  // Memory of the device's allocator, its content unspecified.
  static std::shared_ptr<Storage> allocate(size_t bytes, Device device);
  // Memory that somebody else owns; release() runs when the last array lets go of it.
  static std::shared_ptr<Storage> wrap(void* data, size_t bytes, Device device,
                                       std::function<void()> release);

  Storage(void* data, size_t bytes, Device device, std::function<void()> release);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const {
    if (!data_ && bytes_ > 0) [[unlikely]]
      throw_absent();
    return static_cast<std::byte*>(data_);
  }
  size_t bytes() const { return bytes_; }
  Device device() const { return device_; }
  Backend& backend() const { return backend_; }

  // Gives the memory of allocate() back while arrays still hold the storage, until refill() takes
  // memory again, whose content is unspecified. Meanwhile touching the elements is an error that
  // says what() is not there. Neither counts as a change of the content: whoever refills it puts
  // back what was there.
  void drop(std::shared_ptr<const std::string> what);
  void refill();
  bool dropped() const { return dropped_ != nullptr; }

  // How often the content was changed in place since it was made, and by which operation last
  // (null: never). What autograd saved checks it before backward uses it.
  uint32_t version() const { return version_; }
  const char* changed_by() const { return changed_by_; }
  // `op` is a literal. Called by whoever changes elements that an operation may have saved.
  void mark_changed(const char* op) {
    ++version_;
    changed_by_ = op;
  }

 private:
  [[noreturn]] void throw_absent() const;

  void* data_;
  size_t bytes_;
  Device device_;
  Backend& backend_;
  uint32_t version_ = 0;
  const char* changed_by_ = nullptr;
  std::shared_ptr<const std::string> dropped_;
  std::function<void()> release_;  // empty: the device's allocator takes the memory back
};

}  // namespace tessera
