#include "launcher/agent/pmix_server/job_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace tessera::agent {
namespace {

constexpr int64_t kMaxWorldSize = 1 << 20;
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

void check_name(const Fields& order, std::string_view field, std::string_view text) {
  if (!is_name(text)) {
    order.fail(field, fmt::format("at most {} of A-Z a-z 0-9 . _ -", kMaxNameBytes),
               fmt::format("'{}'", text));
  }
}

std::vector<std::string> read_nodes(Fields& order) {
  std::string list = order.text("nodes");
  std::vector<std::string> nodes;
  std::set<std::string_view> seen;
  for (std::string_view name : split(list, ',')) {
    check_name(order, "nodes", name);
    // libpmix knows nodes by their names.
    if (!seen.insert(name).second) order.fail("nodes", "different names", list);
    nodes.emplace_back(name);
  }
  return nodes;
}

uint32_t read_rank(const Fields& order, std::string_view text) {
  uint32_t rank = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rank);
  if (error != std::errc() || end != text.data() + text.size()) {
    order.fail("ranks", "numbers", fmt::format("'{}'", text));
  }
  return rank;
}

// Fills `ranks` and `node_of` from text like "0,1;2,3".
void read_ranks(const Fields& order, const std::string& map, size_t world_size, JobLayout& layout) {
  constexpr uint32_t kNowhere = ~0U;
  layout.node_of.assign(world_size, kNowhere);
  for (std::string_view node : split(map, ';')) {
    auto& ranks = layout.ranks.emplace_back();
    for (std::string_view text : split(node, ',')) {
      uint32_t rank = read_rank(order, text);
      if (rank >= world_size || layout.node_of[rank] != kNowhere) {
        order.fail("ranks", fmt::format("0 to {}, each once", world_size - 1), map);
      }
      layout.node_of[rank] = static_cast<uint32_t>(layout.ranks.size() - 1);
      ranks.push_back(rank);
    }
  }
  if (std::count(layout.node_of.begin(), layout.node_of.end(), kNowhere) != 0) {
    order.fail("ranks", fmt::format("0 to {}, each once", world_size - 1), map);
  }
  if (layout.ranks.size() != layout.nodes.size()) {
    order.fail("ranks", fmt::format("{} nodes", layout.nodes.size()), map);
  }
}

}  // namespace

JobLayout read_layout(Fields& order) {
  JobLayout layout;
  layout.nspace = order.text("nspace");
  check_name(order, "nspace", layout.nspace);
  layout.nodes = read_nodes(order);
  std::string map = order.text("ranks");
  auto world_size = static_cast<size_t>(order.number("world_size", 1, kMaxWorldSize));
  read_ranks(order, map, world_size, layout);
  int64_t first_rank = order.number("first_rank", 0, kMaxWorldSize);
  int64_t last_node = static_cast<int64_t>(layout.nodes.size()) - 1;
  layout.node_index = static_cast<uint32_t>(order.number("node_index", 0, last_node));
  if (layout.local_ranks().front() != first_rank) {
    order.fail("first_rank", fmt::format("{}", layout.local_ranks().front()),
               fmt::format("{}", first_rank));
  }
  order.end();
  return layout;
}

}  // namespace tessera::agent
