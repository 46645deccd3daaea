#include <cstring>

#include "core/array.h"
#include "core/cpu/cpu.h"
#include "core/cpu/strided.h"
#include "core/kernels/copy.h"

namespace tessera::cpu {
namespace {

template <class From, class To>
void copy_row(const From* source, int64_t source_stride, To* out, int64_t out_stride,
              int64_t count) {
  if (std::is_same_v<From, To> && source_stride == 1 && out_stride == 1) {
    std::memcpy(out, source, static_cast<size_t>(count) * sizeof(To));
    return;
  }
  for (int64_t i = 0; i < count; ++i) out[i * out_stride] = convert<To>(source[i * source_stride]);
}

class Copy final : public CopyFamily {
 public:
  void run(const Array& source, const Array& out) const override {
    if (out.numel() == 0) return;
    visit_dtype(source.dtype(), [&](auto from) {
      visit_dtype(out.dtype(), [&](auto to) {
        using From = typename decltype(from)::type;
        using To = typename decltype(to)::type;
        const From* s = source.data<From>();
        To* o = out.data<To>();
        for_each_row<2>({&source, &out}, [&](const auto& at, const auto& stride, int64_t count) {
          copy_row(s + at[0], stride[0], o + at[1], stride[1], count);
        });
      });
    });
  }

  void fill(const Array& out, double value) const override {
    if (out.numel() == 0) return;
    visit_dtype(out.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      T element = convert<T>(value);
      T* o = out.data<T>();
      for_each_row<1>({&out}, [&](const auto& at, const auto& stride, int64_t count) {
        T* row = o + at[0];
        if (stride[0] == 1) std::fill_n(row, count, element);
        else
          for (int64_t i = 0; i < count; ++i) row[i * stride[0]] = element;
      });
    });
  }
};

}  // namespace

const CopyFamily& copy_family() {
  static const Copy family;
  return family;
}

}  // namespace tessera::cpu
