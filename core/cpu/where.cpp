#include "core/kernels/where.h"
#include "core/array.h"
#include "core/cpu/cpu.h"
#include "core/cpu/elementwise.h"

namespace tessera::cpu {
namespace {

template <class Word>
void where_loop(const void* const* in, void* out, size_t count, const double*) {
  const auto* condition = static_cast<const uint8_t*>(in[0]);
  const auto* a = static_cast<const Word*>(in[1]);
  const auto* b = static_cast<const Word*>(in[2]);
  auto* to = static_cast<Word*>(out);
  for (size_t i = 0; i < count; ++i) to[i] = condition[i] ? a[i] : b[i];
}

Loop loop_of(size_t item) {
  switch (item) {
    case 1: return where_loop<uint8_t>;
    case 2: return where_loop<uint16_t>;
    case 4: return where_loop<uint32_t>;
    default: return where_loop<uint64_t>;
  }
}

class Where final : public WhereFamily {
 public:
  void run(const Array& condition, const Array& a, const Array& b,
           const Array& out) const override {
    DType dtype = out.dtype();
    run_loop<3>(loop_of(item_size(dtype)), {&condition, &a, &b}, {DType::boolean, dtype, dtype},
                dtype, out, nullptr);
  }
};

}  // namespace

const WhereFamily& where_family() {
  static const Where family;
  return family;
}

}  // namespace tessera::cpu
