// How the CPU's convolutions cut a batch into tiles of whole images: by sizes alone.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tessera::cpu {

// Of a forward pass or an input's gradient: sixteen tiles, unless they would run for a few
// microseconds only.
inline int64_t conv_tile_images(int64_t images, double flops_per_image) {
  constexpr double kWorthACall = 1e6;
  auto enough = static_cast<int64_t>(kWorthACall / std::max(1.0, flops_per_image)) + 1;
  return std::min(images, std::max((images + 15) / 16, enough));
}

// Of a weight's gradient, which each tile has a buffer for: at most eight.
inline int64_t conv_weight_tile_images(int64_t images, double flops_per_image) {
  constexpr int64_t kMaxTiles = 8;
  return std::max((images + kMaxTiles - 1) / kMaxTiles, conv_tile_images(images, flops_per_image));
}

}  // namespace tessera::cpu
