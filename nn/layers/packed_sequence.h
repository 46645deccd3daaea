// Sequences of different lengths in one tensor, as torch.nn.utils.rnn has them.
#pragma once

#include <optional>
#include <vector>

#include "autograd/tensor_arg.h"

namespace tessera::nn {

// The first steps of all sequences, then the second ones of those that have one, and so on, the
// longest sequence first each time: recurrent layers take it in the place of a padded tensor.
struct PackedSequence {
  Tensor data = {};                            // (the sum of the lengths, ...)
  std::vector<int64_t> batch_sizes = {};       // how many sequences have a step t
  std::vector<int64_t> sorted_indices = {};    // of the longest sequence in what was packed, and so
                                               // on; empty: they were in that order
  std::vector<int64_t> unsorted_indices = {};  // where in that order each of them is

  int64_t num_sequences() const { return batch_sizes.empty() ? 0 : batch_sizes[0]; }
  // An Error, after the name of an operation, where its parts do not fit together.
  void check(const char* op) const;

  template <class F>
  void visit_tensors(F&& f) {
    f(data);
  }
};

struct PackOptions {
  bool batch_first = false;    // (N, T, ...) rather than (T, N, ...)
  bool enforce_sorted = true;  // an Error unless the longest sequences come first
};
// x (T, N, ...) of which sequence n has lengths[n] steps, from 1 to T.
PackedSequence pack_padded_sequence(TensorArg x, const std::vector<int64_t>& lengths,
                                    PackOptions options = {});
// Of sequences (T_n, ...).
PackedSequence pack_sequence(const std::vector<Tensor>& sequences, bool enforce_sorted = true);

struct PaddedSequences {
  Tensor output = {};
  std::vector<int64_t> lengths = {};
};
struct PadPackedOptions {
  bool batch_first = false;
  double padding_value = 0;
  std::optional<int64_t> total_length = std::nullopt;  // at least the longest; none: that one
};
// (T, N, ...) in the order in which they were packed.
PaddedSequences pad_packed_sequence(const PackedSequence& packed, PadPackedOptions options = {});

struct PadOptions {
  bool batch_first = false;
  double padding_value = 0;
};
// Sequences (T_n, ...), whose other dims are equal -> (T, N, ...).
Tensor pad_sequence(const std::vector<Tensor>& sequences, PadOptions options = {});

}  // namespace tessera::nn
