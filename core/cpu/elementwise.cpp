#include "core/cpu/elementwise.h"

#include <cstring>

#include "core/cpu/convert.h"
#include "core/cpu/strided.h"

namespace tessera::cpu {
namespace {

// Elements that pass through buffers at a time: a few KiB, well inside the first-level cache.
constexpr size_t kBlock = 512;
constexpr size_t kBlockBytes = kBlock * 8;

// Contiguous results from this size on are written past the caches, which they would not fit into.
constexpr size_t kStreamBytes = size_t{8} << 20;

template <class Word>
void gather(const char* from, int64_t stride, char* to, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    std::memcpy(to + i * sizeof(Word),
                from + static_cast<int64_t>(i) * stride * static_cast<int64_t>(sizeof(Word)),
                sizeof(Word));
  }
}

template <class Word>
void scatter(const char* from, char* to, int64_t stride, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    std::memcpy(to + static_cast<int64_t>(i) * stride * static_cast<int64_t>(sizeof(Word)),
                from + i * sizeof(Word), sizeof(Word));
  }
}

template <class F>
void visit_word(size_t bytes, F&& fn) {
  if (bytes == 4) fn(TypeTag<uint32_t>{});
  else if (bytes == 8) fn(TypeTag<uint64_t>{});
  else if (bytes == 2) fn(TypeTag<uint16_t>{});
  else fn(TypeTag<uint8_t>{});
}

// One operand of the loop, block by block.
struct Input {
  const char* base = nullptr;
  size_t item = 0;
  ConvertRun converts = nullptr;  // null: the loop's own dtype
  size_t loop_item = 0;
  alignas(64) char raw[kBlockBytes];
  alignas(64) char ready[kBlockBytes];

  void fill(const char* from, int64_t stride, size_t count) {
    const char* packed = from;
    if (stride != 1) {
      visit_word(item,
                 [&](auto tag) { gather<typename decltype(tag)::type>(from, stride, raw, count); });
      packed = raw;
    }
    if (converts) converts(packed, ready, count);
    current = converts ? ready : packed;
  }
  const char* current = nullptr;
};

struct Output {
  char* base = nullptr;
  size_t item = 0;
  ConvertRun converts = nullptr;
  bool streams = false;
  alignas(64) char result[kBlockBytes];
  alignas(64) char packed[kBlockBytes];

  // Where the loop may write; drain() brings it to its place.
  void* target(char* to, int64_t stride) {
    return converts || streams || stride != 1 ? result : to;
  }
  void drain(char* to, int64_t stride, size_t count) {
    const char* from = result;
    if (converts) {
      bool direct = stride == 1 && !streams;
      converts(result, direct ? to : packed, count);
      if (direct) return;
      from = packed;
    }
    if (stride != 1) {
      visit_word(item,
                 [&](auto tag) { scatter<typename decltype(tag)::type>(from, to, stride, count); });
    } else if (streams) {
      stream_copy(from, to, count * item);
    }
  }
};

template <size_t N>
struct Blocks {
  Loop loop;
  const double* params;
  std::array<Input, N> in;
  Output out;

  void row(const std::array<int64_t, N + 1>& at, const std::array<int64_t, N + 1>& stride,
           size_t count) {
    bool plain = out.target(out.base, stride[N]) == out.base;
    const void* sources[N];
    for (size_t k = 0; k < N; ++k) {
      plain = plain && stride[k] == 1 && !in[k].converts;
      sources[k] = in[k].base + at[k] * static_cast<int64_t>(in[k].item);
    }
    char* to = out.base + at[N] * static_cast<int64_t>(out.item);
    if (plain) return loop(sources, to, count, params);
    for (size_t begin = 0; begin < count; begin += kBlock) {
      size_t size = std::min(kBlock, count - begin);
      for (size_t k = 0; k < N; ++k) {
        // One element for the whole row is spread once.
        if (begin > 0 && stride[k] == 0) continue;
        in[k].fill(static_cast<const char*>(sources[k]) + offset(begin, stride[k], in[k].item),
                   stride[k], size);
      }
      const void* ready[N];
      for (size_t k = 0; k < N; ++k) ready[k] = in[k].current;
      char* block = to + offset(begin, stride[N], out.item);
      void* target = out.target(block, stride[N]);
      loop(ready, target, size, params);
      if (target != block) out.drain(block, stride[N], size);
    }
    if (out.streams) stream_fence();
  }

 private:
  static int64_t offset(size_t element, int64_t stride, size_t item) {
    return static_cast<int64_t>(element) * stride * static_cast<int64_t>(item);
  }
};

template <size_t N>
bool one_plain_tile(const std::array<const Array*, N>& in, const std::array<DType, N>& loop_in,
                    DType loop_out, const Array& out) {
  if (out.numel() > kElementwiseTile || out.dtype() != loop_out || !out.is_contiguous())
    return false;
  for (size_t k = 0; k < N; ++k) {
    if (in[k]->dtype() != loop_in[k] || !in[k]->is_contiguous()) return false;
  }
  return true;
}

}  // namespace

DType compute_dtype(DType dtype) {
  if (dtype == DType::f64) return DType::f64;
  return is_floating(dtype) ? DType::f32 : DType::i64;
}

template <size_t N>
void run_loop(Loop loop, const std::array<const Array*, N>& in, const std::array<DType, N>& loop_in,
              DType loop_out, const Array& out, const double* params) {
  if (out.numel() == 0) return;
  if (one_plain_tile<N>(in, loop_in, loop_out, out)) {
    const void* sources[N];
    for (size_t k = 0; k < N; ++k) sources[k] = in[k]->raw();
    return loop(sources, out.raw(), static_cast<size_t>(out.numel()), params);
  }
  std::array<const Array*, N + 1> arrays{};
  std::copy(in.begin(), in.end(), arrays.begin());
  arrays[N] = &out;
  bool streams = out.nbytes() >= kStreamBytes && out.is_contiguous();
  for (const Array* x : in) streams = streams && x->storage() != out.storage();
  for_each_row<N + 1>(arrays, [&](const auto& at, const auto& stride, int64_t count) {
    Blocks<N> blocks;
    blocks.loop = loop;
    blocks.params = params;
    for (size_t k = 0; k < N; ++k) {
      Input& x = blocks.in[k];
      x.base = static_cast<const char*>(in[k]->raw());
      x.item = item_size(in[k]->dtype());
      if (in[k]->dtype() != loop_in[k]) x.converts = convert_run(in[k]->dtype(), loop_in[k]);
    }
    blocks.out.base = static_cast<char*>(out.raw());
    blocks.out.item = item_size(out.dtype());
    blocks.out.streams = streams;
    if (out.dtype() != loop_out) blocks.out.converts = convert_run(loop_out, out.dtype());
    blocks.row(at, stride, static_cast<size_t>(count));
  });
}

template void run_loop<1>(Loop, const std::array<const Array*, 1>&, const std::array<DType, 1>&,
                          DType, const Array&, const double*);
template void run_loop<2>(Loop, const std::array<const Array*, 2>&, const std::array<DType, 2>&,
                          DType, const Array&, const double*);
template void run_loop<3>(Loop, const std::array<const Array*, 3>&, const std::array<DType, 3>&,
                          DType, const Array&, const double*);

}  // namespace tessera::cpu
