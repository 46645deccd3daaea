#include "launcher/experiment/progress.h"

#include <fmt/format.h>

#include "launcher/experiment/process_info.h"
namespace tessera::experiment {

Progress::Progress(bool silent, int64_t every, std::string unit)
    : silent_(silent), terminal_(stdout_is_terminal()), every_(every), unit_(std::move(unit)) {}

void Progress::report(const StepReport& r) {
  if (silent_) return;
  bool due = r.step % every_ == 0 || r.step == r.steps || r.step == 1;
  if (!due && !terminal_) return;
  double left = static_cast<double>(r.steps - r.step);
  std::string line =
      fmt::format("step {:>{}}/{}  loss {:.4f}  grad_norm {:.3f}  lr {:.2e}  {:.0f} {}/s", r.step,
                  std::to_string(r.steps).size(), r.steps, r.loss, r.grad_norm, r.lr,
                  r.units_per_second, unit_);
  if (!terminal_) {
    fmt::print("{}\n", line);
  } else {
    fmt::print("\r\x1b[K{}  {:.0f}%", line, 100 * (1 - left / static_cast<double>(r.steps)));
    line_open_ = true;
    if (r.step == r.steps) end_line();
  }
  std::fflush(stdout);
}

void Progress::say(const std::string& line) {
  if (silent_) return;
  end_line();
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void Progress::end_line() {
  if (line_open_) fmt::print("\n");
  line_open_ = false;
}

}  // namespace tessera::experiment
