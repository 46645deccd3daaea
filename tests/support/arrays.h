// Arrays for tests: made from a seed, compared by bits.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "core/array.h"
#include "core/kernels.h"
#include "core/kernels/random.h"
#include "core/parallel.h"

namespace tessera::test {

// Uniform in [low, high), a function of shape, dtype and seed alone.
inline Array random_array(const Dims& shape, DType dtype = DType::f32, uint64_t seed = 1,
                          double low = -1, double high = 1) {
  Array out = Array::empty(shape, dtype);
  kernels({}).random().uniform({seed, 0x7465737473}, 0, low, high, out);
  return out;
}

using Values = std::vector<double>;

inline constexpr DType kDTypes[] = {DType::f32, DType::f64, DType::bf16, DType::f16,
                                    DType::i64, DType::i32, DType::u8,   DType::boolean};
inline constexpr DType kFloating[] = {DType::f32, DType::f64, DType::bf16, DType::f16};

// The elements in row-major order.
inline std::vector<double> doubles(const Array& x) { return x.to(DType::f64).to_vector<double>(); }

// Whether a and b have the same shape, dtype and bits; a failure shows the first difference.
inline testing::AssertionResult same_bits(const Array& a, const Array& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) {
    return testing::AssertionFailure()
           << fmt::format("{} {} against {} {}", a.shape(), a.dtype(), b.shape(), b.dtype());
  }
  Array x = a.contiguous();
  Array y = b.contiguous();
  if (x.numel() == 0 || std::memcmp(x.raw(), y.raw(), x.nbytes()) == 0) {
    return testing::AssertionSuccess();
  }
  std::vector<double> p = doubles(x);
  std::vector<double> q = doubles(y);
  size_t i = 0;
  while (i < p.size() && std::bit_cast<uint64_t>(p[i]) == std::bit_cast<uint64_t>(q[i])) ++i;
  return testing::AssertionFailure()
         << fmt::format("first difference at {} of {}: {} against {}", i, p.size(),
                        i < p.size() ? p[i] : 0.0, i < q.size() ? q[i] : 0.0);
}

// Whether |a - b| <= atol + rtol |b| everywhere, NaN equal to NaN; a failure shows the worst.
inline testing::AssertionResult close_to(const std::vector<double>& a, const std::vector<double>& b,
                                         double atol, double rtol) {
  if (a.size() != b.size()) {
    return testing::AssertionFailure() << a.size() << " elements against " << b.size();
  }
  double worst = 0;
  size_t where = a.size();
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (a[i] != a[i] && b[i] != b[i])) continue;
    double excess = std::abs(a[i] - b[i]) / (atol + rtol * std::abs(b[i]));
    if (excess <= 1) continue;
    if (where == a.size() || excess > worst || excess != excess) {
      worst = excess;
      where = i;
    }
  }
  if (where == a.size()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << fmt::format(
             "element {} of {}: {} against {}, {} times "
             "the tolerance",
             where, a.size(), a[where], b[where], worst);
}

// Sets the calling thread's number of threads while it lives.
class Threads {
 public:
  explicit Threads(int count) : before_(num_threads()) { set_num_threads(count); }
  ~Threads() { set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

// The numbers of threads under which results must have the same bits.
inline const std::vector<int> kThreadCounts{1, 2, 3, 8, 16};

}  // namespace tessera::test
