#include "core/cuda/pinned.h"

#include <bit>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "core/cuda/error_codes.h"

namespace tessera::cuda {
namespace {

constexpr size_t kLeastBytes = 64;

// Blocks that nobody holds, by size. Pinning takes the driver longer than a small step.
class KeptBlocks {
 public:
  void* take(size_t bytes) {
    {
      std::lock_guard lock(mutex_);
      std::vector<void*>& blocks = blocks_[bytes];
      if (!blocks.empty()) {
        void* block = blocks.back();
        blocks.pop_back();
        return block;
      }
    }
    void* block = nullptr;
    check(cudaHostAlloc(&block, bytes, cudaHostAllocPortable | cudaHostAllocMapped),
          "cudaHostAlloc");
    std::memset(block, 0, bytes);
    return block;
  }

  void give(void* block, size_t bytes) {
    std::lock_guard lock(mutex_);
    blocks_[bytes].push_back(block);
  }

 private:
  std::mutex mutex_;
  std::map<size_t, std::vector<void*>> blocks_;
};

// Never destroyed: threads may end after static objects are gone.
KeptBlocks& kept_blocks() {
  static auto* blocks = new KeptBlocks;
  return *blocks;
}

}  // namespace

std::shared_ptr<void> pinned(size_t bytes) {
  bytes = std::bit_ceil(std::max(bytes, kLeastBytes));
  return {kept_blocks().take(bytes), [bytes](void* block) { kept_blocks().give(block, bytes); }};
}

}  // namespace tessera::cuda
