#include "nn/layers/unpool.h"

namespace tessera::nn::detail {
namespace {

// The only size of a list, or `none` of an empty one.
int64_t only_size(const char* layer, const char* what, const Dims& sizes, int64_t none) {
  TESSERA_CHECK(sizes.size() <= 1, "[{}] expected {} of one size, got {}", layer, what, sizes);
  return sizes.empty() ? none : sizes[0];
}

}  // namespace

Tensor max_unpool1d_of_lists(TensorArg x, TensorArg indices, const Dims& kernel, const Dims& stride,
                             const Dims& padding, const Dims& output_size) {
  const char* layer = "MaxUnpool1d";
  return max_unpool1d(x, indices, only_size(layer, "kernel", kernel, 0),
                      only_size(layer, "stride", stride, 0),
                      only_size(layer, "padding", padding, 0), output_size);
}

Tensor lp_pool1d_of_lists(TensorArg x, double norm_type, const Dims& kernel, const Dims& stride,
                          bool ceil_mode) {
  const char* layer = "LpPool1d";
  return lp_pool1d(x, norm_type, only_size(layer, "kernel", kernel, 0),
                   only_size(layer, "stride", stride, 0), ceil_mode);
}

}  // namespace tessera::nn::detail
