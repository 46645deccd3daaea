#include "launcher/bench/selection.h"

#include <algorithm>

#include "launcher/experiment/config/config_error.h"
#include "launcher/experiment/config/nearest.h"

namespace tessera::bench {
namespace {

bool means(std::string_view word, std::string_view name) {
  return name == word || (name.starts_with(word) && name[word.size()] == '.');
}

// Everything that means something, and the families.
struct Known {
  std::vector<std::string> words;
  std::vector<std::string> families;
};

void add_once(std::vector<std::string>& to, std::string word) {
  if (std::find(to.begin(), to.end(), word) == to.end()) to.push_back(std::move(word));
}

Known known_words(const std::vector<Benchmark>& all) {
  Known known;
  for (const Benchmark& one : all) {
    size_t dot = one.name.find('.');
    add_once(known.families, one.name.substr(0, dot));
    for (; dot != std::string::npos; dot = one.name.find('.', dot + 1)) {
      add_once(known.words, one.name.substr(0, dot));
    }
    add_once(known.words, one.name);
  }
  return known;
}

[[noreturn]] void fail_unknown(const std::string& word, const std::vector<Benchmark>& all) {
  Known known = known_words(all);
  std::string hint = experiment::nearest(word, known.words)
                         ? experiment::suggestion(word, known.words, "")
                         : experiment::suggestion(word, known.families, "there are");
  throw experiment::ConfigError(fmt::format("unknown benchmark {}{}", job::in_quotes(word), hint));
}

}  // namespace

std::vector<Benchmark> select(std::vector<Benchmark> all, std::span<const std::string> names) {
  for (const std::string& word : names) {
    bool known =
        std::any_of(all.begin(), all.end(), [&](const auto& one) { return means(word, one.name); });
    if (!known) fail_unknown(word, all);
  }
  if (!names.empty()) {
    std::erase_if(all, [&](const Benchmark& one) {
      return std::none_of(names.begin(), names.end(),
                          [&](const std::string& word) { return means(word, one.name); });
    });
  }
  return all;
}

}  // namespace tessera::bench
