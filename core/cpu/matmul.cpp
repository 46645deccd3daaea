#include <optional>
#include <type_traits>

#include "core/array.h"
#include "core/cpu/cpu.h"
#include "core/cpu/gemm.h"
#include "core/cpu/widened.h"
#include "core/kernels/matmul.h"
#include "core/parallel.h"
#include "core/signals.h"

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

// How many pieces of at least `smallest` a size is cut into: a power of two, at most `most`.
int64_t pieces_of(int64_t size, int64_t smallest, int64_t most) {
  int64_t pieces = 1;
  while (2 * pieces <= most && size / (2 * pieces) >= smallest) pieces *= 2;
  return pieces;
}

// Tiles of a product, a power of two so that they share out evenly: enough to balance threads,
// few enough for each to run for a tenth of a millisecond or more.
int64_t num_tiles(double flops) {
  if (flops < 4e5) return 1;
  if (flops < 1e8) return 2;
  if (flops < 1e9) return 4;
  return flops < 1e10 ? 8 : 16;
}

// Measured on two cores of an AVX-512 machine, against oneDNN's own threads. A tile packs its part
// of b, and of a where a is transposed, so b is cut by columns first and a transposed a by rows:
// then little is packed twice. Below 128 columns oneDNN's blocks run half empty. A long k over wide
// transposed matrices runs out of the second-level cache: passes of 512 keep it inside.
Tiling choose_tiling(int64_t m, int64_t n, int64_t k, bool transposed_a) {
  double flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  int64_t tiles = num_tiles(flops);
  int64_t row_pieces = 1;
  int64_t col_pieces = 1;
  if (transposed_a) {
    // Every tile packs all of b: four are the most that pay until the product is large.
    if (flops < 1e10) tiles = std::min<int64_t>(tiles, 4);
    row_pieces = pieces_of(m, 96, tiles);
    col_pieces = pieces_of(n, 128, tiles / row_pieces);
  } else {
    col_pieces = pieces_of(n, 128, std::min<int64_t>(tiles, 4));
    row_pieces = pieces_of(m, 64, tiles / col_pieces);
  }
  bool in_passes = transposed_a && std::max(m, n) >= 1280 && k >= 2048;
  return {round_up((m + row_pieces - 1) / row_pieces, 16),
          round_up((n + col_pieces - 1) / col_pieces, 16), in_passes ? 512 : k};
}

// A product in which one dim is a vocabulary's is cut without a look at its other sizes: pieces of
// it are cut as the whole is (core/kernels/matmul.h).
std::optional<Tiling> wide_tiling(int64_t m, int64_t n, int64_t k, bool transposed_a) {
  // Enough columns or rows for a tile to run for a millisecond or more.
  constexpr int64_t kVocabularyTile = 4096;
  if (n >= kWide) return Tiling{kWidePiece, kVocabularyTile, k};
  if (transposed_a && m >= kWide) return Tiling{kVocabularyTile, n, kWidePiece};
  if (transposed_a || k < kWide) return std::nullopt;
  int64_t col_pieces = pieces_of(n, 128, 8);
  return Tiling{kWidePiece, round_up((n + col_pieces - 1) / col_pieces, 16), k};
}

Tiling tiling_of(const Array& a, int64_t m, int64_t n) {
  int64_t k = a.shape()[2];
  // Of one term either may be meant: the stride that is not 1 tells.
  if (auto wide = wide_tiling(m, n, k, a.strides()[2] != 1)) return *wide;
  return choose_tiling(m, n, k, a.strides()[2] != 1 && k > 1);
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
void run_tiles(const Array& a, const Array& b, const Array& bias, bool add, const Array& out) {
  int64_t batch = out.shape()[0];
  int64_t m = out.shape()[1];
  int64_t n = out.shape()[2];
  int64_t k = a.shape()[2];
  if (batch * m * n == 0) return;
  // Many products of one batch are enough work for all threads as they are.
  Tiling tiling = batch >= 8 ? Tiling{m, n, k} : tiling_of(a, m, n);
  int64_t row_tiles = (m + tiling.rows - 1) / tiling.rows;
  int64_t col_tiles = (n + tiling.cols - 1) / tiling.cols;
  const T* offsets = bias.defined() ? bias.data<T>() : nullptr;
  int64_t ldc = out.strides()[1];
  // Once for all tiles that this thread will take.
  std::optional<SignalsBlocked> blocked;
  if (moves_stack<T>(m, n, k)) blocked.emplace();
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
              offsets && done == 0 ? offsets + col : nullptr, add || done > 0, c, ldc);
      done += depth;
    } while (done < k);
  });
}

// 16-bit floats: the whole product in f32, rounded once.
void run_widened(const Array& a, const Array& b, const Array& bias, const Array& out) {
  Array wide = Array::empty(out.shape(), DType::f32);
  run_tiles<float>(widened(a), widened(b), widened(bias), false, wide);
  out.copy_(wide);
}

// c (rows, n) += a b, one row of b at a time. Unsigned, so that overflow wraps around.
template <class T>
void add_integer_product(int64_t rows, int64_t n, int64_t k, MatrixView<T> a, MatrixView<T> b, T* c,
                         int64_t ldc) {
  using U = std::make_unsigned_t<T>;
  for (int64_t i = 0; i < rows; ++i) {
    T* to = c + i * ldc;
    for (int64_t p = 0; p < k; ++p) {
      auto factor = static_cast<U>(a.data[i * a.row_stride + p * a.col_stride]);
      const T* row = b.data + p * b.row_stride;
      for (int64_t j = 0; j < n; ++j) {
        to[j] =
            static_cast<T>(static_cast<U>(to[j]) + static_cast<U>(factor * static_cast<U>(row[j])));
      }
    }
  }
}

template <class T>
void run_integers(const Array& a, const Array& b, const Array& bias, const Array& out) {
  constexpr int64_t kRows = 32;  // of a tile
  constexpr int64_t kPass = 64;  // rows of b that stay in cache for all rows of the tile
  int64_t m = out.shape()[1];
  int64_t n = out.shape()[2];
  int64_t k = a.shape()[2];
  if (out.numel() == 0) return;
  // The inner loop runs along b's rows.
  Array rows_of_b = b.strides()[2] == 1 || n == 1 ? b : b.contiguous();
  int64_t row_tiles = (m + kRows - 1) / kRows;
  int64_t ldc = out.strides()[1];
  parallel_for(out.shape()[0] * row_tiles, [&](int64_t t) {
    int64_t row = t % row_tiles * kRows;
    int64_t which = t / row_tiles;
    int64_t rows = std::min(kRows, m - row);
    T* c = out.data<T>() + which * out.strides()[0] + row * ldc;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        c[i * ldc + j] = bias.defined() ? bias.data<T>()[j * bias.strides()[0]] : T{0};
      }
    }
    MatrixView<T> left = at(matrix<T>(a, which), row, 0);
    MatrixView<T> right = matrix<T>(rows_of_b, which);
    for (int64_t done = 0; done < k; done += kPass) {
      add_integer_product(rows, n, std::min(kPass, k - done), at(left, 0, done), at(right, done, 0),
                          c, ldc);
    }
  });
}

class Matmul final : public MatmulFamily {
 public:
  void run(const Array& a, const Array& b, const Array& bias, const Array& out) const override {
    switch (out.dtype()) {
      case DType::f32: return run_tiles<float>(a, b, bias, false, out);
      case DType::f64: return run_tiles<double>(a, b, bias, false, out);
      case DType::bf16:
      case DType::f16: return run_widened(a, b, bias, out);
      case DType::i64: return run_integers<int64_t>(a, b, bias, out);
      case DType::i32: return run_integers<int32_t>(a, b, bias, out);
      case DType::u8: return run_integers<uint8_t>(a, b, bias, out);
      case DType::boolean: break;
    }
    throw_error("[matmul] expected numbers, got bool");
  }
  void add(const Array& a, const Array& b, const Array& out) const override {
    visit_f32_f64(out.dtype(), "matmul",
                  [&](auto tag) { run_tiles<typename decltype(tag)::type>(a, b, {}, true, out); });
  }
};

}  // namespace

const MatmulFamily& matmul_family() {
  static const Matmul family;
  return family;
}

}  // namespace tessera::cpu
