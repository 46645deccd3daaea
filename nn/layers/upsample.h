// Images of other sizes: the functions in autograd/ops/interpolate.h as layers.
#pragma once

#include <vector>

#include "autograd/ops/interpolate.h"
#include "nn/layers/layer.h"

namespace tessera::nn {

struct UpsampleOptions {
  // One of both: sizes, or factors of the input's; one number for all dims, or one for each.
  Dims size = {};
  std::vector<double> scale_factor = {};
  Interpolation mode = Interpolation::nearest;
  bool align_corners = false;
  bool recompute_scale_factor = false;
};

// x (N, C, ...) of one to three dims behind the channels.
class Upsample : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Upsample(Module* parent, std::string name, UpsampleOptions options);
  Upsample(NotThis, UpsampleOptions options) = delete;
  Tensor forward(const Tensor& x) const override;

 private:
  UpsampleOptions options_;
};

// Of images alone, by a factor of each side.
class UpsamplingNearest2d : public Upsample {
 public:
  using Upsample::Upsample;
  UpsamplingNearest2d(Module* parent, std::string name, double scale_factor)
      : Upsample(parent, std::move(name), {.scale_factor = {scale_factor, scale_factor}}) {}
};
class UpsamplingBilinear2d : public Upsample {
 public:
  using Upsample::Upsample;
  UpsamplingBilinear2d(Module* parent, std::string name, double scale_factor)
      : Upsample(parent, std::move(name),
                 {.scale_factor = {scale_factor, scale_factor},
                  .mode = Interpolation::bilinear,
                  .align_corners = true}) {}
};

// The functions of these names, of a factor or a number of groups.
struct PixelShuffle : NumberLayer<pixel_shuffle> {
  using NumberLayer::NumberLayer;
};
struct PixelUnshuffle : NumberLayer<pixel_unshuffle> {
  using NumberLayer::NumberLayer;
};
struct ChannelShuffle : NumberLayer<channel_shuffle> {
  using NumberLayer::NumberLayer;
};

}  // namespace tessera::nn
