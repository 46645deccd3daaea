#include "autograd/ops/patches.h"

#include "autograd/ops/normalize_common.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/binary.h"
#include "core/shape.h"

namespace tessera {
namespace {

// One number for each of the last two dims.
struct Pair {
  int64_t rows, cols;
};

Pair pair_of(const char* op, const char* what, const Dims& values, int64_t least) {
  TESSERA_CHECK(values.size() == 1 || values.size() == 2,
                "[{}] expected one or two numbers for the {}, got {}", op, what, values);
  Pair out{values[0], values.back()};
  constexpr int64_t kMost = int64_t{1} << 31;
  TESSERA_CHECK(out.rows >= least && out.cols >= least && out.rows < kMost && out.cols < kMost,
                "[{}] expected a {} of at least {}, got {}", op, what, least, values);
  return out;
}

int64_t num_places(int64_t size, int64_t kernel, int64_t dilation, int64_t padding,
                   int64_t stride) {
  int64_t room = size + 2 * padding - dilation * (kernel - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

// Windows over images of one size.
struct Windows {
  Pair image, kernel, dilation, padding, stride, places;

  Windows(const char* op, Pair size, const Dims& kernel_arg, const Dims& dilation_arg,
          const Dims& padding_arg, const Dims& stride_arg)
      : image(size),
        kernel(pair_of(op, "kernel", kernel_arg, 1)),
        dilation(pair_of(op, "dilation", dilation_arg, 1)),
        padding(pair_of(op, "padding", padding_arg, 0)),
        stride(pair_of(op, "stride", stride_arg, 1)) {
    places.rows = num_places(image.rows, kernel.rows, dilation.rows, padding.rows, stride.rows);
    places.cols = num_places(image.cols, kernel.cols, dilation.cols, padding.cols, stride.cols);
    TESSERA_CHECK(
        places.rows > 0 && places.cols > 0,
        "[{}] expected a kernel that fits into the image of {} x {} with padding {} x {}, "
        "got {} x {} with dilation {} x {}",
        op, image.rows, image.cols, padding.rows, padding.cols, kernel.rows, kernel.cols,
        dilation.rows, dilation.cols);
  }
  int64_t size() const { return kernel.rows * kernel.cols; }
  int64_t num_columns() const { return places.rows * places.cols; }

  // fn(k, the elements of padded (N, C, H, W) under element k of the window, (N, C, OH, OW))
  template <class F>
  void for_each_element(const Array& padded, F&& fn) const {
    for (int64_t i = 0; i < kernel.rows; ++i) {
      int64_t top = i * dilation.rows;
      Array rows = padded.slice(2, top, top + (places.rows - 1) * stride.rows + 1, stride.rows);
      for (int64_t j = 0; j < kernel.cols; ++j) {
        int64_t left = j * dilation.cols;
        fn(i * kernel.cols + j,
           rows.slice(3, left, left + (places.cols - 1) * stride.cols + 1, stride.cols));
      }
    }
  }
};

// (N, C, H, W) -> (N, C K, L)
Array columns_of(const Array& x, const Windows& w) {
  Array padded = x;
  if (w.padding.rows > 0 || w.padding.cols > 0) {
    padded = arrays::pad(x, {w.padding.cols, w.padding.cols, w.padding.rows, w.padding.rows});
  }
  Array out = Array::empty({x.size(0), x.size(1), w.size(), w.places.rows, w.places.cols},
                           x.dtype(), x.device());
  w.for_each_element(padded, [&](int64_t k, const Array& part) { out.select(2, k).copy_(part); });
  return out.view({x.size(0), x.size(1) * w.size(), w.num_columns()});
}

// (N, C K, L) -> (N, C, H, W). Element by element of the window, in order, so the sums have one
// order; those of 16 bits are rounded once.
Array images_of(const Array& columns, const Windows& w) {
  int64_t channels = columns.size(1) / w.size();
  DType wide = is_floating(columns.dtype()) ? compute_dtype_of(columns.dtype()) : columns.dtype();
  Array padded = Array::zeros({columns.size(0), channels, w.image.rows + 2 * w.padding.rows,
                               w.image.cols + 2 * w.padding.cols},
                              wide, columns.device());
  Array parts =
      columns.reshape({columns.size(0), channels, w.size(), w.places.rows, w.places.cols});
  const BinaryFamily& binary = kernels(columns.device()).binary();
  w.for_each_element(padded, [&](int64_t k, const Array& sums) {
    binary.run(BinaryOp::add, sums, parts.select(2, k), sums);
  });
  return padded.slice(2, w.padding.rows, w.padding.rows + w.image.rows)
      .slice(3, w.padding.cols, w.padding.cols + w.image.cols)
      .to(columns.dtype())
      .contiguous();
}

Tensor fold_columns(const Tensor& columns, const Windows& w);

Tensor unfold_images(const Tensor& x, const Windows& w) {
  return record("unfold", columns_of(x.data(), w), {x},
                [w](const Tensor& dy, const Node&) { return Grads{fold_columns(dy, w)}; });
}
Tensor fold_columns(const Tensor& columns, const Windows& w) {
  return record("fold", images_of(columns.data(), w), {columns},
                [w](const Tensor& dy, const Node&) { return Grads{unfold_images(dy, w)}; });
}

Dims without_first(const Dims& shape) {
  Dims out = shape;
  out.erase(0);
  return out;
}

}  // namespace

Tensor unfold(TensorArg x, const Dims& kernel, const Dims& dilation, const Dims& padding,
              const Dims& stride) {
  const Composed scope;
  TESSERA_CHECK(x.dim() == 3 || x.dim() == 4,
                "[unfold] expected x (N, C, H, W) or (C, H, W), got shape {}", x.shape());
  Windows w("unfold", {x.size(-2), x.size(-1)}, kernel, dilation, padding, stride);
  if (x.dim() == 4) return unfold_images(x, w);
  Tensor y = unfold_images(unsqueeze(x, 0), w);
  return reshape(y, without_first(y.shape()));
}

Tensor fold(TensorArg x, const Dims& out_size, const Dims& kernel, const Dims& dilation,
            const Dims& padding, const Dims& stride) {
  const Composed scope;
  TESSERA_CHECK(x.dim() == 2 || x.dim() == 3,
                "[fold] expected x (N, C KH KW, L) or (C KH KW, L), got shape {}", x.shape());
  Windows w("fold", pair_of("fold", "size", out_size, 1), kernel, dilation, padding, stride);
  TESSERA_CHECK(x.size(-2) % w.size() == 0 && x.size(-1) == w.num_columns(),
                "[fold] expected a multiple of {} rows and {} columns, got shape {}", w.size(),
                w.num_columns(), x.shape());
  if (x.dim() == 3) return fold_columns(x, w);
  Tensor y = fold_columns(unsqueeze(x, 0), w);
  return reshape(y, without_first(y.shape()));
}

}  // namespace tessera
