#include "core/cuda/families.h"
#include "core/cuda/fold.cuh"
#include "core/kernels/reduce.h"

namespace tessera::cuda {

// One level of a tree: neighbours are added, an odd last one moves up.
__global__ void add_neighbours(const double* below, double* above, int64_t count) {
  for (int64_t i = global_thread(); i < (count + 1) / 2; i += num_threads_in_grid()) {
    above[i] = 2 * i + 1 < count ? below[2 * i] + below[2 * i + 1] : below[2 * i];
  }
}

namespace {

constexpr int64_t kSquareChunk = 256;

template <class T>
void sum_into(const FoldShape& shape, const Array& x, const Array& out) {
  launch_fold<T, T>(shape, x, out, SumFold<T, T>());
}

class Reduce final : public ReduceFamily {
 public:
  void sum_rows(const Array& x, const Array& out) const override {
    visit_f32_f64(x.dtype(), "sum_rows", [&](auto tag) {
      int64_t rows = out.numel();
      int64_t cols = rows == 0 ? 0 : x.numel() / rows;
      sum_into<typename decltype(tag)::type>({rows, cols, 1}, x, out);
    });
  }

  void sum_columns(const Array& x, const Array& out) const override {
    visit_f32_f64(x.dtype(), "sum_columns", [&](auto tag) {
      int64_t cols = out.numel();
      int64_t rows = cols == 0 ? 0 : x.numel() / cols;
      sum_into<typename decltype(tag)::type>({1, rows, cols}, x, out);
    });
  }

  void chunk_square_sums(const Array& x, const Array& out) const override {
    int64_t whole = x.numel() / kSquareChunk;
    int64_t rest = x.numel() % kSquareChunk;
    visit_f32_f64(x.dtype(), "chunk_square_sums", [&](auto tag) {
      using T = typename decltype(tag)::type;
      using Squares = SumFold<double, double, true>;
      launch_fold<T, double>({whole, kSquareChunk, 1}, x, out, Squares());
      if (rest == 0) return;
      launch_fold<T, double>({1, rest, 1}, x.slice(0, whole * kSquareChunk, x.numel()),
                             out.slice(0, whole, whole + 1), Squares());
    });
  }

  void tree_sum(const Array& x, const Array& out) const override {
    if (x.numel() == 0) return out.fill_(0);
    int index = x.device().index;
    DeviceGuard device(index);
    Array level = x;
    for (int64_t count = x.numel(); count > 1; count = (count + 1) / 2) {
      Array above = Array::empty({(count + 1) / 2}, DType::f64, x.device());
      launch(add_neighbours, blocks_for(above.numel()), kBlock, current_stream(index),
             device_data<const double>(level), device_data<double>(above), count);
      level = above;
    }
    out.copy_(level.view({}));
  }
};

}  // namespace

const ReduceFamily& reduce_family() {
  static const Reduce family;
  return family;
}

}  // namespace tessera::cuda
