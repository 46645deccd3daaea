#include "autograd/ops/pool.h"

#include "autograd/ops/batch_arg.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/join.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/resample.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/pool.h"

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

constexpr const char* kImages = "(N, C, H, W)";
constexpr const char* kSequences = "(N, C, L)";

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

// A window of a pooling by means: its elements inside of the axis, and what their sum is divided
// by.
struct MeanWindow {
  int64_t begin, end, count;
};

std::vector<MeanWindow> mean_windows(const Axis& a, bool count_include_pad) {
  std::vector<MeanWindow> out;
  for (int64_t i = 0; i < a.out; ++i) {
    int64_t begin = i * a.stride - a.padding;
    int64_t end = std::min(begin + a.kernel, a.size + a.padding);
    int64_t count = end - begin;
    begin = std::max<int64_t>(begin, 0);
    end = std::min(end, a.size);
    out.push_back({begin, end, count_include_pad ? count : end - begin});
  }
  return out;
}

// The means of the windows, or their sums over `divisor` where it is not 0.
AxisMap means_of(const Axis& a, bool count_include_pad, int64_t divisor) {
  AxisMap map;
  for (const MeanWindow& window : mean_windows(a, count_include_pad)) {
    map.emplace_back();
    auto count = static_cast<double>(divisor ? divisor : window.count);
    for (int64_t j = window.begin; j < window.end; ++j) map.back().push_back({j, 1 / count});
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

// The dtype that a maximum is looked for in.
DType wide_dtype(const char* op, DType dtype) {
  TESSERA_CHECK(dtype != DType::boolean, "[{}] expected numbers, got bool", op);
  if (!is_floating(dtype)) return DType::i64;
  return dtype == DType::f64 ? DType::f64 : DType::f32;
}

MaxPool max_over(const char* op, const Tensor& x, std::span<const PoolWindow> rows,
                 std::span<const PoolWindow> cols) {
  DType wide = wide_dtype(op, x.dtype());
  if (wide != x.dtype()) {
    MaxPool found = max_over(op, to(x, wide), rows, cols);
    return {to(found.values, x.dtype()), found.indices};
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
  return max_over(p.op, x, windows_of(p.op, axis_of(p, x, 0)), windows_of(p.op, axis_of(p, x, 1)));
}

void check_poolable(const char* op, const Tensor& x) {
  TESSERA_CHECK(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", op, x.dtype());
}

// The zeros in front of and behind an axis that let all its windows lie inside.
void push_padding(const Axis& a, Dims& padding) {
  padding.push_back(a.padding);
  padding.push_back(std::max<int64_t>(0, (a.out - 1) * a.stride + a.kernel - a.size - a.padding));
}

// Sums of i64, divided and cut off.
Tensor integer_means(const Tensor& x, const Axis& rows, const Axis& cols, bool count_include_pad,
                     int64_t divisor) {
  Dims padding;
  push_padding(cols, padding);
  push_padding(rows, padding);
  Tensor windows =
      unfold(unfold(pad(x, padding), 2, rows.kernel, rows.stride), 3, cols.kernel, cols.stride);
  Tensor sums = narrow(narrow(sum(windows, {-1, -2}), 2, 0, rows.out), 3, 0, cols.out);
  if (divisor) return trunc_divide(sums, divisor);
  auto counts = [&](const Axis& axis, const Dims& shape) {
    std::vector<int64_t> out;
    for (const MeanWindow& window : mean_windows(axis, count_include_pad)) {
      out.push_back(window.count);
    }
    return Tensor(Array::from(out, shape).to(x.device()));
  };
  return trunc_divide(sums, counts(rows, {rows.out, 1}) * counts(cols, {1, cols.out}));
}

// A divisor of 0 is none.
Tensor avg_pool(const Pooling& p, const Tensor& x, bool count_include_pad, int64_t divisor) {
  Axis rows = axis_of(p, x, 0);
  Axis cols = axis_of(p, x, 1);
  if (x.dtype() == DType::i64) return integer_means(x, rows, cols, count_include_pad, divisor);
  check_poolable(p.op, x);
  return resample(p.op, x, means_of(rows, count_include_pad, divisor),
                  means_of(cols, count_include_pad, divisor ? 1 : 0));
}

// The sizes that adaptive pooling of an image is asked for.
Dims adaptive_size(const char* op, const Tensor& x, const AdaptiveSize& out_size) {
  const auto& sizes = out_size.get();
  TESSERA_CHECK(sizes.size() == 1 || sizes.size() == 2,
                "[{}] expected out_size of one or two sizes, got {}", op, sizes.size());
  Dims out;
  for (size_t d = 0; d < 2; ++d) {
    int64_t size = sizes[sizes.size() == 1 ? 0 : d].value_or(x.shape()[d + 2]);
    TESSERA_CHECK(size >= 0 && size <= kLargestSize, "[{}] expected out_size of at least 0, got {}",
                  op, size);
    out.push_back(size);
  }
  TESSERA_CHECK(x.size(2) > 0 && x.size(3) > 0, "[{}] expected an image with elements, got {}", op,
                x.shape());
  return out;
}

MaxPool adaptive_max(const char* op, const Tensor& x, const AdaptiveSize& out_size) {
  Dims out = adaptive_size(op, x, out_size);
  check_poolable(op, x);
  return max_over(op, x, adaptive_windows(x.size(2), out[0]), adaptive_windows(x.size(3), out[1]));
}

}  // namespace

MaxPool max_pool2d_with_indices(TensorArg x, const Dims& kernel, const Dims& stride,
                                const Dims& padding, const Dims& dilation, bool ceil_mode) {
  const Composed scope;
  Pooling p{"max_pool2d", kernel, stride, padding, dilation, ceil_mode};
  BatchArg images(p.op, kImages, x, 4);
  MaxPool found = max_pool(p, *images);
  return {images.back(found.values), images.back(found.indices)};
}

Tensor max_pool2d(TensorArg x, const Dims& kernel, const Dims& stride, const Dims& padding,
                  const Dims& dilation, bool ceil_mode) {
  return max_pool2d_with_indices(x, kernel, stride, padding, dilation, ceil_mode).values;
}

MaxPool max_pool1d_with_indices(TensorArg x, int64_t kernel, int64_t stride, int64_t padding,
                                int64_t dilation, bool ceil_mode) {
  const Composed scope;
  Pooling p{"max_pool1d", {1, kernel},   {1, stride ? stride : kernel},
            {0, padding}, {1, dilation}, ceil_mode};
  BatchArg sequences(p.op, kSequences, x, 3);
  MaxPool found = max_pool(p, as_image(*sequences));
  return {sequences.back(as_sequence(found.values)), sequences.back(as_sequence(found.indices))};
}

Tensor max_pool1d(TensorArg x, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation,
                  bool ceil_mode) {
  return max_pool1d_with_indices(x, kernel, stride, padding, dilation, ceil_mode).values;
}

Tensor avg_pool2d(TensorArg x, const Dims& kernel, const Dims& stride, const Dims& padding,
                  bool ceil_mode, bool count_include_pad, std::optional<int64_t> divisor_override) {
  const Composed scope;
  Pooling p{"avg_pool2d", kernel, stride, padding, {1}, ceil_mode};
  TESSERA_CHECK(divisor_override != 0, "[avg_pool2d] expected a divisor_override other than 0");
  BatchArg images(p.op, kImages, x, 4);
  return images.back(avg_pool(p, *images, count_include_pad, divisor_override.value_or(0)));
}

Tensor avg_pool1d(TensorArg x, int64_t kernel, int64_t stride, int64_t padding, bool ceil_mode,
                  bool count_include_pad) {
  const Composed scope;
  Pooling p{"avg_pool1d", {1, kernel}, {1, stride ? stride : kernel}, {0, padding}, {1}, ceil_mode};
  BatchArg sequences(p.op, kSequences, x, 3);
  Tensor y = avg_pool(p, as_image(*sequences), count_include_pad, 0);
  return sequences.back(as_sequence(y));
}

Tensor adaptive_avg_pool2d(TensorArg x, const AdaptiveSize& out_size) {
  const Composed scope;
  const char* op = "adaptive_avg_pool2d";
  BatchArg images(op, kImages, x, 4);
  Dims out = adaptive_size(op, *images, out_size);
  check_poolable(op, x);
  return images.back(resample(op, *images, adaptive_means(images->size(2), out[0]),
                              adaptive_means(images->size(3), out[1])));
}

Tensor adaptive_avg_pool1d(TensorArg x, int64_t out_size) {
  const Composed scope;
  const char* op = "adaptive_avg_pool1d";
  BatchArg sequences(op, kSequences, x, 3);
  Tensor image = as_image(*sequences);
  Dims out = adaptive_size(op, image, {1, out_size});
  check_poolable(op, x);
  Tensor y = resample(op, image, adaptive_means(1, 1), adaptive_means(image.size(3), out[1]));
  return sequences.back(as_sequence(y));
}

MaxPool adaptive_max_pool2d_with_indices(TensorArg x, const AdaptiveSize& out_size) {
  const Composed scope;
  BatchArg images("adaptive_max_pool2d", kImages, x, 4);
  MaxPool found = adaptive_max("adaptive_max_pool2d", *images, out_size);
  return {images.back(found.values), images.back(found.indices)};
}

Tensor adaptive_max_pool2d(TensorArg x, const AdaptiveSize& out_size) {
  return adaptive_max_pool2d_with_indices(x, out_size).values;
}

MaxPool adaptive_max_pool1d_with_indices(TensorArg x, int64_t out_size) {
  const Composed scope;
  BatchArg sequences("adaptive_max_pool1d", kSequences, x, 3);
  MaxPool found = adaptive_max("adaptive_max_pool1d", as_image(*sequences), {1, out_size});
  return {sequences.back(as_sequence(found.values)), sequences.back(as_sequence(found.indices))};
}

Tensor adaptive_max_pool1d(TensorArg x, int64_t out_size) {
  return adaptive_max_pool1d_with_indices(x, out_size).values;
}

}  // namespace tessera
