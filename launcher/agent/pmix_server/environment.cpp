#include "launcher/agent/pmix_server/environment.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <unordered_map>

namespace tessera::agent {
namespace {

bool is_launchers(std::string_view entry) {
  constexpr std::array<std::string_view, 6> kPrefixes = {
      "PMIX_", "PMI_", "SLURM_", "OMPI_COMM_WORLD_", "FLUX_", "PALS_"};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](std::string_view prefix) { return entry.starts_with(prefix); });
}

std::string name_in(const std::string& entry) { return entry.substr(0, entry.find('=')); }

std::string home_of_user() {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  int error = getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found);
  bool has_home = error == 0 && found && found->pw_dir && *found->pw_dir;
  return has_home ? found->pw_dir : "/";
}

}  // namespace

std::vector<std::string> without_launchers(std::vector<std::string> entries) {
  std::erase_if(entries, is_launchers);
  return entries;
}

void set_entries(std::vector<std::string>& entries, const std::vector<std::string>& additions) {
  std::unordered_map<std::string, size_t> places;
  for (size_t i = 0; i < entries.size(); ++i) places[name_in(entries[i])] = i;
  for (const std::string& addition : additions) {
    auto [place, is_new] = places.try_emplace(name_in(addition), entries.size());
    if (is_new) {
      entries.push_back(addition);
    } else {
      entries[place->second] = addition;
    }
  }
}

void add_home(std::vector<std::string>& entries) {
  bool has_home = std::any_of(entries.begin(), entries.end(), [](const std::string& entry) {
    return entry.starts_with("HOME=") && entry.size() > 5;
  });
  if (!has_home) set_entries(entries, {"HOME=" + home_of_user()});
}

void set_own_home() {
  const char* home = std::getenv("HOME");
  if (!home || !*home) setenv("HOME", home_of_user().c_str(), 1);
}

void forget_launchers() {
  std::vector<std::string> names;
  for (char** entry = environ; *entry; ++entry) {
    std::string_view text = *entry;
    if (is_launchers(text) && !text.starts_with("PMIX_MCA_")) names.push_back(name_in(*entry));
  }
  for (const std::string& name : names) unsetenv(name.c_str());
}

}  // namespace tessera::agent
