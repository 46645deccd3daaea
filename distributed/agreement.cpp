#include "distributed/agreement.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <sstream>

namespace tessera {
namespace {

// The first line of `text` that is not the same in `other`; "nothing" where text ends before it.
std::string differing_line(const std::string& text, const std::string& other) {
  std::istringstream ours(text);
  std::istringstream theirs(other);
  std::string line;
  std::string their_line;
  while (std::getline(ours, line)) {
    if (std::getline(theirs, their_line) && line == their_line) continue;
    return line.substr(std::min(line.find_first_not_of(' '), line.size()));
  }
  return "nothing";
}

void require_same(Communicator& comm, const std::string& what, const std::string& value) {
  std::vector<std::string> all = gather_texts(comm, value);
  for (size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] == all[0]) continue;
    throw SharedError(fmt::format("ranks disagree about {}: rank 0 has {}, rank {} has {}", what,
                                  differing_line(all[0], all[rank]), rank,
                                  differing_line(all[rank], all[0])));
  }
}

}  // namespace

std::string first_error(Communicator& comm, const std::string& own) {
  std::vector<std::string> all = gather_texts(comm, own);
  auto found = std::find_if(all.begin(), all.end(), [](const auto& text) { return !text.empty(); });
  if (found == all.end()) return "";
  return all.size() == 1 ? *found : fmt::format("rank {}: {}", found - all.begin(), *found);
}

std::vector<std::string> gather_texts(Communicator& comm, const std::string& text) {
  auto world = static_cast<size_t>(comm.size());
  Array length = Array::scalar(static_cast<double>(text.size()), DType::i64).view({1});
  std::vector<Array> lengths;
  for (size_t rank = 0; rank < world; ++rank) lengths.push_back(Array::empty({1}, DType::i64));
  comm.all_gather(length, lengths).join();

  Array own = Array::empty({static_cast<int64_t>(text.size())}, DType::u8);
  if (!text.empty()) std::memcpy(own.raw(), text.data(), text.size());
  std::vector<Array> bytes;
  for (const Array& count : lengths) {
    bytes.push_back(Array::empty({count.item<int64_t>()}, DType::u8));
  }
  comm.all_gather(own, bytes).join();

  std::vector<std::string> texts;
  for (const Array& of_rank : bytes) {
    texts.emplace_back(of_rank.data<uint8_t>(), of_rank.data<uint8_t>() + of_rank.numel());
  }
  return texts;
}

int ranks_per_node(Communicator& comm) {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  std::vector<std::string> nodes = gather_texts(comm, host.data());
  auto first_end = std::find_if(nodes.begin(), nodes.end(),
                                [&](const std::string& other) { return other != nodes[0]; });
  auto count = static_cast<size_t>(first_end - nodes.begin());
  if (nodes.size() % count != 0) return 0;
  std::set<std::string> different;
  for (size_t rank = 0; rank < nodes.size(); ++rank) {
    if (nodes[rank] != nodes[rank / count * count]) return 0;
    different.insert(nodes[rank]);
  }
  return different.size() * count == nodes.size() ? static_cast<int>(count) : 0;
}

void require_agreement(Communicator& comm,
                       const std::vector<std::pair<std::string, std::string>>& values) {
  // Ranks that compare different things would wait for each other's texts.
  std::string names = fmt::format("{} values", values.size());
  for (const auto& [what, value] : values) names += "\n" + what;
  require_same(comm, "what to compare", names);
  for (const auto& [what, value] : values) require_same(comm, what, value);
}

}  // namespace tessera
