#include "distributed/statistics.h"

#include "autograd/context.h"
#include "autograd/ops/arithmetic.h"
#include "core/kernels.h"
#include "core/kernels/binary.h"
#include "distributed/tree_exchange.h"
#include "nn/optim/update_rule.h"

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
                      int64_t first, int64_t num_leaves, int group, Communicator& comm,
                      const Array& when) const {
  std::vector<size_t> moving;
  std::vector<int64_t> offset(buffers_.size(), -1);  // in the rows below
  int64_t width = 0;
  for (size_t i = 0; i < buffers_.size(); ++i) {
    if (table.max(first + 2 * static_cast<int64_t>(i)) == 0) continue;
    const Array& buffer = buffers_[i].data();
    TESSERA_CHECK(!when.defined() || buffer.device() == when.device(),
                  "[TrainStep] expected running statistics on {}, as the parameters are, got some "
                  "on {}",
                  when.device(), buffer.device());
    if (!is_floating(buffer.dtype())) {
      optim::write_where(when, {buffer}, [](const auto& own) { count_up(own[0]); });
      continue;
    }
    if (!buffer.storage()->backend().host_reads() && comm.size() == 1) {
      int64_t column = first + 2 * static_cast<int64_t>(i);
      optim::write_where(when, {buffer}, [&](const auto& own) {
        move_in_place(i, observed, table.sum(column), table.max(column + 1), own[0]);
      });
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

// In the order of the tree, and rounded as on the host.
void Statistics::move_in_place(size_t buffer, const std::vector<std::vector<Observation>>& observed,
                               double count, double momentum, const Array& running) const {
  const NoGrad no_grad;
  const BinaryFamily& binary = kernels(running.device()).binary();
  ArrayFold fold(static_cast<int64_t>(observed.size()), {});
  for (size_t leaf = 0; leaf < observed.size(); ++leaf) {
    Array sum = Array::zeros(running.shape(), DType::f64, running.device());
    for (const Observation& observation : observed[leaf]) {
      if (!observation.value.defined() || index_of(observation) != buffer) continue;
      Array weighted = Array::empty(running.shape(), DType::f64, running.device());
      binary.affine(observation.value.view(running.shape()), observation.count, 0, weighted);
      binary.run(BinaryOp::add, sum, weighted, sum);
    }
    fold.push_leaf(static_cast<int64_t>(leaf), sum);
  }
  Tensor old(running.to(DType::f64));
  Tensor seen = Tensor(fold.root()) / count;
  running.copy_((old + (seen - old) * momentum).data());
}

}  // namespace tessera
