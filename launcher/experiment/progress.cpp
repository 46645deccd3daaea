#include "launcher/experiment/progress.h"

#include <fmt/format.h>

#include "launcher/experiment/process_info.h"
#include "launcher/experiment/standard_streams.h"

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
    print(line + "\n");
    return;
  }
  line_open_ = r.step != r.steps;
  print(fmt::format("\r\x1b[K{}  {:.0f}%{}", line, 100 * (1 - left / static_cast<double>(r.steps)),
                    line_open_ ? "" : "\n"));
}

void Progress::say(const std::string& line) {
  if (silent_) return;
  print((line_open_ ? "\n" : "") + line + "\n");
  line_open_ = false;
}

void Progress::print(const std::string& text) {
  Printed printed = try_print(text);
  silent_ = printed == Printed::unread || printed == Printed::failed;
  if (printed == Printed::failed) {
    print_error("tessera: standard output cannot be written; the run goes on without it");
  }
}

}  // namespace tessera::experiment
