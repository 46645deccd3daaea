#include "core/kernels/sort.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <numeric>

#include "core/kernels.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::kDTypes;
using test::random_array;
using test::same_bits;
using test::Values;

const SortFamily& sorting() { return kernels({}).sort(); }

const std::vector<Dims> kShapes{{1, 1}, {5, 7}, {300, 11}, {2, 1000}, {0, 4}};

// Whole numbers with many ties; NaN here and there where the dtype has it.
Array numbers(const Dims& shape, DType dtype, uint64_t seed = 1) {
  Array x = random_array(shape, DType::f32, seed, -3, 30).to(DType::i32);
  Array out = (dtype == DType::u8 ? random_array(shape, DType::f32, seed, 0, 30) : x).to(dtype);
  if (is_floating(dtype)) {
    Values rare = doubles(random_array(shape, DType::f32, seed + 1, 0, 1));
    for (int64_t i = 0; i < out.numel(); ++i) {
      if (rare[static_cast<size_t>(i)] < 0.05) {
        out.view({out.numel()}).slice(0, i, i + 1).fill_(NAN);
      }
    }
  }
  return out;
}

Values row_of(const Array& x, int64_t i) { return doubles(x.select(0, i)); }

// NaN above all.
bool below(double a, double b) { return a < b || (std::isnan(b) && !std::isnan(a)); }

// The stable order of a row.
std::vector<size_t> order(const Values& row, bool descending) {
  std::vector<size_t> out(row.size());
  std::iota(out.begin(), out.end(), size_t{0});
  std::stable_sort(out.begin(), out.end(), [&](size_t a, size_t b) {
    return descending ? below(row[b], row[a]) : below(row[a], row[b]);
  });
  return out;
}

struct Found {
  Array values;
  Array indices;
};

// The results of kernel(values, indices) of (rows, m), the same for every number of threads.
Found run(const Array& x, int64_t m,
          const std::function<void(const Array&, const Array&)>& kernel) {
  Found first;
  for (int threads : test::kThreadCounts) {
    test::Threads guard(threads);
    Found found{Array::empty({x.size(0), m}, x.dtype()), Array::empty({x.size(0), m}, DType::i64)};
    kernel(found.values, found.indices);
    if (!first.values.defined()) first = found;
    EXPECT_TRUE(same_bits(found.values, first.values)) << threads << " threads";
    EXPECT_TRUE(same_bits(found.indices, first.indices)) << threads << " threads";
  }
  return first;
}

void expect_row(const Found& found, int64_t i, const Values& row,
                const std::vector<size_t>& expected) {
  Values values;
  Values indices;
  for (size_t k : expected) {
    values.push_back(row[k]);
    indices.push_back(static_cast<double>(k));
  }
  ASSERT_EQ(row_of(found.indices, i), indices);
  ASSERT_TRUE(close_to(row_of(found.values, i), values, 0, 0));
}

TEST(Sort, AgreesWithAStableSortForAllDtypes) {
  std::vector<Dims> shapes = kShapes;
  shapes.push_back({2, 70001});  // merged from blocks
  for (const Dims& shape : shapes) {
    for (DType dtype : kDTypes) {
      Array x = numbers(shape, dtype);
      for (bool descending : {false, true}) {
        SCOPED_TRACE(fmt::format("{} {} {}", shape, dtype, descending));
        Found found = run(x, x.size(1), [&](const Array& v, const Array& i) {
          sorting().sort(x, descending, v, i);
        });
        for (int64_t i = 0; i < x.size(0); ++i) {
          Values row = row_of(x, i);
          expect_row(found, i, row, order(row, descending));
        }
      }
    }
  }
}

TEST(Sort, TopkIsTheBeginningOfTheOrder) {
  for (const Dims& shape : kShapes) {
    for (DType dtype : kDTypes) {
      Array x = numbers(shape, dtype, 2);
      for (bool largest : {false, true}) {
        for (int64_t k : {int64_t{0}, int64_t{1}, x.size(1) / 2, x.size(1)}) {
          SCOPED_TRACE(fmt::format("{} {} {} k {}", shape, dtype, largest, k));
          Found found =
              run(x, k, [&](const Array& v, const Array& i) { sorting().topk(x, largest, v, i); });
          for (int64_t i = 0; i < x.size(0); ++i) {
            Values row = row_of(x, i);
            std::vector<size_t> expected = order(row, largest);
            expected.resize(static_cast<size_t>(k));
            expect_row(found, i, row, expected);
          }
        }
      }
    }
  }
}

TEST(Sort, KthMedianAndModeAgreeWithTheOrder) {
  for (const Dims& shape : kShapes) {
    for (DType dtype : kDTypes) {
      SCOPED_TRACE(fmt::format("{} {}", shape, dtype));
      Array x = numbers(shape, dtype, 3);
      int64_t k = x.size(1) * 2 / 3;
      Found kth = run(x, 1, [&](const Array& v, const Array& i) { sorting().kth(x, k, v, i); });
      Found median =
          run(x, 1, [&](const Array& v, const Array& i) { sorting().median(x, false, v, i); });
      Found nanmedian =
          run(x, 1, [&](const Array& v, const Array& i) { sorting().median(x, true, v, i); });
      Found mode = run(x, 1, [&](const Array& v, const Array& i) { sorting().mode(x, v, i); });
      for (int64_t i = 0; i < x.size(0); ++i) {
        Values row = row_of(x, i);
        std::vector<size_t> sorted = order(row, false);
        expect_row(kth, i, row, {sorted[static_cast<size_t>(k)]});
        auto first_nan = std::find_if(row.begin(), row.end(), [](double v) { return v != v; });
        auto numbers = static_cast<size_t>(
            std::count_if(row.begin(), row.end(), [](double v) { return v == v; }));
        size_t middle = sorted[(row.size() - 1) / 2];
        size_t place = static_cast<size_t>(first_nan - row.begin());
        expect_row(median, i, row, {first_nan == row.end() ? middle : place});
        expect_row(nanmedian, i, row, {numbers == 0 ? place : sorted[(numbers - 1) / 2]});
        // NaN counts as a value of its own.
        auto key = [](double v) { return std::isnan(v) ? 1e9 : v; };
        std::map<double, std::pair<int, size_t>> seen;  // how often, and where last
        for (size_t j = 0; j < row.size(); ++j) {
          seen[key(row[j])] = {seen[key(row[j])].first + 1, j};
        }
        auto best = seen.begin();
        for (auto it = seen.begin(); it != seen.end(); ++it) {
          if (it->second.first > best->second.first) best = it;
        }
        expect_row(mode, i, row, {best->second.second});
      }
    }
  }
}

TEST(Sort, NanmedianOfNothingButNanIsTheFirst) {
  Array x = Array::full({1, 3}, NAN);
  Array value = Array::empty({1});
  Array index = Array::empty({1}, DType::i64);
  sorting().median(x, true, value, index);
  EXPECT_TRUE(std::isnan(value.item<float>()));
  EXPECT_EQ(index.item<int64_t>(), 0);
}

TEST(Sort, SearchsortedAgreesWithCounting) {
  for (DType dtype : kDTypes) {
    for (int64_t rows : {1, 3}) {
      Array x = numbers({rows, 9}, dtype, 4);
      Array sorted = Array::empty(x.shape(), dtype);
      Array unused = Array::empty(x.shape(), DType::i64);
      sorting().sort(x, false, sorted, unused);
      Array values = numbers({3, 2000}, dtype, 5);
      for (bool right : {false, true}) {
        Array out = Array::empty(values.shape(), DType::i64);
        sorting().searchsorted(sorted, values, right, out);
        for (int64_t i = 0; i < 3; ++i) {
          Values row = row_of(sorted, rows == 1 ? 0 : i);
          Values expected;
          for (double v : row_of(values, i)) {
            expected.push_back(
                static_cast<double>(std::count_if(row.begin(), row.end(), [&](double edge) {
                  return right ? !below(v, edge) : below(edge, v);
                })));
          }
          ASSERT_EQ(row_of(out, i), expected) << fmt::format("{} {}", dtype, right);
        }
      }
    }
  }
}

TEST(Sort, BincountAddsInOrder) {
  Array x = Array::from(std::vector<int64_t>{3, 0, 3, 1, 3}, {5});
  Array counts = Array::empty({6}, DType::i64);
  sorting().bincount(x, {}, counts);
  EXPECT_EQ(doubles(counts), (Values{1, 1, 0, 3, 0, 0}));
  for (DType dtype : {DType::f32, DType::f64}) {
    Array weights = Array::from(std::vector<double>{1, 2, 4, 8, 0.5}, {5}).to(dtype);
    Array out = Array::empty({4}, dtype);
    sorting().bincount(x, weights, out);
    EXPECT_EQ(doubles(out), (Values{2, 8, 0, 5.5}));
  }
  Array small = Array::empty({3}, DType::i64);
  EXPECT_TRUE(test::contains(test::error_of([&] { sorting().bincount(x, {}, small); }),
                             "[bincount] expected values in [0, 3), got 3 at 0"));
}

}  // namespace
}  // namespace tessera
