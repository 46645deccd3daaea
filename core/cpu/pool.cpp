#include <cmath>

#include "core/array.h"
#include "core/cpu/cpu.h"
#include "core/kernels/pool.h"
#include "core/parallel.h"

namespace tessera::cpu {
namespace {

// One channel of one image.
template <class T>
struct Plane {
  T* data;
  int64_t row, col;  // strides

  T& at(int64_t i, int64_t j) const { return data[i * row + j * col]; }
};

template <class T>
Plane<T> plane(const Array& x, int64_t which) {
  int64_t channels = x.shape()[1];
  const Dims& strides = x.strides();
  return {x.data<T>() + which / channels * strides[0] + which % channels * strides[1], strides[2],
          strides[3]};
}

// Calls fn(plane) for all planes of x on the pool.
template <class F>
void for_planes(const Array& x, F&& fn) {
  parallel_for(x.shape()[0] * x.shape()[1], fn);
}

template <class T>
bool is_nan(T value) {
  if constexpr (std::is_integral_v<T>) return false;
  else return std::isnan(value);
}

template <class T>
void max_typed(const Array& x, std::span<const PoolWindow> rows, std::span<const PoolWindow> cols,
               const Array& out, const Array& index) {
  int64_t width = x.shape()[3];
  for_planes(x, [&](int64_t which) {
    Plane<T> from = plane<T>(x, which);
    Plane<T> to = plane<T>(out, which);
    Plane<int64_t> places = plane<int64_t>(index, which);
    for (size_t i = 0; i < rows.size(); ++i) {
      for (size_t j = 0; j < cols.size(); ++j) {
        int64_t place = rows[i].begin * width + cols[j].begin;
        T largest = from.at(rows[i].begin, cols[j].begin);
        for (int64_t p = rows[i].begin; p < rows[i].end; p += rows[i].step) {
          for (int64_t q = cols[j].begin; q < cols[j].end; q += cols[j].step) {
            T value = from.at(p, q);
            if (value > largest || (is_nan(value) && !is_nan(largest))) {
              largest = value;
              place = p * width + q;
            }
          }
        }
        to.at(static_cast<int64_t>(i), static_cast<int64_t>(j)) = largest;
        places.at(static_cast<int64_t>(i), static_cast<int64_t>(j)) = place;
      }
    }
  });
}

// Calls fn(element of x at the place, element of pooled) in the order of pooled's places.
template <class T, class F>
void at_places(const Array& x, const Array& pooled, const Array& index, int64_t which, F&& fn) {
  Plane<T> large = plane<T>(x, which);
  Plane<T> small = plane<T>(pooled, which);
  Plane<int64_t> places = plane<int64_t>(index, which);
  int64_t width = x.shape()[3];
  for (int64_t i = 0; i < pooled.shape()[2]; ++i) {
    for (int64_t j = 0; j < pooled.shape()[3]; ++j) {
      int64_t place = places.at(i, j);
      fn(large.at(place / width, place % width), small.at(i, j));
    }
  }
}

template <class T>
void resample_typed(const Array& x, const AxisMap& rows, const AxisMap& cols, const Array& out) {
  int64_t height = x.shape()[2];
  auto width = static_cast<int64_t>(cols.size());
  for_planes(x, [&](int64_t which) {
    Plane<T> from = plane<T>(x, which);
    Plane<T> to = plane<T>(out, which);
    std::vector<double> narrow(static_cast<size_t>(height * width));
    for (int64_t i = 0; i < height; ++i) {
      for (int64_t j = 0; j < width; ++j) {
        double sum = 0;
        for (const Tap& tap : cols[static_cast<size_t>(j)]) {
          sum += tap.weight * static_cast<double>(from.at(i, tap.index));
        }
        narrow[static_cast<size_t>(i * width + j)] = sum;
      }
    }
    for (size_t i = 0; i < rows.size(); ++i) {
      for (int64_t j = 0; j < width; ++j) {
        double sum = 0;
        for (const Tap& tap : rows[i]) {
          sum += tap.weight * narrow[static_cast<size_t>(tap.index * width + j)];
        }
        to.at(static_cast<int64_t>(i), j) = static_cast<T>(sum);
      }
    }
  });
}

class Pool final : public PoolFamily {
 public:
  void max(const Array& x, std::span<const PoolWindow> rows, std::span<const PoolWindow> cols,
           const Array& out, const Array& index) const override {
    if (x.dtype() == DType::i64) return max_typed<int64_t>(x, rows, cols, out, index);
    visit_f32_f64(x.dtype(), "max_pool", [&](auto tag) {
      max_typed<typename decltype(tag)::type>(x, rows, cols, out, index);
    });
  }
  void gather(const Array& x, const Array& index, const Array& out) const override {
    visit_f32_f64(x.dtype(), "max_pool", [&](auto tag) {
      using T = typename decltype(tag)::type;
      for_planes(x, [&](int64_t which) {
        at_places<T>(x, out, index, which, [](T& large, T& small) { small = large; });
      });
    });
  }
  void scatter(const Array& dy, const Array& index, const Array& dx) const override {
    dx.fill_(0);
    visit_f32_f64(dx.dtype(), "max_pool", [&](auto tag) {
      using T = typename decltype(tag)::type;
      for_planes(dx, [&](int64_t which) {
        at_places<T>(dx, dy, index, which, [](T& large, T& small) { large += small; });
      });
    });
  }
  void resample(const Array& x, const AxisMap& rows, const AxisMap& cols,
                const Array& out) const override {
    visit_f32_f64(x.dtype(), "resample", [&](auto tag) {
      resample_typed<typename decltype(tag)::type>(x, rows, cols, out);
    });
  }
};

}  // namespace

const PoolFamily& pool_family() {
  static const Pool family;
  return family;
}

}  // namespace tessera::cpu
