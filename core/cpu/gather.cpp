#include <algorithm>
#include <cstring>

#include "core/array.h"
#include "core/cpu/cpu.h"
#include "core/kernels/gather.h"
#include "core/parallel.h"

namespace tessera::cpu {
namespace {

// `op` is the only operation that the kernel is for: users have called that.
void check_indices(const Array& index, int64_t rows, const char* op) {
  const auto* at = index.data<int64_t>();
  for (int64_t i = 0; i < index.numel(); ++i) {
    TESSERA_CHECK(at[i] >= 0 && at[i] < rows, "[{}] expected an index in [0, {}), got {} at {}", op,
                  rows, at[i], i);
  }
}

class Gather final : public GatherFamily {
 public:
  void rows(const Array& table, const Array& index, const Array& out) const override {
    check_indices(index, table.shape()[0], "embedding");
    const auto* at = index.data<int64_t>();
    size_t row_bytes = static_cast<size_t>(table.shape()[1]) * item_size(table.dtype());
    if (row_bytes == 0) return;
    const auto* from = static_cast<const std::byte*>(table.raw());
    auto* to = static_cast<std::byte*>(out.raw());
    auto rows_per_tile = static_cast<int64_t>(std::max<size_t>(1, 65536 / row_bytes));
    parallel_tiles(index.numel(), rows_per_tile, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        std::memcpy(to + static_cast<size_t>(i) * row_bytes,
                    from + static_cast<size_t>(at[i]) * row_bytes, row_bytes);
      }
    });
  }

  // Threads share the columns, not the rows: each column's sum runs in the order of the index.
  void scatter_add_rows(const Array& source, const Array& index,
                        const Array& table) const override {
    constexpr int64_t kColumns = 64;
    check_indices(index, table.shape()[0], "embedding_grad");
    const auto* at = index.data<int64_t>();
    int64_t cols = table.shape()[1];
    visit_f32_f64(source.dtype(), "scatter_add", [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T* from = source.data<T>();
      T* to = table.data<T>();
      parallel_tiles(cols, kColumns, [&](int64_t begin, int64_t end) {
        for (int64_t i = 0; i < index.numel(); ++i) {
          const T* row = from + i * cols;
          T* sum = to + at[i] * cols;
          for (int64_t j = begin; j < end; ++j) sum[j] += row[j];
        }
      });
    });
  }
};

}  // namespace

const GatherFamily& gather_family() {
  static const Gather family;
  return family;
}

}  // namespace tessera::cpu
