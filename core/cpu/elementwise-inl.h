// Included once per instruction set: applying a vector formula to strided arrays.
#if defined(TESSERA_CORE_CPU_ELEMENTWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_CORE_CPU_ELEMENTWISE_INL_H_
#undef TESSERA_CORE_CPU_ELEMENTWISE_INL_H_
#else
#define TESSERA_CORE_CPU_ELEMENTWISE_INL_H_
#endif

#include "core/cpu/math-inl.h"
#include "core/cpu/strided.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

// Strided operands pass through buffers of this many elements, so that every element meets the
// same vector code whatever its stride: bits do not depend on the layout.
inline constexpr size_t kGatherBlock = 256;

// out[i] = fn(in[0][i], ..., in[N-1][i]) for one row; strides are in elements.
template <class T, size_t N, class F>
HWY_INLINE void map_row(const T* const* in, const int64_t* in_strides, T* out, int64_t out_stride,
                        size_t count, F fn) {
  const VectorMath<T> m;
  bool contiguous = out_stride == 1;
  for (size_t a = 0; a < N; ++a) contiguous = contiguous && in_strides[a] == 1;
  if (contiguous) {
    for_each_vector<T>(count, [&](size_t i, size_t lanes) HWY_ATTR {
      Vec<T> v[N];
      for (size_t a = 0; a < N; ++a) v[a] = load_lanes(in[a] + i, lanes);
      store_lanes(fn(m, v), lanes, out + i);
    });
    return;
  }
  HWY_ALIGN T gathered[N][kGatherBlock];
  HWY_ALIGN T results[kGatherBlock];
  for (size_t begin = 0; begin < count; begin += kGatherBlock) {
    size_t size = std::min(kGatherBlock, count - begin);
    for (size_t a = 0; a < N; ++a) {
      const T* from = in[a] + static_cast<int64_t>(begin) * in_strides[a];
      for (size_t i = 0; i < size; ++i)
        gathered[a][i] = from[static_cast<int64_t>(i) * in_strides[a]];
    }
    for_each_vector<T>(size, [&](size_t i, size_t lanes) HWY_ATTR {
      Vec<T> v[N];
      for (size_t a = 0; a < N; ++a) v[a] = load_lanes(gathered[a] + i, lanes);
      store_lanes(fn(m, v), lanes, results + i);
    });
    T* to = out + static_cast<int64_t>(begin) * out_stride;
    for (size_t i = 0; i < size; ++i) to[static_cast<int64_t>(i) * out_stride] = results[i];
  }
}

// The last of the arrays is the output.
template <class T, size_t N, class F>
void map_rows(const std::array<const Array*, N + 1>& arrays, F fn) {
  if (arrays[0]->numel() == 0) return;
  std::array<T*, N + 1> base{};
  for (size_t a = 0; a <= N; ++a) base[a] = arrays[a]->template data<T>();
  for_each_row<N + 1>(arrays, [&](const auto& at, const auto& stride, int64_t count) HWY_ATTR {
    const T* in[N];
    for (size_t a = 0; a < N; ++a) in[a] = base[a] + at[a];
    map_row<T, N>(in, stride.data(), base[N] + at[N], stride[N], static_cast<size_t>(count), fn);
  });
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TESSERA_CORE_CPU_ELEMENTWISE_INL_H_
