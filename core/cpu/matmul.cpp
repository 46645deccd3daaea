#include "core/cpu/cpu.h"
#include "core/cpu/gemm.h"
#include "core/parallel.h"

namespace tessera::cpu {
namespace {

// How one (m, k) x (k, n) product is cut. Every tile is a one-thread product, so the bits cannot
// depend on the number of threads; the cut depends on the shape and layout alone.
struct Tiling {
  int64_t rows, cols;  // of a tile of the result
  int64_t depth;       // of one pass along k; passes follow each other within a tile
};

int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Measured on two cores of an AVX-512 machine, against oneDNN's own threads:
// - a tile packs its part of b, and of a where a is transposed, so b is cut by columns and a
//   transposed a by rows: nothing is packed twice;
// - 64 columns are oneDNN's own block; narrower tiles lose a third;
// - rows stay together up to 1,024, by when packing b again costs little;
// - a long k over wide matrices runs out of the second-level cache: passes of 512 keep it inside.
Tiling choose_tiling(int64_t m, int64_t n, int64_t k, bool transposed_a) {
  constexpr double kSmallFlops = 4e5;  // below this, handing out a tile costs more than it saves
  Tiling whole{m, n, k};
  if (2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) <
      kSmallFlops) {
    return whole;
  }
  if (transposed_a) {
    bool wide = std::max(m, n) >= 1280 && k >= 2048;
    return {std::max<int64_t>(round_up((m + 3) / 4, 16), 64), n, wide ? 512 : k};
  }
  int64_t rows = m >= 2048 ? round_up((m + m / 1024 - 1) / (m / 1024), 16) : m;
  int64_t cols = std::max<int64_t>(round_up((n + 3) / 4, 64), 64);
  if (n < 128) {
    cols = n;
    rows = std::max<int64_t>(round_up((rows + 3) / 4, 16), 64);
  }
  return {rows, cols, k};
}

template <class T>
MatrixView<T> matrix(const Array& x, int64_t batch) {
  return {x.data<T>() + batch * x.strides()[0], x.strides()[1], x.strides()[2]};
}

template <class T>
MatrixView<T> at(MatrixView<T> x, int64_t row, int64_t col) {
  x.data += row * x.row_stride + col * x.col_stride;
  return x;
}

template <class T>
void run_tiles(const Array& a, const Array& b, const Array& bias, const Array& out) {
  int64_t batch = out.shape()[0];
  int64_t m = out.shape()[1];
  int64_t n = out.shape()[2];
  int64_t k = a.shape()[2];
  if (batch * m * n == 0) return;
  bool transposed_a = a.strides()[2] != 1 && k > 1;
  // Many products of one batch are enough work for all threads as they are.
  Tiling tiling = batch >= 8 ? Tiling{m, n, k} : choose_tiling(m, n, k, transposed_a);
  int64_t row_tiles = (m + tiling.rows - 1) / tiling.rows;
  int64_t col_tiles = (n + tiling.cols - 1) / tiling.cols;
  const T* offsets = bias.defined() ? bias.data<T>() : nullptr;
  int64_t ldc = out.strides()[1];
  parallel_for(batch * row_tiles * col_tiles, [&](int64_t t) {
    int64_t col = t % col_tiles * tiling.cols;
    int64_t row = t / col_tiles % row_tiles * tiling.rows;
    int64_t which = t / col_tiles / row_tiles;
    int64_t rows = std::min(tiling.rows, m - row);
    int64_t cols = std::min(tiling.cols, n - col);
    T* c = out.data<T>() + which * out.strides()[0] + row * ldc + col;
    MatrixView<T> left = at(matrix<T>(a, which), row, 0);
    MatrixView<T> right = at(matrix<T>(b, which), 0, col);
    int64_t done = 0;
    do {
      int64_t depth = std::min(tiling.depth, k - done);
      gemm<T>(rows, cols, depth, at(left, 0, done), at(right, done, 0),
              offsets && done == 0 ? offsets + col : nullptr, done > 0, c, ldc);
      done += depth;
    } while (done < k);
  });
}

class Matmul final : public MatmulFamily {
 public:
  void run(const Array& a, const Array& b, const Array& bias, const Array& out) const override {
    visit_f32_f64(out.dtype(), "matmul",
                  [&](auto tag) { run_tiles<typename decltype(tag)::type>(a, b, bias, out); });
  }
};

}  // namespace

const MatmulFamily& matmul_family() {
  static const Matmul family;
  return family;
}

}  // namespace tessera::cpu
