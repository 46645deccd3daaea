#include "nn/models/lenet.h"

#include "autograd/ops.h"
#include "nn/models/images.h"

namespace tessera::nn {
namespace {

const LeNetOptions& checked(const LeNetOptions& o) {
  TESSERA_CHECK(o.channels >= 1 && o.classes >= 1,
                "[lenet] channels and classes must be at least 1");
  TESSERA_CHECK(o.size >= 12, "[lenet] expected images of at least 12 x 12, got {} x {}", o.size,
                o.size);
  return o;
}

// Rows, and columns, behind the second pooling.
int64_t rows_left(int64_t size) { return (size / 2 - 4) / 2; }

}  // namespace

LeNet::LeNet(const LeNetOptions& options)
    : Classifier(options.classes),
      options_(checked(options)),
      conv1_(this, "conv1", options.channels, 6, 5, {.padding = {2}}),
      conv2_(this, "conv2", 6, 16, 5, {}),
      pool_(this, "pool", 2),
      fc1_(this, "fc1", 16 * rows_left(options.size) * rows_left(options.size), 120),
      fc2_(this, "fc2", 120, 84),
      fc3_(this, "fc3", 84, options.classes) {
  keep_callers_place();
  for (Conv2d* layer : {&conv1_, &conv2_}) layer->make_block();
  for (Linear* layer : {&fc1_, &fc2_, &fc3_}) layer->make_block();
}

Tensor LeNet::forward(const data::Batch& batch) {
  Tensor x = images_of(batch, "lenet", options_.channels, options_.size, fc1_.weight.dtype());
  x = pool_(relu(conv1_(x)));
  x = pool_(relu(conv2_(x)));
  return fc3_(relu(fc2_(relu(fc1_(flatten(x, 1))))));
}

}  // namespace tessera::nn
