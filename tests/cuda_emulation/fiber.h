// A thread of a kernel: a stack of its own, entered and left within one thread of the host.
#pragma once

#include <cstddef>

namespace tessera::emulation {

// Runs body(context) on its stack again and again: each time it returns, the fiber leaves. Stacks
// stay until the process ends, as the streams that use them do.
class Fiber {
 public:
  Fiber(void (*body)(void*), void* context);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Goes on where the fiber left; returns when it leaves again.
  void enter();
  // Called on the fiber's own stack: goes back to where it was entered.
  void leave();
  // Forgets what stands on the stack: the next enter calls body anew.
  void restart();

 private:
  static void main();

  void (*body_)(void*);
  void* context_;
  char* stack_;
  void* stack_pointer_ = nullptr;
  void* outside_pointer_ = nullptr;
  // What AddressSanitizer and ThreadSanitizer know the two stacks by.
  [[maybe_unused]] void* fake_stack_ = nullptr;
  [[maybe_unused]] void* outside_fake_stack_ = nullptr;
  [[maybe_unused]] const void* outside_bottom_ = nullptr;
  [[maybe_unused]] size_t outside_size_ = 0;
  [[maybe_unused]] void* tsan_ = nullptr;
  [[maybe_unused]] void* outside_tsan_ = nullptr;
};

}  // namespace tessera::emulation
