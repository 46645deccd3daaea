#include "launcher/agent/hang_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <tuple>

namespace tessera::agent {
namespace {

constexpr size_t kRecentSteps = 31;

// Whether a signal has stopped the process: the letter after its name in parentheses.
bool is_stopped(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/stat", process));
  std::string text;
  std::getline(file, text);
  size_t end = text.rfind(')');
  return end != std::string::npos && end + 2 < text.size() &&
         (text[end + 2] == 'T' || text[end + 2] == 't');
}

}  // namespace

int64_t HangWatch::patience_ms(size_t place, const experiment::RankProgress& progress) {
  Steps& steps = steps_[place];
  if (progress.steps != steps.last) {
    steps.last = progress.steps;
    steps.recent_ms.push_back(progress.step_ms);
    if (steps.recent_ms.size() > kRecentSteps) steps.recent_ms.pop_front();
  }
  if (steps.recent_ms.empty()) return least_ms_;
  std::vector<double> sorted(steps.recent_ms.begin(), steps.recent_ms.end());
  auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  return std::max(least_ms_, static_cast<int64_t>(kSteps * *middle));
}

std::optional<Hang> HangWatch::look(const experiment::ProgressBoard& board,
                                    const std::vector<pid_t>& processes, int64_t now_ms) {
  std::optional<Hang> found;
  for (size_t place = 0; place < steps_.size() && place < processes.size(); ++place) {
    experiment::RankProgress progress = board.read(place);
    int64_t patience = patience_ms(place, progress);
    int64_t silent = now_ms - progress.sign_ms;
    bool watched = progress.steps_on && progress.steps > 0;
    if (!watched || silent < patience) continue;
    Hang hang{.place = place,
              .text = fmt::format("has made no progress for {:.1f} s after step {}",
                                  static_cast<double>(silent) / 1e3, progress.steps),
              .calls = progress.calls,
              .stopped = is_stopped(processes[place])};
    if (hang.stopped) hang.text += "; a signal has stopped it";
    if (!progress.call.empty()) {
      hang.text += fmt::format("; its last call, number {}, is {}", progress.calls, progress.call);
    }
    auto key = [](const Hang& any) { return std::tuple(!any.stopped, any.calls); };
    if (!found || key(hang) < key(*found)) found = std::move(hang);
  }
  return found;
}

}  // namespace tessera::agent
