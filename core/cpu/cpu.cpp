#include "core/cpu/cpu.h"

#include "core/at_once.h"

namespace tessera::cpu {
namespace {

class CpuBackend final : public AtOnceBackend {
 public:
  CpuBackend() : AtOnceBackend(true, true), kernels_(DeviceType::cpu) {
#define TESSERA_FAMILY(NAME, INTERFACE) kernels_.NAME##_ = &NAME##_family();
#include "core/kernels/families.inc"
  }

  const Kernels& kernels() const override { return kernels_; }
  void* allocate(size_t bytes) override { return allocator::allocate(bytes); }
  void deallocate(void* block, size_t bytes) noexcept override {
    allocator::deallocate(block, bytes);
  }
  MemoryStats memory_stats() const override { return allocator::stats(); }
  void reset_peak() override { allocator::reset_peak(); }

 private:
  Kernels kernels_;
};

}  // namespace

Backend& backend() {
  static auto& the = *new CpuBackend;
  return the;
}

}  // namespace tessera::cpu
