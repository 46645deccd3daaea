// What ThreadSanitizer is told: which operations order others, and what the emulation itself
// touches.
#include "tests/cuda_emulation/internal.h"
#ifdef TESSERA_EMULATION_TSAN
#include "tests/cuda_emulation/tsan.h"
#endif

namespace tessera::emulation {
void release([[maybe_unused]] void* p) {
#ifdef TESSERA_EMULATION_TSAN
  __tsan_release(p);
#endif
}
void acquire([[maybe_unused]] void* p) {
#ifdef TESSERA_EMULATION_TSAN
  __tsan_acquire(p);
#endif
}
void touched([[maybe_unused]] const void* p, [[maybe_unused]] std::size_t n,
             [[maybe_unused]] bool write) {
#ifdef TESSERA_EMULATION_TSAN
  if (write) __tsan_write_range(const_cast<void*>(p), n);
  else __tsan_read_range(const_cast<void*>(p), n);
#endif
}
void quiet([[maybe_unused]] bool on) {
#ifdef TESSERA_EMULATION_TSAN
  if (on) {
    AnnotateIgnoreReadsBegin("", 0);
    AnnotateIgnoreWritesBegin("", 0);
  } else {
    AnnotateIgnoreReadsEnd("", 0);
    AnnotateIgnoreWritesEnd("", 0);
  }
#endif
}
}  // namespace tessera::emulation
