// The readers need no arithmetic: linking the kernels would only cost build time.
#include "core/at_once.h"
#include "core/kernels.h"

namespace tessera {

void Kernels::missing(const char* family_name) const {
  throw_error(fmt::format("[{}] the fuzz targets have no kernels", family_name));
}

namespace {

[[noreturn]] void refuse() { throw_error("[fuzz] the fuzz targets have no kernels"); }

class MemoryOnly final : public AtOnceBackend {
 public:
  MemoryOnly() : AtOnceBackend(true, true) {}
  const Kernels& kernels() const override { refuse(); }
  void* allocate(size_t bytes) override { return allocator::allocate(bytes); }
  void deallocate(void* block, size_t bytes) noexcept override {
    allocator::deallocate(block, bytes);
  }
  MemoryStats memory_stats() const override { return allocator::stats(); }
  void reset_peak() override { allocator::reset_peak(); }
};

}  // namespace

Backend& backend(Device) {
  static auto& the = *new MemoryOnly;
  return the;
}

const Kernels& kernels(Device) { refuse(); }

}  // namespace tessera
