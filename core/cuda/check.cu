#include "core/cuda/content_errors.cuh"
#include "core/cuda/families.h"
#include "core/cuda/strided.cuh"
#include "core/kernels/check.h"

namespace tessera::cuda {

__global__ void report_false(Strided<1> loop, const bool* met, Report to) {
  for (int64_t i = global_thread(); i < loop.count; i += num_threads_in_grid()) {
    int64_t at[1];
    loop.locate(i, at);
    if (met[at[0]]) continue;
    report(to, i, 0);
    return;  // what this thread would find from here on comes later
  }
}

__global__ void read_error(Report to, bool* out) {
  volatile ContentError& now = *to.error;
  *out = now.check == 0;
}

namespace {

class Check final : public CheckFamily {
 public:
  void all(const Array& met, const Text& text) const override {
    if (met.numel() == 0) return;
    int index = met.device().index;
    DeviceGuard device(index);
    launch(report_false, blocks_for(met.numel()), kBlock, current_stream(index), strided<1>({&met}),
           device_data<const bool>(met),
           content_check(index, [text](int64_t position, int64_t) { return text(position); }));
  }

  void nothing_wrong(const Array& out) const override {
    int index = out.device().index;
    DeviceGuard device(index);
    launch(read_error, dim3(1), dim3(1), current_stream(index),
           Report{current_device_stream(index).checks->error(), 0}, device_data<bool>(out));
  }
};

}  // namespace

const CheckFamily& check_family() {
  static const Check family;
  return family;
}

}  // namespace tessera::cuda
