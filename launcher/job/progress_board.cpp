#include "launcher/job/progress_board.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <new>

#include "core/boot_clock.h"
#include "core/error.h"

namespace tessera::job {
ProgressBoard::ProgressBoard(int descriptor, size_t places) : bytes_(places * kPlaceBytes) {
  struct stat status {};
  TESSERA_CHECK(fstat(descriptor, &status) == 0 && static_cast<size_t>(status.st_size) >= bytes_,
                "the launcher's board has no room for {} ranks", places);
  void* mapped = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  TESSERA_CHECK(mapped != MAP_FAILED, "cannot map the launcher's board: {}", std::strerror(errno));
  memory_ = static_cast<std::byte*>(mapped);
}

ProgressBoard::~ProgressBoard() { munmap(memory_, bytes_); }

ProgressBoard::Place& ProgressBoard::place(size_t index) const {
  return *std::launder(reinterpret_cast<Place*>(memory_ + index * kPlaceBytes));
}

void ProgressBoard::clear() { std::memset(memory_, 0, bytes_); }

RankProgress ProgressBoard::read(size_t index) const {
  const Place& from = place(index);
  RankProgress out{.steps = from.steps,
                   .steps_on = from.steps_on != 0,
                   .sign_ms = from.sign_ms,
                   .step_ms = from.step_ms,
                   .throughput = from.throughput,
                   .calls = from.calls,
                   .call = ""};
  uint64_t before = from.version.load(std::memory_order_acquire);
  std::array<char, 160> text = from.call;
  std::atomic_thread_fence(std::memory_order_acquire);
  bool whole = before % 2 == 0 && from.version.load(std::memory_order_relaxed) == before;
  // A rank can write anything there.
  text.back() = '\0';
  if (whole) out.call = text.data();
  std::replace_if(
      out.call.begin(), out.call.end(), [](unsigned char c) { return c < 32 || c > 126; }, '?');
  return out;
}

void ProgressBoard::begin_step(size_t index) {
  Place& to = place(index);
  to.sign_ms = boot_ms();
  to.steps_on = 1;
}

void ProgressBoard::end_step(size_t index, int64_t steps, double step_ms, double throughput) {
  Place& to = place(index);
  to.sign_ms = boot_ms();
  to.step_ms = step_ms;
  to.throughput = throughput;
  to.steps = steps;
}

void ProgressBoard::pause_steps(size_t index) { place(index).steps_on = 0; }

void ProgressBoard::begin_call(size_t index, const std::string& call) {
  Place& to = place(index);
  to.version.fetch_add(1, std::memory_order_acquire);
  std::atomic_thread_fence(std::memory_order_release);
  size_t size = std::min(call.size(), to.call.size() - 1);
  std::copy_n(call.data(), size, to.call.data());
  to.call[size] = '\0';
  to.version.fetch_add(1, std::memory_order_release);
  to.calls.fetch_add(1, std::memory_order_relaxed);
  to.sign_ms = boot_ms();
}

ProgressSigns::ProgressSigns() {
  const char* text = std::getenv(kBoardVariable);
  if (!text) return;
  const char* end = text + std::strlen(text);
  int descriptor = -1;
  auto [colon, error] = std::from_chars(text, end, descriptor);
  if (error != std::errc() || colon == end || *colon != ':') return;
  auto [stop, error_2] = std::from_chars(colon + 1, end, place_);
  if (error_2 != std::errc() || stop != end || place_ > 65535) return;
  try {
    board_ = std::make_unique<ProgressBoard>(descriptor, place_ + 1);
  } catch (const Error&) {
    // Inherited by a process that the launcher does not know; nobody looks at its signs.
  }
}

void ProgressSigns::begin_step() {
  if (board_) board_->begin_step(place_);
}

void ProgressSigns::end_step(int64_t steps, double step_ms, double throughput) {
  if (board_) board_->end_step(place_, steps, step_ms, throughput);
}

void ProgressSigns::pause_steps() {
  if (board_) board_->pause_steps(place_);
}

void ProgressSigns::begin_call(const std::string& call) {
  if (board_) board_->begin_call(place_, call);
}

}  // namespace tessera::job
