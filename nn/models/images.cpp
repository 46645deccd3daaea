#include "nn/models/images.h"

#include "autograd/ops/random.h"
#include "autograd/ops/shape.h"

namespace tessera::nn {

Tensor images_of(const data::Batch& batch, const char* model, int64_t channels, int64_t size,
                 DType dtype) {
  const Tensor& images = batch.images;
  TESSERA_CHECK(images.defined(), "[{}] expected a batch with images", model);
  TESSERA_CHECK(images.dim() >= 1 && images.numel() == images.size(0) * channels * size * size,
                "[{}] expected {} x {} x {} numbers a sample, got {}", model, channels, size, size,
                images.shape());
  return tessera::to(reshape(images, {images.size(0), channels, size, size}), dtype);
}

Tensor channels_last(const Tensor& x) {
  return permute(contiguous(permute(x, {0, 2, 3, 1})), {0, 3, 1, 2});
}

Tensor noise_like(const Tensor& x) { return Tensor(randn_like(x).data().to(x.device())); }

}  // namespace tessera::nn
