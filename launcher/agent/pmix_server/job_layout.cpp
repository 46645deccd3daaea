#include "launcher/agent/pmix_server/job_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace tessera::agent {
namespace {

// Names go into file names, which end at 255 bytes, together with words of libpmix.
constexpr size_t kMaxNameBytes = 200;

bool is_name(std::string_view text) {
  auto allowed = [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= kMaxNameBytes && text.front() != '.' &&
         std::all_of(text.begin(), text.end(), allowed);
}

[[noreturn]] void fail(std::string_view field, std::string_view expected, std::string_view got) {
  fail_frame(to_pmix::Prepare::kType, field, expected, got);
}

void check_name(std::string_view field, std::string_view text) {
  if (!is_name(text)) {
    fail(field, fmt::format("at most {} of A-Z a-z 0-9 . _ -", kMaxNameBytes),
         fmt::format("'{}'", text));
  }
}

void check_nodes(const std::vector<std::string>& nodes) {
  std::set<std::string_view> seen;
  for (const std::string& name : nodes) {
    check_name("nodes", name);
    // libpmix knows nodes by their names.
    if (!seen.insert(name).second) fail("nodes", "different names", fmt::format("'{}'", name));
  }
}

// Fills `ranks` and `node_of`.
void place_ranks(const to_pmix::Prepare& order, JobLayout& layout) {
  constexpr uint32_t kNowhere = ~0U;
  auto fail_ranks = [&](std::string_view got) {
    fail("ranks", fmt::format("0 to {}, each once", order.world_size - 1), got);
  };
  layout.node_of.assign(static_cast<size_t>(order.world_size), kNowhere);
  for (const std::vector<int64_t>& on_node : order.ranks) {
    if (on_node.empty()) fail("ranks", "some on every node", "none");
    auto& ranks = layout.ranks.emplace_back();
    for (int64_t rank : on_node) {
      auto place = static_cast<size_t>(rank);
      if (rank >= order.world_size || layout.node_of[place] != kNowhere) {
        fail_ranks(fmt::format("{}", rank));
      }
      layout.node_of[place] = static_cast<uint32_t>(layout.ranks.size() - 1);
      ranks.push_back(static_cast<uint32_t>(rank));
    }
  }
  auto lost = std::find(layout.node_of.begin(), layout.node_of.end(), kNowhere);
  if (lost != layout.node_of.end()) {
    fail_ranks(fmt::format("no {}", lost - layout.node_of.begin()));
  }
  if (layout.ranks.size() != layout.nodes.size()) {
    fail("ranks", fmt::format("{} nodes", layout.nodes.size()),
         fmt::format("{}", layout.ranks.size()));
  }
}

}  // namespace

JobLayout layout_of(const to_pmix::Prepare& order) {
  check_name("nspace", order.nspace);
  check_nodes(order.nodes);
  JobLayout layout;
  layout.nspace = order.nspace;
  layout.nodes = order.nodes;
  place_ranks(order, layout);
  if (order.node_index >= static_cast<int64_t>(layout.nodes.size())) {
    fail("node_index", fmt::format("one of {} nodes", layout.nodes.size()),
         fmt::format("{}", order.node_index));
  }
  layout.node_index = static_cast<uint32_t>(order.node_index);
  if (layout.local_ranks().front() != order.first_rank) {
    fail("first_rank", fmt::format("{}", layout.local_ranks().front()),
         fmt::format("{}", order.first_rank));
  }
  return layout;
}

}  // namespace tessera::agent
