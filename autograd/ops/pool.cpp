#include "autograd/ops/pool.h"

#include "autograd/ops/resample.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/kernels.h"

namespace tessera {
namespace {

// Beyond this nothing fits into memory anyway, and sums of products of sizes stay in range.
constexpr int64_t kLargestSize = int64_t{1} << 30;

int64_t size_at(const char* op, const char* what, const Dims& sizes, size_t d, int64_t smallest) {
  TESSERA_CHECK(sizes.size() == 1 || sizes.size() == 2,
                "[{}] expected {} of one or two sizes, got {}", op, what, sizes);
  int64_t size = sizes.size() == 1 ? sizes[0] : sizes[d];
  TESSERA_CHECK(size >= smallest && size <= kLargestSize, "[{}] expected {} of at least {}, got {}",
                op, what, smallest, sizes);
  return size;
}

void check_image(const char* op, const Tensor& x) {
  TESSERA_CHECK(x.dim() == 4, "[{}] expected an image (N, C, H, W), got {}", op, x.shape());
  TESSERA_CHECK(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", op, x.dtype());
}

struct Pooling {
  const char* op;
  Dims kernel, stride, padding, dilation;
  bool ceil_mode;
};

// One axis of a pooling: windows before they are cut at the edges.
struct Axis {
  int64_t size, kernel, stride, padding, dilation, out;
};

Axis axis_of(const Pooling& p, const Tensor& x, size_t d) {
  Axis a{};
  a.size = x.shape()[d + 2];
  a.kernel = size_at(p.op, "kernel", p.kernel, d, 1);
  a.stride = size_at(p.op, "stride", p.stride.empty() ? p.kernel : p.stride, d, 1);
  a.padding = size_at(p.op, "padding", p.padding, d, 0);
  a.dilation = size_at(p.op, "dilation", p.dilation, d, 1);
  TESSERA_CHECK(a.padding <= a.kernel / 2,
                "[{}] expected padding of at most half the kernel {}, "
                "got {}",
                p.op, p.kernel, p.padding);
  int64_t room = a.size + 2 * a.padding - a.dilation * (a.kernel - 1) - 1;
  TESSERA_CHECK(a.size >= 1 && (room >= 0 || (p.ceil_mode && room > -a.stride)),
                "[{}] expected a kernel {} that fits into {}", p.op, p.kernel, x.shape());
  a.out = (room + (p.ceil_mode ? a.stride - 1 : 0)) / a.stride + 1;
  if (p.ceil_mode && (a.out - 1) * a.stride >= a.size + a.padding) --a.out;
  return a;
}

std::vector<PoolWindow> windows_of(const char* op, const Axis& a) {
  std::vector<PoolWindow> out;
  for (int64_t i = 0; i < a.out; ++i) {
    int64_t begin = i * a.stride - a.padding;
    int64_t end = std::min(begin + a.dilation * (a.kernel - 1) + 1, a.size);
    while (begin < 0) begin += a.dilation;
    TESSERA_CHECK(begin < end,
                  "[{}] expected windows with elements, got dilation {} and padding {} "
                  "over {} elements",
                  op, a.dilation, a.padding, a.size);
    out.push_back({begin, end, a.dilation});
  }
  return out;
}

std::vector<PoolWindow> adaptive_windows(int64_t size, int64_t out_size) {
  std::vector<PoolWindow> out;
  for (int64_t i = 0; i < out_size; ++i) {
    out.push_back({i * size / out_size, ((i + 1) * size + out_size - 1) / out_size, 1});
  }
  return out;
}

AxisMap means_of(const Axis& a, bool count_include_pad) {
  AxisMap map;
  for (int64_t i = 0; i < a.out; ++i) {
    int64_t begin = i * a.stride - a.padding;
    int64_t end = std::min(begin + a.kernel, a.size + a.padding);
    int64_t count = end - begin;
    begin = std::max<int64_t>(begin, 0);
    end = std::min(end, a.size);
    if (!count_include_pad) count = end - begin;
    map.emplace_back();
    for (int64_t j = begin; j < end; ++j) map.back().push_back({j, 1 / static_cast<double>(count)});
  }
  return map;
}

Tensor scatter_places(const char* op, const Tensor& dy, const SavedArray& places,
                      const Dims& x_shape);

// The elements of x at the places.
Tensor gather_places(const char* op, const Tensor& x, const SavedArray& places) {
  Array index = places.get(op);
  Array out = Array::empty(index.shape(), x.dtype(), x.device());
  kernels(x.device()).pool().gather(x.data(), index, out);
  return record(op, out, {x}, [places, shape = x.shape()](const Tensor& dy, const Node& node) {
    return Grads{scatter_places(node.op(), dy, places, shape)};
  });
}

Tensor scatter_places(const char* op, const Tensor& dy, const SavedArray& places,
                      const Dims& x_shape) {
  Array dx = Array::empty(x_shape, dy.dtype(), dy.device());
  kernels(dy.device()).pool().scatter(dy.data(), places.get(op), dx);
  return record(op, dx, {dy}, [places](const Tensor& g, const Node& node) {
    return Grads{gather_places(node.op(), g, places)};
  });
}

MaxPool max_over(const char* op, const Tensor& x, std::span<const PoolWindow> rows,
                 std::span<const PoolWindow> cols) {
  if (x.dtype() == DType::bf16 || x.dtype() == DType::f16) {
    MaxPool wide = max_over(op, to(x, DType::f32), rows, cols);
    return {to(wide.values, x.dtype()), wide.indices};
  }
  Dims shape{x.size(0), x.size(1), static_cast<int64_t>(rows.size()),
             static_cast<int64_t>(cols.size())};
  Array out = Array::empty(shape, x.dtype(), x.device());
  Array index = Array::empty(shape, DType::i64, x.device());
  kernels(x.device()).pool().max(x.data(), rows, cols, out, index);
  Tensor values =
      record(op, out, {x},
             [places = SavedArray(index), x_shape = x.shape()](const Tensor& dy, const Node& node) {
               return Grads{scatter_places(node.op(), dy, places, x_shape)};
             });
  return {values, Tensor(index)};
}

MaxPool max_pool(const Pooling& p, const Tensor& x) {
  check_image(p.op, x);
  return max_over(p.op, x, windows_of(p.op, axis_of(p, x, 0)), windows_of(p.op, axis_of(p, x, 1)));
}

Tensor avg_pool(const Pooling& p, const Tensor& x, bool count_include_pad) {
  check_image(p.op, x);
  return resample(p.op, x, means_of(axis_of(p, x, 0), count_include_pad),
                  means_of(axis_of(p, x, 1), count_include_pad));
}

// The sizes that adaptive pooling is asked for.
Dims adaptive_size(const char* op, const Tensor& x, const Dims& out_size) {
  check_image(op, x);
  Dims out{size_at(op, "out_size", out_size, 0, 0), size_at(op, "out_size", out_size, 1, 0)};
  TESSERA_CHECK(x.size(2) > 0 && x.size(3) > 0, "[{}] expected an image with elements, got {}", op,
                x.shape());
  return out;
}

}  // namespace

MaxPool max_pool2d_with_indices(TensorArg x, const Dims& kernel, const Dims& stride,
                                const Dims& padding, const Dims& dilation, bool ceil_mode) {
  const Composed scope;
  return max_pool({"max_pool2d", kernel, stride, padding, dilation, ceil_mode}, x);
}

Tensor max_pool2d(TensorArg x, const Dims& kernel, const Dims& stride, const Dims& padding,
                  const Dims& dilation, bool ceil_mode) {
  return max_pool2d_with_indices(x, kernel, stride, padding, dilation, ceil_mode).values;
}

Tensor max_pool1d(TensorArg x, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation,
                  bool ceil_mode) {
  const Composed scope;
  Pooling p{"max_pool1d", {1, kernel},   {1, stride ? stride : kernel},
            {0, padding}, {1, dilation}, ceil_mode};
  return as_sequence(max_pool(p, as_image(p.op, x)).values);
}

Tensor avg_pool2d(TensorArg x, const Dims& kernel, const Dims& stride, const Dims& padding,
                  bool ceil_mode, bool count_include_pad) {
  const Composed scope;
  return avg_pool({"avg_pool2d", kernel, stride, padding, {1}, ceil_mode}, x, count_include_pad);
}

Tensor avg_pool1d(TensorArg x, int64_t kernel, int64_t stride, int64_t padding, bool ceil_mode,
                  bool count_include_pad) {
  const Composed scope;
  Pooling p{"avg_pool1d", {1, kernel}, {1, stride ? stride : kernel}, {0, padding}, {1}, ceil_mode};
  return as_sequence(avg_pool(p, as_image(p.op, x), count_include_pad));
}

Tensor adaptive_avg_pool2d(TensorArg x, const Dims& out_size) {
  const Composed scope;
  const char* op = "adaptive_avg_pool2d";
  Dims out = adaptive_size(op, x, out_size);
  return resample(op, x, adaptive_means(x.size(2), out[0]), adaptive_means(x.size(3), out[1]));
}

Tensor adaptive_avg_pool1d(TensorArg x, int64_t out_size) {
  const Composed scope;
  const char* op = "adaptive_avg_pool1d";
  Tensor image = as_image(op, x);
  Dims out = adaptive_size(op, image, {1, out_size});
  return as_sequence(resample(op, image, adaptive_means(1, 1), adaptive_means(x.size(2), out[1])));
}

Tensor adaptive_max_pool2d(TensorArg x, const Dims& out_size) {
  const Composed scope;
  const char* op = "adaptive_max_pool2d";
  Dims out = adaptive_size(op, x, out_size);
  return max_over(op, x, adaptive_windows(x.size(2), out[0]), adaptive_windows(x.size(3), out[1]))
      .values;
}

}  // namespace tessera
