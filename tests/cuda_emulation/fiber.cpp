#include "tests/cuda_emulation/fiber.h"

#include <sys/mman.h>

#include <cstdlib>

#include "tests/cuda_emulation/internal.h"
#ifdef TESSERA_EMULATION_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef TESSERA_EMULATION_TSAN
#include "tests/cuda_emulation/tsan.h"
#endif

#ifndef __x86_64__
#error "the emulation switches stacks in x86-64 assembly"
#endif

// Saves what a call must keep and the stack pointer to *save, and goes on from another one.
// ucontext would make a system call for each of the millions of switches.
extern "C" void tessera_emulation_switch(void** save, void* load);
asm(R"(.text
.globl tessera_emulation_switch
.type tessera_emulation_switch,@function
tessera_emulation_switch:
 pushq %rbp
 pushq %rbx
 pushq %r12
 pushq %r13
 pushq %r14
 pushq %r15
 movq %rsp,(%rdi)
 movq %rsi,%rsp
 popq %r15
 popq %r14
 popq %r13
 popq %r12
 popq %rbx
 popq %rbp
 ret
.size tessera_emulation_switch,.-tessera_emulation_switch
)");

namespace tessera::emulation {
namespace {

constexpr size_t kStackBytes = size_t{256} << 10;
constexpr size_t kPage = 4096;
constexpr int kSavedRegisters = 6;

// The fiber that is being entered for the first time.
thread_local Fiber* starting = nullptr;

}  // namespace

Fiber::Fiber(void (*body)(void*), void* context) : body_(body), context_(context) {
  void* memory = mmap(nullptr, kStackBytes + kPage, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  // A stack that overflows faults.
  mprotect(memory, kPage, PROT_NONE);
  stack_ = static_cast<char*>(memory) + kPage;
#ifdef TESSERA_EMULATION_TSAN
  tsan_ = __tsan_create_fiber(0);
#endif
  restart();
}

void Fiber::restart() {
#ifdef TESSERA_EMULATION_ASAN
  // What was abandoned halfway has left the marks of its frames.
  __asan_unpoison_memory_region(stack_, kStackBytes);
#endif
  void** top = reinterpret_cast<void**>(stack_ + kStackBytes);
  *--top = nullptr;  // in place of a return address: keeps the alignment of a call
  *--top = reinterpret_cast<void*>(&Fiber::main);
  for (int i = 0; i < kSavedRegisters; ++i) *--top = nullptr;
  stack_pointer_ = top;
  fake_stack_ = nullptr;
}

void Fiber::main() {
  // In a variable: another thread of the host may enter later, whose `starting` is its own.
  Fiber* self = starting;
#ifdef TESSERA_EMULATION_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &self->outside_bottom_, &self->outside_size_);
#endif
  for (;;) {
    self->body_(self->context_);
    self->leave();
  }
}

void Fiber::enter() {
  starting = this;
#ifdef TESSERA_EMULATION_ASAN
  __sanitizer_start_switch_fiber(&outside_fake_stack_, stack_, kStackBytes);
#endif
#ifdef TESSERA_EMULATION_TSAN
  outside_tsan_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_, 1);
#endif
  tessera_emulation_switch(&outside_pointer_, stack_pointer_);
#ifdef TESSERA_EMULATION_ASAN
  __sanitizer_finish_switch_fiber(outside_fake_stack_, nullptr, nullptr);
#endif
}

void Fiber::leave() {
#ifdef TESSERA_EMULATION_ASAN
  __sanitizer_start_switch_fiber(&fake_stack_, outside_bottom_, outside_size_);
#endif
#ifdef TESSERA_EMULATION_TSAN
  __tsan_switch_to_fiber(outside_tsan_, 1);
#endif
  tessera_emulation_switch(&stack_pointer_, outside_pointer_);
#ifdef TESSERA_EMULATION_ASAN
  __sanitizer_finish_switch_fiber(fake_stack_, &outside_bottom_, &outside_size_);
#endif
}

}  // namespace tessera::emulation
