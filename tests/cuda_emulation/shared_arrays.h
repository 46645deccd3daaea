// The shared memory of the block that runs.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace tessera::emulation {

// Arrays with red zones behind them, filled with 0xFF (NaN, or -1) when a block begins.
class SharedArrays {
 public:
  // For the next block, from the scheduler.
  void open();
  // The block's array that is declared at `site`; made when the first of its threads asks. Null
  // where the block would have more than a GPU offers.
  void* at(const void* site, size_t bytes);
  // Whether nothing was written to the red zones; AddressSanitizer watches them itself.
  bool intact() const;
  // When the kernel is over.
  void close();

 private:
  struct Site {
    const void* tag;
    size_t offset;
    size_t bytes;
  };

  char* memory_ = nullptr;
  // Not a vector: kernels' threads add to it, and ThreadSanitizer would see it grow.
  std::array<Site, 64> sites_;
  size_t num_sites_ = 0;
  size_t used_ = 0;
  size_t payload_ = 0;
  std::vector<char*> old_;
};

}  // namespace tessera::emulation
