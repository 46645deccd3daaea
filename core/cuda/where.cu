#include "core/cuda/elementwise.cuh"
#include "core/cuda/families.h"
#include "core/kernels/where.h"

namespace tessera::cuda {

// out[i] = condition[i] ? a[i] : b[i], on the elements' bits.
template <class Word>
__global__ void select_words(Strided<4> loop, const bool* condition, const Word* a, const Word* b,
                             Word* out) {
  for (int64_t i = global_thread(); i < loop.count; i += num_threads_in_grid()) {
    int64_t at[4];
    loop.locate(i, at);
    out[at[3]] = condition[at[0]] ? a[at[1]] : b[at[2]];
  }
}

namespace {

template <class Word>
void run_words(const Array& condition, const Array& a, const Array& b, const Array& out) {
  int index = out.device().index;
  DeviceGuard device(index);
  launch(select_words<Word>, blocks_for(out.numel()), kBlock, current_stream(index),
         strided<4>({&condition, &a, &b, &out}), device_data<bool>(condition),
         static_cast<const Word*>(a.device_raw()), static_cast<const Word*>(b.device_raw()),
         static_cast<Word*>(out.device_raw()));
}

class Where final : public WhereFamily {
 public:
  void run(const Array& condition, const Array& a, const Array& b,
           const Array& out) const override {
    if (out.numel() == 0) return;
    Array x = a.to(out.dtype());
    Array y = b.to(out.dtype());
    switch (item_size(out.dtype())) {
      case 1: return run_words<uint8_t>(condition, x, y, out);
      case 2: return run_words<uint16_t>(condition, x, y, out);
      case 4: return run_words<uint32_t>(condition, x, y, out);
      default: return run_words<uint64_t>(condition, x, y, out);
    }
  }
};

}  // namespace

const WhereFamily& where_family() {
  static const Where family;
  return family;
}

}  // namespace tessera::cuda
