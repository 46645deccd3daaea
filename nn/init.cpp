#include "nn/init.h"

#include <algorithm>
#include <utility>

#include "autograd/context.h"
#include "core/kernels.h"
#include "core/kernels/random.h"
#include "core/meta/meta.h"

namespace tessera::nn {
namespace {

void fill_by_draw(const Init& init, const RandomStream& stream, int64_t first, const Array& out) {
  if (out.device().type == DeviceType::meta) return;
  if (out.device() == Device{}) return init.draw(stream, first, out);
  Array made = Array::empty(out.shape(), out.dtype());
  init.draw(stream, first, made);
  out.copy_(made);
}

void fill_in_f32(const InitialValues& values, int64_t first, const Array& out) {
  RandomStream stream = parameter_stream(values.seed, values.name);
  const RandomFamily& random = kernels(out.device()).random();
  const Init& init = values.init;
  switch (init.kind) {
    case Init::Kind::constant: out.fill_(init.value); break;
    case Init::Kind::normal: random.normal(stream, first, 0, init.value, out); break;
    case Init::Kind::uniform: random.uniform(stream, first, -init.value, init.value, out); break;
    case Init::Kind::custom: init.fill(first, out); break;
    case Init::Kind::drawn: fill_by_draw(init, stream, first, out); break;
  }
  int64_t begin = std::max(init.zeros_begin - first, int64_t{0});
  int64_t end = std::min(init.zeros_end - first, out.numel());
  if (begin < end) out.slice(0, begin, end).fill_(0);
}

}  // namespace

void InitialValues::fill(int64_t first, const Array& out) const {
  if (out.dtype() == kDType) return fill_in_f32(*this, first, out);
  Array made = Array::empty(out.shape(), kDType, out.device());
  fill_in_f32(*this, first, made);
  out.copy_(made);
}

bool InitialValues::are_in(const Array& data) const {
  if (data.device().type == DeviceType::meta || !data.is_contiguous()) return false;
  Array first = Array::empty({data.numel()}, data.dtype(), data.device());
  fill(0, first);
  Array here = data.to(Device{});
  Array there = first.to(Device{});
  return std::equal(static_cast<const std::byte*>(here.raw()),
                    static_cast<const std::byte*>(here.raw()) + here.nbytes(),
                    static_cast<const std::byte*>(there.raw()));
}

DeferInit::DeferInit() : before_(std::exchange(context().defer_init, true)) {}
DeferInit::~DeferInit() { context().defer_init = before_; }

Array without_memory(const Dims& shape, DType dtype) {
  auto bytes = static_cast<size_t>(num_elements(shape)) * item_size(dtype);
  auto storage = Storage::wrap(nullptr, bytes, {DeviceType::meta}, nullptr);
  storage->mark_changed(meta::kDeferred);
  return {std::move(storage), dtype, shape, contiguous_strides(shape), 0};
}

}  // namespace tessera::nn
