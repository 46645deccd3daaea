// How sums over leaves are taken.
#pragma once

#include <array>

#include "core/words.h"
#include "distributed/comm/communicator.h"

namespace tessera {

// `exact`: in the one binary tree over leaves (core/tree.h). `fast`: leaf after leaf on each rank,
// then the communicator's own reduction, whose bits depend on the number of ranks. `fast_bf16`: the
// same, with numbers that travel rounded to bf16.
enum class ReductionMode { exact, fast, fast_bf16 };
constexpr auto words_of(ReductionMode) {
  return std::array{Word{ReductionMode::exact, "exact"}, Word{ReductionMode::fast, "fast"},
                    Word{ReductionMode::fast_bf16, "fast_bf16"}};
}

// The array as it travels between the ranks of comm: itself, or a rounded copy.
inline Array as_it_travels(const Array& array, ReductionMode mode, Communicator& comm) {
  if (mode != ReductionMode::fast_bf16 || comm.size() == 1) return array;
  Array rounded = comm.allocate(array.shape(), DType::bf16);
  rounded.copy_(array);
  return rounded;
}

}  // namespace tessera
