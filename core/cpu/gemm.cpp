#include "core/cpu/gemm.h"

#include <hwy/highway.h>
#include <algorithm>
#include <array>
#include <dnnl.hpp>
#include <unordered_map>

#include "core/cpu/cpu.h"
#include "core/cpu/onednn.h"
#include "core/cpu/register_gemm.h"
#include "core/error.h"

namespace tessera::cpu {
namespace {

using Desc = dnnl::memory::desc;
constexpr auto kF32 = dnnl::memory::data_type::f32;

// m, n, k, strides of a and b, ldc, and the flags.
using Key = std::array<int64_t, 9>;

struct Product {
  dnnl::matmul primitive;
  dnnl::memory a, b, bias, c;
  std::unordered_map<int, dnnl::memory> arguments;
};

dnnl::engine& engine() { return onednn_engine(); }

Product make_product(const Key& key) {
  auto [m, n, k, a_row, a_col, b_row, b_col, ldc, flags] = key;
  bool with_bias = flags & 1;
  Desc a({m, k}, kF32, dnnl::memory::dims{a_row, a_col});
  Desc b({k, n}, kF32, dnnl::memory::dims{b_row, b_col});
  Desc c({m, n}, kF32, dnnl::memory::dims{ldc, 1});
  Desc bias({1, n}, kF32, dnnl::memory::dims{n, 1});
  dnnl::primitive_attr attributes;
  if (flags & 2) {
    dnnl::post_ops sum;
    sum.append_sum(1.0F);
    attributes.set_post_ops(sum);
  }
  Product product;
  product.primitive =
      dnnl::matmul(with_bias ? forward_desc<dnnl::matmul>(engine(), attributes, a, b, bias, c)
                             : forward_desc<dnnl::matmul>(engine(), attributes, a, b, c));
  product.a = dnnl::memory(a, engine(), nullptr);
  product.b = dnnl::memory(b, engine(), nullptr);
  product.c = dnnl::memory(c, engine(), nullptr);
  // Copies of a dnnl::memory are handles to the same object: set_data_handle reaches them all.
  product.arguments = {
      {DNNL_ARG_SRC, product.a}, {DNNL_ARG_WEIGHTS, product.b}, {DNNL_ARG_DST, product.c}};
  if (with_bias) {
    product.bias = dnnl::memory(bias, engine(), nullptr);
    product.arguments.emplace(DNNL_ARG_BIAS, product.bias);
  }
  return product;
}

// A stride that no element uses may be anything; oneDNN wants one that a matrix could have.
void tidy_strides(int64_t rows, int64_t cols, int64_t& row_stride, int64_t& col_stride) {
  if (cols == 1 && row_stride != 1) col_stride = 1;
  if (rows == 1 && col_stride == 1) row_stride = std::max(row_stride, cols);
  if (cols == 1 && row_stride == 1) col_stride = std::max(col_stride, rows);
}

// Up to here our own code is faster: oneDNN's call alone takes about a microsecond. A narrow
// product costs as much as one of whole vectors.
bool is_small(int64_t m, int64_t n, int64_t k) {
  constexpr double kSmall = 32.0 * 32.0 * 32.0;
  auto columns = static_cast<double>((n + 15) / 16 * 16);
  return static_cast<double>(m) * columns * static_cast<double>(k) <= kSmall;
}

}  // namespace

template <>
bool moves_stack<float>(int64_t m, int64_t n, int64_t k) {
  // From here on oneDNN's jit gemm packs into a buffer that its stack pointer then walks through;
  // of less it packs on the stack (its STACK_K_CAPACITY, 128 with AVX-512, 256 with AVX2).
  constexpr int64_t kStaysOnStack = 128;
  return k >= kStaysOnStack && !is_small(m, n, k);
}

template <>
bool moves_stack<double>(int64_t, int64_t, int64_t) {
  return false;
}

namespace {

void gemm_onednn(int64_t m, int64_t n, int64_t k, MatrixView<float> a, MatrixView<float> b,
                 const float* bias, bool accumulate, float* c, int64_t ldc) {
  // Primitives that a program no longer uses are dropped when this many shapes have gone by.
  constexpr size_t kMaxCached = 1024;
  thread_local std::unordered_map<Key, Product, WordsHash> cache;
  thread_local dnnl::stream stream(engine());
  tidy_strides(m, k, a.row_stride, a.col_stride);
  tidy_strides(k, n, b.row_stride, b.col_stride);
  Key key{m,
          n,
          k,
          a.row_stride,
          a.col_stride,
          b.row_stride,
          b.col_stride,
          std::max(ldc, n),
          (bias ? 1 : 0) | (accumulate ? 2 : 0)};
  OneThread one_thread(moves_stack<float>(m, n, k));
  auto found = cache.find(key);
  if (found == cache.end()) {
    if (cache.size() >= kMaxCached) cache.clear();
    found = cache.emplace(key, make_product(key)).first;
  }
  Product& product = found->second;
  product.a.set_data_handle(const_cast<float*>(a.data));
  product.b.set_data_handle(const_cast<float*>(b.data));
  product.c.set_data_handle(c);
  if (bias) product.bias.set_data_handle(const_cast<float*>(bias));
  product.primitive.execute(stream, product.arguments);
}

template <class T>
void fill_rows(int64_t m, int64_t n, const T* bias, bool accumulate, T* c, int64_t ldc) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      T start = bias ? bias[j] : T{0};
      c[i * ldc + j] = accumulate ? c[i * ldc + j] + start : start;
    }
  }
}

template <class T>
void gemm_by_registers(int64_t m, int64_t n, int64_t k, MatrixView<T> a, MatrixView<T> b,
                       const T* bias, bool accumulate, T* c, int64_t ldc) {
  if (bias) fill_rows(m, n, bias, accumulate, c, ldc);
  register_gemm(m, n, k, a, b, accumulate || bias, c, ldc);
}

}  // namespace

std::string library_versions() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("oneDNN {}.{}.{}, Highway {}.{}.{}", version->major, version->minor,
                     version->patch, HWY_MAJOR, HWY_MINOR, HWY_PATCH);
}

template <>
void gemm(int64_t m, int64_t n, int64_t k, MatrixView<float> a, MatrixView<float> b,
          const float* bias, bool accumulate, float* c, int64_t ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0) return fill_rows(m, n, bias, accumulate, c, ldc);
  if (is_small(m, n, k)) return gemm_by_registers(m, n, k, a, b, bias, accumulate, c, ldc);
  try {
    gemm_onednn(m, n, k, a, b, bias, accumulate, c, ldc);
  } catch (const dnnl::error& error) {
    throw_error(
        fmt::format("[matmul] oneDNN failed on ({}, {}) x ({}, {}): {}", m, k, k, n, error.what()));
  }
}

template <>
void gemm(int64_t m, int64_t n, int64_t k, MatrixView<double> a, MatrixView<double> b,
          const double* bias, bool accumulate, double* c, int64_t ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0) return fill_rows(m, n, bias, accumulate, c, ldc);
  gemm_by_registers(m, n, k, a, b, bias, accumulate, c, ldc);
}

}  // namespace tessera::cpu
