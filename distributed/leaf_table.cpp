#include "distributed/leaf_table.h"

#include <algorithm>

#include "core/tree.h"

namespace tessera {

LeafTable::LeafTable(const std::vector<std::vector<double>>& own_rows, int64_t columns,
                     int64_t num_leaves, int group, Communicator& comm)
    : columns_(static_cast<size_t>(columns), std::vector<double>(static_cast<size_t>(num_leaves))) {
  auto leaves_of = [&](int rank) { return leaves_of_rank(num_leaves, rank, comm.size(), group); };
  std::vector<Array> of_ranks;
  for (int rank = 0; rank < comm.size(); ++rank) {
    auto rows = static_cast<int64_t>(leaves_of(rank).size());
    of_ranks.push_back(Array::empty({rows, columns}, DType::f64));
  }
  const Array& own = of_ranks[static_cast<size_t>(comm.rank())];
  TESSERA_ASSERT(own.numel() == columns * static_cast<int64_t>(own_rows.size()));
  auto* to = own.data<double>();
  for (const auto& row : own_rows) to = std::copy(row.begin(), row.end(), to);
  comm.all_gather(own, of_ranks).join();
  for (int rank = 0; rank < comm.size(); ++rank) {
    const auto* value = of_ranks[static_cast<size_t>(rank)].data<double>();
    for (int64_t leaf : leaves_of(rank)) {
      for (auto& column : columns_) column[static_cast<size_t>(leaf)] = *value++;
    }
  }
}

double LeafTable::sum(int64_t column) const {
  return tree_sum(columns_[static_cast<size_t>(column)]);
}

double LeafTable::max(int64_t column) const {
  const auto& values = columns_[static_cast<size_t>(column)];
  return *std::max_element(values.begin(), values.end());
}

}  // namespace tessera
