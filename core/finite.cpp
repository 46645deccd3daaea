#include "core/finite.h"

#include <atomic>

#include "core/kernels.h"
#include "core/kernels/fold.h"
#include "core/kernels/unary.h"
#include "core/parallel.h"

namespace tessera {
namespace {

// Elements that one thread looks at together.
constexpr int64_t kTile = int64_t{1} << 16;

// With all bits of the exponent set a number is infinite or none.
template <class Bits>
int64_t count_in(const void* data, int64_t begin, int64_t end, Bits exponent) {
  const auto* bits = static_cast<const Bits*>(data);
  int64_t count = 0;
  for (int64_t i = begin; i < end; ++i) count += (bits[i] & exponent) == exponent ? 1 : 0;
  return count;
}

int64_t count_in(const Array& packed, int64_t begin, int64_t end) {
  switch (packed.dtype()) {
    case DType::f64: return count_in(packed.raw(), begin, end, uint64_t{0x7ff0000000000000});
    case DType::f32: return count_in(packed.raw(), begin, end, uint32_t{0x7f800000});
    case DType::bf16: return count_in(packed.raw(), begin, end, uint16_t{0x7f80});
    case DType::f16: return count_in(packed.raw(), begin, end, uint16_t{0x7c00});
    default: return 0;
  }
}

// Where the elements are: one count for each run of them, then the sum.
int64_t count_by_kernels(const Array& array) {
  constexpr int64_t kRun = 1024;
  const Kernels& here = kernels(array.device());
  int64_t whole = array.numel() / kRun;
  Array finite = Array::empty(array.shape(), DType::boolean, array.device());
  here.unary().run(UnaryOp::isfinite, array, finite);
  finite = finite.view({array.numel()});
  Array counts = Array::empty({whole + 1}, DType::i64, array.device());
  here.fold().run(FoldOp::count_nonzero, finite.slice(0, 0, whole * kRun).view({whole, kRun}),
                  counts.slice(0, 0, whole).view({whole, 1}));
  here.fold().run(FoldOp::count_nonzero, finite.slice(0, whole * kRun, array.numel()),
                  counts.slice(0, whole, whole + 1).view({1, 1}));
  Array count = Array::empty({1, 1}, DType::i64, array.device());
  here.fold().run(FoldOp::sum, counts, count);
  return array.numel() - count.item<int64_t>();
}

}  // namespace

int64_t count_nonfinite(const Array& array) {
  const Backend& device = backend(array.device());
  if (!is_floating(array.dtype()) || !device.has_elements()) return 0;
  if (!device.host_reads()) return count_by_kernels(array);
  Array packed = array.contiguous();
  std::atomic<int64_t> count = 0;
  parallel_tiles(packed.numel(), kTile, [&](int64_t begin, int64_t end) {
    if (int64_t found = count_in(packed, begin, end)) count += found;
  });
  return count;
}

bool all_finite(const Array& array) { return count_nonfinite(array) == 0; }

}  // namespace tessera
