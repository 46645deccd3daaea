// A page that a rank shares with its launcher: how far the rank is. Writing to it costs nothing
// that a step would notice.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace tessera::job {

// Names the descriptor of the board and the rank's place on it, "4:0".
inline constexpr const char* kBoardVariable = "TESSERA_BOARD";

// What one rank says. All of it zero: nothing yet.
struct RankProgress {
  int64_t steps = 0;      // that are done
  bool steps_on = false;  // whether it goes from step to step, never long without a sign
  int64_t sign_ms = 0;    // the last sign, by CLOCK_BOOTTIME
  double step_ms = 0;     // of the last step
  double throughput = 0;  // units a second
  int64_t calls = 0;      // of the communicator, begun
  std::string call;       // the last of them
};

// The places of all ranks of a node.
class ProgressBoard {
 public:
  static constexpr size_t kPlaceBytes = 256;

  // Of a memfd, which holds `places` of them; an Error where it cannot be mapped.
  ProgressBoard(int descriptor, size_t places);
  ~ProgressBoard();
  ProgressBoard(const ProgressBoard&) = delete;
  ProgressBoard& operator=(const ProgressBoard&) = delete;

  RankProgress read(size_t place) const;
  void clear();

  // A rank's side.
  void begin_step(size_t place);
  void end_step(size_t place, int64_t steps, double step_ms, double throughput);
  // From now on to the next step the rank does other things, and they may take long.
  void pause_steps(size_t place);
  void begin_call(size_t place, const std::string& call);

 private:
  struct Place {
    std::atomic<int64_t> steps;
    std::atomic<int64_t> steps_on;
    std::atomic<int64_t> sign_ms;
    std::atomic<double> step_ms;
    std::atomic<double> throughput;
    std::atomic<int64_t> calls;
    // Even while the text is whole.
    std::atomic<uint64_t> version;
    std::array<char, 160> call;
  };
  static_assert(sizeof(Place) <= kPlaceBytes && std::atomic<double>::is_always_lock_free);

  Place& place(size_t index) const;

  std::byte* memory_;
  size_t bytes_;
};

// A rank's own place on its launcher's board; does nothing where there is none.
class ProgressSigns {
 public:
  // From the environment.
  ProgressSigns();
  void begin_step();
  void end_step(int64_t steps, double step_ms, double throughput);
  void pause_steps();
  void begin_call(const std::string& call);
  explicit operator bool() const { return board_ != nullptr; }

 private:
  std::unique_ptr<ProgressBoard> board_;
  size_t place_ = 0;
};

}  // namespace tessera::job
