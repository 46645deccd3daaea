// Copies within one device, with conversion, and fills.
#include "core/cuda/convert.cuh"
#include "core/cuda/elementwise.cuh"
#include "core/cuda/families.h"
#include "core/kernels/copy.h"

namespace tessera::cuda {

template <class T>
__global__ void fill_strided(Strided<1> loop, T* out, T value) {
  for (int64_t i = global_thread(); i < loop.count; i += num_threads_in_grid()) {
    int64_t at[1];
    loop.locate(i, at);
    out[at[0]] = value;
  }
}

template <class T>
void fill_typed(const Array& out, T value) {
  int index = out.device().index;
  DeviceGuard device(index);
  launch(fill_strided<T>, blocks_for(out.numel()), kBlock, current_stream(index),
         strided<1>({&out}), static_cast<T*>(out.device_raw()), value);
}

namespace {

class Copy final : public CopyFamily {
 public:
  void run(const Array& source, const Array& out) const override {
    if (out.numel() == 0) return;
    visit_dtype(source.dtype(), [&](auto from) {
      visit_dtype(out.dtype(), [&](auto to) {
        using From = OnDevice<typename decltype(from)::type>;
        using To = OnDevice<typename decltype(to)::type>;
        launch_one<From, To>(source, out, Convert<From, To>());
      });
    });
  }

  void fill(const Array& out, double value) const override {
    if (out.numel() == 0) return;
    visit_dtype(out.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      fill_typed(out, std::bit_cast<OnDevice<T>>(convert<T>(value)));
    });
  }
};

}  // namespace

const CopyFamily& copy_family() {
  static const Copy family;
  return family;
}

}  // namespace tessera::cuda
