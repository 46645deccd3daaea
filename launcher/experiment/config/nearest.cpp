#include "launcher/experiment/config/nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace tessera::experiment {

size_t edit_distance(std::string_view a, std::string_view b) {
  // Rows of the table distance(first i bytes of a, first j bytes of b), for i - 2, i - 1 and i.
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    before.swap(last);
    last.swap(row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known) {
  size_t limit = (word.size() + 2) / 3;
  const std::string* best = nullptr;
  size_t best_distance = limit + 1;
  for (const std::string& candidate : known) {
    size_t shorter = std::min(word.size(), candidate.size());
    size_t longer = std::max(word.size(), candidate.size());
    // The distance is never less, and a hostile word may be a megabyte long.
    if (longer - shorter > limit) continue;
    size_t distance = edit_distance(word, candidate);
    if (distance < best_distance && distance < longer) {
      best = &candidate;
      best_distance = distance;
    }
  }
  return best ? std::optional(*best) : std::nullopt;
}

std::string suggestion(std::string_view word, std::span<const std::string> known,
                       std::string_view list_intro) {
  if (auto near = nearest(word, known)) return fmt::format("; did you mean '{}'?", *near);
  return fmt::format("; {} {}", list_intro, fmt::join(known, ", "));
}

}  // namespace tessera::experiment
