#include "core/meta/meta.h"

#include <algorithm>

#include "core/array.h"
#include "core/at_once.h"
#include "core/cpu/attention_memory.h"
#include "core/cpu/conv_tiles.h"
#include "core/cpu/widened.h"
#include "core/kernels.h"
#include "core/meta/counters.h"
#include "core/meta/no_ops.inc"
#include "core/parallel.h"

namespace tessera::meta {
namespace {

// Of a family: nothing, but for what is below.
template <class Family>
class Meta final : public NoOps<Family> {};

double as_double(int64_t count) { return static_cast<double>(count); }

int64_t block_bytes(int64_t bytes) {
  return static_cast<int64_t>(allocator::block_size(static_cast<size_t>(bytes)));
}

// Memory that a kernel takes for itself and gives back.
void pass_through(int64_t bytes) {
  int64_t size = block_bytes(bytes);
  count(size);
  count(-size);
}

// Two products of (T, D) and (S, D) a head.
double attention_flops(const Array& q, const Array& k, const Array& out) {
  return 2.0 * as_double(k.size(2)) * as_double(q.numel() + out.numel());
}

// A row in whole vectors, the longest that an instruction set has.
int64_t attention_width(const Array& x, DType dtype) {
  int64_t lanes = 64 / static_cast<int64_t>(item_size(dtype));
  return (x.size(3) + lanes - 1) / lanes * lanes;
}

// What the tasks that run at a time take for themselves.
void count_attention(const Array& q, const Array& v, const Array& out, DType dtype) {
  if (out.numel() == 0) return;
  int64_t tiles = (q.size(2) + cpu::kQueries - 1) / cpu::kQueries;
  int64_t at_once = std::min<int64_t>(q.size(0) * q.size(1) * tiles, num_threads());
  int64_t numbers = cpu::attention_scratch(attention_width(q, dtype), attention_width(v, dtype));
  int64_t bytes = block_bytes(numbers * static_cast<int64_t>(item_size(dtype))) * at_once;
  count(bytes);
  count(-bytes);
}

// And a dq of every chunk of keys.
void count_attention_grad(const Array& q, const Array& k, const Array& v, DType dtype) {
  if (q.numel() == 0 || k.numel() == 0) return;
  auto item = static_cast<int64_t>(item_size(dtype));
  int64_t width = attention_width(q, dtype);
  auto [size, chunks] = cpu::key_chunks(k.size(0) * k.size(1), k.size(2));
  int64_t at_once = std::min<int64_t>(k.size(0) * k.size(1) * chunks, num_threads());
  int64_t numbers =
      cpu::attention_grad_scratch(width, attention_width(v, dtype), std::min(size, k.size(2)));
  int64_t parts = chunks > 1 ? chunks * q.size(0) * q.size(1) * q.size(2) * width : 0;
  int64_t bytes = block_bytes(parts * item) + block_bytes(numbers * item) * at_once;
  count(bytes);
  count(-bytes);
}

// Every output needs one column of the weight (O, I, ...).
double conv_flops(const Array& y, const Array& weight) {
  return 2.0 * as_double(y.numel()) * as_double(weight.numel()) / as_double(weight.size(0));
}

// Of f32 weights as the CPU's convolutions want them: with whole blocks of channels, the largest
// that an instruction set has, but for inputs of very few.
int64_t packed_weight_bytes(const Array& weight, const ConvArgs& args) {
  constexpr int64_t kBlock = 16;
  constexpr int64_t kFew = 4;
  auto whole = [](int64_t channels) { return (channels + kBlock - 1) / kBlock * kBlock; };
  int64_t in = weight.size(1) <= kFew ? weight.size(1) : whole(weight.size(1));
  int64_t out = whole(weight.size(0) / args.groups);
  return 4 * args.groups * out * in * weight.size(2) * weight.size(3);
}

// What the gradient of a weight takes: a sum for every tile of images, and packed weights for each
// of those that run at a time.
void count_weight_grad(const Array& dy, const Array& dweight, const ConvArgs& args) {
  int64_t images = dy.size(0);
  double flops = conv_flops(dy, dweight) / as_double(images);
  int64_t tile = cpu::conv_weight_tile_images(images, flops);
  int64_t tiles = (images + tile - 1) / tile;
  int64_t at_once = std::min<int64_t>(tiles, num_threads());
  int64_t bytes = block_bytes(4 * tiles * dweight.numel()) +
                  at_once * block_bytes(packed_weight_bytes(dweight, args));
  count(bytes);
  count(-bytes);
}

template <>
class Meta<AttentionFamily> final : public NoOps<AttentionFamily> {
 public:
  void run(const Array& q, const Array& k, const Array& v, const AttentionArgs&, const Array& out,
           const Array& lse) const override {
    count_flops(attention_flops(q, k, out));
    count_attention(q, v, out, lse.dtype());
  }
  void grad(const Array& q, const Array& k, const Array& v, const Array& out, const Array& lse,
            const Array&, const AttentionArgs&, const Array&, const Array&, const Array&,
            const Array&) const override {
    count_flops(2.5 * attention_flops(q, k, out));
    count_attention_grad(q, k, v, lse.dtype());
  }
};

template <>
class Meta<ConvFamily> final : public NoOps<ConvFamily> {
 public:
  void run(const Array&, const Array& weight, const Array&, const ConvArgs& args,
           const Array& out) const override {
    if (out.numel() == 0) return;
    count_flops(conv_flops(out, weight));
    if (out.dtype() == DType::f32) pass_through(packed_weight_bytes(weight, args));
  }
  void input_grad(const Array& dy, const Array& weight, const ConvArgs& args,
                  const Array&) const override {
    if (dy.numel() == 0) return;
    count_flops(conv_flops(dy, weight));
    if (dy.dtype() == DType::f32) pass_through(packed_weight_bytes(weight, args));
  }
  void weight_grad(const Array&, const Array& dy, const ConvArgs& args,
                   const Array& dweight) const override {
    if (dy.numel() == 0 || dweight.numel() == 0) return;
    count_flops(conv_flops(dy, dweight));
    if (dy.dtype() == DType::f32) count_weight_grad(dy, dweight, args);
  }
};

template <>
class Meta<MatmulFamily> final : public NoOps<MatmulFamily> {
 public:
  void run(const Array& a, const Array& b, const Array& bias, const Array& out) const override {
    count_flops(2.0 * as_double(out.numel()) * as_double(a.size(2)));
    if (item_size(out.dtype()) != 2) return;
    // 16-bit products are made in f32, out of operands in f32.
    Array wide = Array::empty(out.shape(), DType::f32, out.device());
    Array operands[] = {cpu::widened(a), cpu::widened(b), cpu::widened(bias)};
  }
  void add(const Array& a, const Array&, const Array& out) const override {
    count_flops(2.0 * as_double(out.numel()) * as_double(a.size(2)));
  }
};

// What it would get would be lost.
void refuse_deferred(const Array& out) {
  const char* mark = out.storage()->changed_by();
  TESSERA_CHECK(!mark || std::string_view(mark) != kDeferred,
                "[DeferInit] an array of shape {} is written to before it has memory: parameters "
                "that are made later start as Module::set_initial_values() says",
                out.shape());
}

template <>
class Meta<CopyFamily> final : public NoOps<CopyFamily> {
 public:
  void run(const Array&, const Array& out) const override { refuse_deferred(out); }
  void fill(const Array& out, double) const override { refuse_deferred(out); }
};

template <>
class Meta<RandomFamily> final : public NoOps<RandomFamily> {
 public:
  void uniform(const RandomStream&, int64_t, double, double, const Array& out) const override {
    refuse_deferred(out);
  }
  void normal(const RandomStream&, int64_t, double, double, const Array& out) const override {
    refuse_deferred(out);
  }
  void bernoulli(const RandomStream&, const Array&, const Array& out) const override {
    refuse_deferred(out);
  }
  void exponential(const RandomStream&, int64_t, double, const Array& out) const override {
    refuse_deferred(out);
  }
};

class MetaBackend final : public AtOnceBackend {
 public:
  MetaBackend() : AtOnceBackend(false, false), kernels_(DeviceType::meta) {
#define TESSERA_FAMILY(NAME, INTERFACE)     \
  static const Meta<INTERFACE> NAME##_meta; \
  kernels_.NAME##_ = &NAME##_meta;
#include "core/kernels/families.inc"
  }

  const Kernels& kernels() const override { return kernels_; }
  void* allocate(size_t bytes) override {
    count(static_cast<int64_t>(allocator::block_size(bytes)));
    return nullptr;
  }
  void deallocate(void*, size_t bytes) noexcept override {
    count(-static_cast<int64_t>(allocator::block_size(bytes)));
  }
  MemoryStats memory_stats() const override {
    Stats now = stats();
    return {now.current_bytes, now.peak_bytes, 0};
  }
  void reset_peak() override { meta::reset_peak(); }

 private:
  Kernels kernels_;
};

}  // namespace

Backend& backend() {
  static auto& the = *new MetaBackend;
  return the;
}

}  // namespace tessera::meta
