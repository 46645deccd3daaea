#include "distributed/statistics.h"

namespace tessera {

Statistics::Statistics(const nn::Module& module) {
  for (const auto& [name, buffer] : module.named_buffers()) buffers_.push_back(buffer);
}

size_t Statistics::index_of(const Observation& observation) const {
  for (size_t i = 0; i < buffers_.size(); ++i) {
    if (buffers_[i].data().storage() == observation.running.storage()) return i;
  }
  throw_error("[TrainStep] a running statistic moved that is no buffer of the model");
}

std::vector<double> Statistics::columns_of(const std::vector<Observation>& observations) const {
  std::vector<double> columns(static_cast<size_t>(num_columns()));
  for (const Observation& observation : observations) {
    size_t i = index_of(observation);
    columns[2 * i] += observation.count;
    columns[2 * i + 1] = observation.momentum;
  }
  return columns;
}

void Statistics::move(const std::vector<std::vector<Observation>>& observed, const LeafTable& table,
                      int64_t first, int64_t num_leaves, int group, Communicator& comm) const {
  std::vector<size_t> moving;
  std::vector<int64_t> offset(buffers_.size(), -1);  // in the rows below
  int64_t width = 0;
  for (size_t i = 0; i < buffers_.size(); ++i) {
    if (table.max(first + 2 * static_cast<int64_t>(i)) == 0) continue;
    const Array& buffer = buffers_[i].data();
    if (!is_floating(buffer.dtype())) {
      buffer.copy_(Array::from<int64_t>({buffer.item<int64_t>() + 1}, {}));
      continue;
    }
    moving.push_back(i);
    offset[i] = width;
    width += buffers_[i].numel();
  }
  if (moving.empty()) return;

  std::vector<std::vector<double>> rows;
  for (const auto& of_leaf : observed) {
    std::vector<double>& row = rows.emplace_back(static_cast<size_t>(width));
    for (const Observation& observation : of_leaf) {
      if (!observation.value.defined()) continue;
      auto values = observation.value.to(DType::f64).to_vector<double>();
      auto at = static_cast<size_t>(offset[index_of(observation)]);
      for (size_t c = 0; c < values.size(); ++c) row[at + c] += values[c] * observation.count;
    }
  }
  LeafTable sums(rows, width, num_leaves, group, comm);
  for (size_t i : moving) {
    int64_t column = first + 2 * static_cast<int64_t>(i);
    double count = table.sum(column);
    double momentum = table.max(column + 1);
    auto values = buffers_[i].data().to(DType::f64).to_vector<double>();
    for (size_t c = 0; c < values.size(); ++c) {
      double seen = sums.sum(offset[i] + static_cast<int64_t>(c)) / count;
      values[c] += momentum * (seen - values[c]);
    }
    Array moved = Array::from(values, buffers_[i].shape());
    buffers_[i].data().copy_(moved);
  }
}

}  // namespace tessera
