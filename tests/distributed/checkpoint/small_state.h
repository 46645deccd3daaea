// A small training state that is a function of the step, cut up for any number of ranks.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "distributed/checkpoint/checkpoint_folder.h"
#include "distributed/checkpoint/checkpoint_reader.h"
#include "tests/support/arrays.h"

namespace tessera::test {

using NamedArrays = std::vector<std::pair<std::string, Array>>;

inline NamedArrays small_state(int64_t step) {
  auto seed = static_cast<uint64_t>(step);
  return {{"fc.weight", random_array({35, 30}, DType::f32, seed)},
          {"exp_avg/fc.weight", random_array({35, 30}, DType::f32, seed + 100)},
          {"norm.count", Array::scalar(static_cast<double>(step), DType::i64)},
          {"none", Array::zeros({0, 3})}};
}

inline std::vector<Piece> pieces_of_rank(const NamedArrays& state, int rank, int ranks) {
  std::vector<Piece> pieces;
  for (const auto& [name, array] : state) {
    Interval interval = shard_of(array.numel(), rank, ranks);
    if (interval.size() == 0 && !(array.numel() == 0 && rank == 0)) continue;
    pieces.push_back(
        {name, array.shape(), interval, slice_of(array.view({array.numel()}), interval)});
  }
  return pieces;
}

inline CheckpointInfo small_info(int64_t step, int64_t generation, int64_t ranks) {
  return {.step = step,
          .generation = generation,
          .ranks = ranks,
          .position = 8 * step,
          .seed = 3,
          .run = "/runs/a",
          .build = "a build",
          .strategy = "zero3",
          .config = "run: {steps: 10}\n"};
}

// What is wrong with a checkpoint of the state of that step; empty if nothing is.
inline std::string trouble_with(const std::string& folder, int64_t step, FileSystem& files) {
  try {
    CheckpointReader reader(folder, files);
    reader.verify();
    if (reader.manifest().info.position != 8 * step) return "another position";
    for (const auto& [name, array] : small_state(step)) {
      const TensorInfo* info = reader.find(name);
      if (!info) return name + " is missing";
      if (!same_bits(reader.read(*info), array)) return name + " has other bits";
    }
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace tessera::test
