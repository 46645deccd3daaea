#include "launcher/agent/hang_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <tuple>

namespace tessera::agent {
namespace {

constexpr size_t kRecentSteps = 31;
// How often to look whether ranks are stopped: a file of each.
constexpr int64_t kLookMs = 500;

// Whether a signal has stopped the process: the letter after its name in parentheses. One that a
// debugger holds has another.
bool is_stopped(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/stat", process));
  std::string text;
  std::getline(file, text);
  size_t end = text.rfind(')');
  return end != std::string::npos && end + 2 < text.size() && text[end + 2] == 'T';
}

}  // namespace

int64_t HangWatch::patience_ms(size_t place, const job::RankProgress& progress) {
  Rank& rank = ranks_[place];
  if (progress.steps != rank.last_step) {
    rank.last_step = progress.steps;
    rank.recent_ms.push_back(progress.step_ms);
    if (rank.recent_ms.size() > kRecentSteps) rank.recent_ms.pop_front();
  }
  if (rank.recent_ms.empty()) return least_ms_;
  std::vector<double> sorted(rank.recent_ms.begin(), rank.recent_ms.end());
  auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  return std::max(least_ms_, static_cast<int64_t>(kSteps * *middle));
}

void HangWatch::look_for_stopped(const std::vector<pid_t>& processes, int64_t now_ms) {
  if (now_ms - looked_ms_ < kLookMs) return;
  looked_ms_ = now_ms;
  for (size_t place = 0; place < ranks_.size() && place < processes.size(); ++place) {
    std::optional<int64_t>& since = ranks_[place].stopped_since_ms;
    if (processes[place] <= 0 || !is_stopped(processes[place])) {
      since.reset();
    } else if (!since) {
      since = now_ms;
    }
  }
}

std::optional<Hang> HangWatch::judge(size_t place, const job::RankProgress& progress,
                                     int64_t now_ms) {
  int64_t patience = patience_ms(place, progress);
  int64_t silent = now_ms - progress.sign_ms;
  bool silent_too_long = progress.steps_on && progress.steps > 0 && silent >= patience;
  std::optional<int64_t> since = ranks_[place].stopped_since_ms;
  bool stopped_too_long = since && now_ms - *since >= least_ms_;
  if (!silent_too_long && !stopped_too_long) return std::nullopt;
  Hang hang{.place = place, .text = {}, .calls = progress.calls, .stopped = since.has_value()};
  hang.text = silent_too_long ? fmt::format("has made no progress for {:.1f} s after step {}",
                                            static_cast<double>(silent) / 1e3, progress.steps)
                              : fmt::format("has stood still for {:.1f} s",
                                            static_cast<double>(now_ms - *since) / 1e3);
  if (hang.stopped) hang.text += "; a signal has stopped it";
  if (!progress.call.empty()) {
    hang.text += fmt::format("; its last call, number {}, is {}", progress.calls, progress.call);
  }
  return hang;
}

std::optional<Hang> HangWatch::look(const job::ProgressBoard& board,
                                    const std::vector<pid_t>& processes, int64_t now_ms) {
  look_for_stopped(processes, now_ms);
  std::optional<Hang> found;
  for (size_t place = 0; place < ranks_.size(); ++place) {
    std::optional<Hang> hang = judge(place, board.read(place), now_ms);
    if (!hang) continue;
    auto key = [](const Hang& any) { return std::tuple(!any.stopped, any.calls); };
    if (!found || key(*hang) < key(*found)) found = std::move(hang);
  }
  return found;
}

}  // namespace tessera::agent
