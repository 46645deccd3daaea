// Fractional max pooling (Graham 2014): windows whose places are drawn anew in each call.
#pragma once

#include <vector>

#include "nn/layers/layer.h"

namespace tessera::nn {

// The largest of each window of x (N, C, sizes...) -> (N, C, output...). The windows of a plane
// begin at int((i + s) a) - int(s a) for i below output - 1, with a = (size - kernel) /
// (output - 1), and the last ends with the plane; s is samples (N, C, dims) in [0, 1), the last
// dim's first for images and the first's for volumes, as in PyTorch. The batch may be missing from
// x and the result. kernel and output hold one number for all dims, or one for each. Errors: output
// + kernel - 1 above a size.
Tensor fractional_max_pool(TensorArg x, const Dims& kernel, const Dims& output,
                           const Tensor& samples);

// One of both: the sizes of the output, or their ratios to the input's, in (0, 1).
struct FractionalMaxPoolOptions {
  Dims output_size = {};
  std::vector<double> output_ratio = {};
};

// What both of them are. In evaluation as in training samples are drawn.
class FractionalMaxPool : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Tensor forward(const Tensor& x) const override;

 protected:
  FractionalMaxPool(Module* parent, std::string name, size_t dims, const Dims& kernel,
                    FractionalMaxPoolOptions options);

 private:
  size_t dims_;
  Dims kernel_;
  FractionalMaxPoolOptions options_;
};

struct FractionalMaxPool2d : FractionalMaxPool {
  using FractionalMaxPool::FractionalMaxPool;
  FractionalMaxPool2d(Module* parent, std::string name, const Dims& kernel,
                      FractionalMaxPoolOptions options)
      : FractionalMaxPool(parent, std::move(name), 2, kernel, std::move(options)) {}
};
struct FractionalMaxPool3d : FractionalMaxPool {
  using FractionalMaxPool::FractionalMaxPool;
  FractionalMaxPool3d(Module* parent, std::string name, const Dims& kernel,
                      FractionalMaxPoolOptions options)
      : FractionalMaxPool(parent, std::move(name), 3, kernel, std::move(options)) {}
};

}  // namespace tessera::nn
