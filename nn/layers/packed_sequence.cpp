#include "nn/layers/packed_sequence.h"

#include <algorithm>
#include <numeric>

#include "autograd/ops.h"

namespace tessera::nn {
namespace {

std::vector<int64_t> inverse_of(const std::vector<int64_t>& order) {
  std::vector<int64_t> inverse(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  }
  return inverse;
}

Tensor index_tensor(const std::vector<int64_t>& index, Device device) {
  return Tensor(Array::from(index, {static_cast<int64_t>(index.size())}).to(device));
}

// x (a, b, ...) as (a b, ...).
Tensor as_rows(const Tensor& x) {
  Dims shape = x.shape();
  shape[1] *= shape[0];
  shape.erase(0);
  return reshape(x, shape);
}

// How many of the lengths, which do not grow, are above each step.
std::vector<int64_t> batch_sizes_of(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> sizes;
  auto active = static_cast<int64_t>(lengths.size());
  for (int64_t t = 0; t < lengths[0]; ++t) {
    while (lengths[static_cast<size_t>(active - 1)] <= t) --active;
    sizes.push_back(active);
  }
  return sizes;
}

// The shape of one step of a sequence (T, ...).
Dims step_of(const Tensor& sequence) {
  Dims shape = sequence.shape();
  shape.erase(0);
  return shape;
}

bool do_not_grow(const std::vector<int64_t>& numbers) {
  return std::is_sorted(numbers.begin(), numbers.end(), std::greater<>());
}

void check_lengths(const std::vector<int64_t>& lengths, int64_t count, int64_t steps,
                   bool enforce_sorted) {
  TESSERA_CHECK(count >= 1 && count == static_cast<int64_t>(lengths.size()),
                "[pack_padded_sequence] expected a length of each of {} sequences, got {}", count,
                lengths.size());
  for (int64_t length : lengths) {
    TESSERA_CHECK(length >= 1 && length <= steps,
                  "[pack_padded_sequence] expected lengths in [1, {}], got {}", steps, length);
  }
  TESSERA_CHECK(!enforce_sorted || do_not_grow(lengths),
                "[pack_padded_sequence] expected the longest sequences first, or enforce_sorted = "
                "false, got lengths of ({})",
                fmt::join(lengths, ", "));
}

}  // namespace

void PackedSequence::check(const char* op) const {
  TESSERA_CHECK(!batch_sizes.empty() && do_not_grow(batch_sizes) && batch_sizes.back() >= 1,
                "[{}] expected batch_sizes that are positive and do not grow, got ({})", op,
                fmt::join(batch_sizes, ", "));
  int64_t rows = std::accumulate(batch_sizes.begin(), batch_sizes.end(), int64_t{0});
  TESSERA_CHECK(data.defined() && data.dim() >= 1 && data.size(0) == rows,
                "[{}] expected data of {} rows, the sum of batch_sizes, got {}", op, rows,
                data.defined() ? to_string(data.shape()) : "none");
  std::vector<int64_t> places = sorted_indices;
  std::sort(places.begin(), places.end());
  std::vector<int64_t> all(places.empty() ? 0 : static_cast<size_t>(num_sequences()));
  std::iota(all.begin(), all.end(), 0);
  TESSERA_CHECK(places == all && unsorted_indices == inverse_of(sorted_indices),
                "[{}] expected sorted_indices to be the places of {} sequences, and "
                "unsorted_indices their inverse",
                op, num_sequences());
}

PackedSequence pack_padded_sequence(TensorArg x, const std::vector<int64_t>& lengths,
                                    PackOptions options) {
  const Composed scope;
  TESSERA_CHECK(x.dim() >= 2, "[pack_padded_sequence] expected at least two dims, got {}",
                x.shape());
  int64_t count = x.size(options.batch_first ? 0 : 1);
  int64_t steps = x.size(options.batch_first ? 1 : 0);
  check_lengths(lengths, count, steps, options.enforce_sorted);
  std::vector<int64_t> order(lengths.size());
  std::iota(order.begin(), order.end(), 0);
  auto length_of = [&](int64_t n) { return lengths[static_cast<size_t>(n)]; };
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return length_of(a) > length_of(b); });
  std::vector<int64_t> in_order;
  for (int64_t n : order) in_order.push_back(length_of(n));

  PackedSequence packed;
  packed.batch_sizes = batch_sizes_of(in_order);
  std::vector<int64_t> rows;
  for (size_t t = 0; t < packed.batch_sizes.size(); ++t) {
    for (int64_t i = 0; i < packed.batch_sizes[t]; ++i) {
      int64_t n = order[static_cast<size_t>(i)];
      auto step = static_cast<int64_t>(t);
      rows.push_back(options.batch_first ? n * steps + step : step * count + n);
    }
  }
  packed.data = index_select(as_rows(x), 0, index_tensor(rows, x.device()));
  if (options.enforce_sorted) return packed;
  packed.unsorted_indices = inverse_of(order);
  packed.sorted_indices = std::move(order);
  return packed;
}

PaddedSequences pad_packed_sequence(const PackedSequence& packed, PadPackedOptions options) {
  const Composed scope;
  packed.check("pad_packed_sequence");
  auto longest = static_cast<int64_t>(packed.batch_sizes.size());
  int64_t steps = options.total_length.value_or(longest);
  TESSERA_CHECK(steps >= longest,
                "[pad_packed_sequence] expected a total_length of at least {}, got {}", longest,
                steps);
  int64_t count = packed.num_sequences();
  // The row behind all others is padding.
  int64_t padding = packed.data.size(0);
  std::vector<int64_t> rows(static_cast<size_t>(steps * count), padding);
  PaddedSequences out;
  out.lengths.assign(static_cast<size_t>(count), 0);
  int64_t row = 0;
  for (int64_t t = 0; t < longest; ++t) {
    for (int64_t i = 0; i < packed.batch_sizes[static_cast<size_t>(t)]; ++i) {
      int64_t n = packed.sorted_indices.empty() ? i : packed.sorted_indices[static_cast<size_t>(i)];
      ++out.lengths[static_cast<size_t>(n)];
      rows[static_cast<size_t>(options.batch_first ? n * steps + t : t * count + n)] = row++;
    }
  }
  const Tensor& data = packed.data;
  Dims shape = data.shape();
  shape[0] = 1;
  Tensor last = full(shape, options.padding_value, data.dtype(), data.device());
  Tensor all = index_select(cat({data, last}), 0, index_tensor(rows, data.device()));
  Dims first = options.batch_first ? Dims{count, steps} : Dims{steps, count};
  out.output = unflatten(all, 0, first);
  return out;
}

Tensor pad_sequence(const std::vector<Tensor>& sequences, PadOptions options) {
  const Composed scope;
  TESSERA_CHECK(!sequences.empty(), "[pad_sequence] expected at least one sequence");
  int64_t steps = 0;
  for (const Tensor& x : sequences) {
    TESSERA_CHECK(x.dim() >= 1 && sequences[0].dim() >= 1 && step_of(x) == step_of(sequences[0]),
                  "[pad_sequence] expected sequences (T, ...) whose other dims are equal, got {} "
                  "beside {}",
                  x.shape(), sequences[0].shape());
    steps = std::max(steps, x.size(0));
  }
  std::vector<Tensor> padded;
  for (const Tensor& x : sequences) {
    Dims sides(2 * x.dim(), 0);
    sides.back() = steps - x.size(0);
    padded.push_back(pad(x, sides, PadMode::constant, options.padding_value));
  }
  return stack(padded, options.batch_first ? 0 : 1);
}

PackedSequence pack_sequence(const std::vector<Tensor>& sequences, bool enforce_sorted) {
  const Composed scope;
  std::vector<int64_t> lengths;
  for (const Tensor& x : sequences) lengths.push_back(x.dim() == 0 ? 0 : x.size(0));
  return pack_padded_sequence(pad_sequence(sequences), lengths, {.enforce_sorted = enforce_sorted});
}

}  // namespace tessera::nn
