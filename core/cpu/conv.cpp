#include "core/cpu/conv.h"
#include "core/array.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "core/cpu/conv_tiles.h"
#include "core/cpu/cpu.h"
#include "core/cpu/onednn.h"
#include "core/kernels/conv.h"
#include "core/parallel.h"
#include "core/tree.h"

namespace tessera::cpu {
namespace {

using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;
constexpr auto kF32 = dnnl::memory::data_type::f32;
constexpr auto kDirect = dnnl::algorithm::convolution_direct;
constexpr auto kTraining = dnnl::prop_kind::forward_training;

enum class Direction { forward, input_grad, weight_grad };

// The sizes of a tile: whole images of one convolution.
struct Shape {
  int64_t n, h, w, c, oh, ow, o, kh, kw;
  ConvArgs args;

  double flops_per_image() const {
    return 2.0 * static_cast<double>(oh * ow) * static_cast<double>(o * kh * kw) *
           static_cast<double>(c / args.groups);
  }
};

Shape shape_of(const Array& x, const Array& weight, const Array& y, const ConvArgs& args) {
  return {x.shape()[0], x.shape()[1],      x.shape()[2],      x.shape()[3],      y.shape()[1],
          y.shape()[2], weight.shape()[0], weight.shape()[2], weight.shape()[3], args};
}

using Key = std::array<int64_t, 18>;

Key key_of(Direction direction, bool bias, const Shape& s) {
  const ConvArgs& a = s.args;
  return {static_cast<int64_t>(direction) * 2 + (bias ? 1 : 0),
          s.n,
          s.h,
          s.w,
          s.c,
          s.oh,
          s.ow,
          s.o,
          s.kh,
          s.kw,
          a.stride[0],
          a.stride[1],
          a.padding[0],
          a.padding[1],
          a.dilation[0],
          a.dilation[1],
          a.groups,
          0};
}

// A primitive, and the layout that it wants the weights in. x and y are NHWC.
struct Primitive {
  dnnl::primitive primitive;
  Desc x, weight, y;
};

Desc weight_desc(const Shape& s, Tag grouped, Tag whole) {
  int64_t g = s.args.groups;
  if (g == 1) return {{s.o, s.c, s.kh, s.kw}, kF32, whole};
  return {{g, s.o / g, s.c / g, s.kh, s.kw}, kF32, grouped};
}

Desc row_major_weight(const Shape& s) { return weight_desc(s, Tag::goihw, Tag::oihw); }

// Padding after the last row: what the last window needs, none when some rows are in no window.
int64_t far_padding(int64_t size, int64_t out, int64_t kernel, int64_t stride, int64_t padding,
                    int64_t dilation) {
  return std::max<int64_t>(0, (out - 1) * stride + dilation * (kernel - 1) + 1 - size - padding);
}

Primitive make_primitive(Direction direction, bool with_bias, const Shape& s) {
  const ConvArgs& a = s.args;
  Primitive out;
  out.x = Desc({s.n, s.c, s.h, s.w}, kF32, Tag::nhwc);
  out.y = Desc({s.n, s.o, s.oh, s.ow}, kF32, Tag::nhwc);
  Desc weight = weight_desc(s, Tag::any, Tag::any);
  Desc bias = with_bias ? Desc({s.o}, kF32, Tag::x) : Desc();
  dnnl::memory::dims strides{a.stride[0], a.stride[1]};
  dnnl::memory::dims dilation{a.dilation[0] - 1, a.dilation[1] - 1};
  dnnl::memory::dims near{a.padding[0], a.padding[1]};
  dnnl::memory::dims far{far_padding(s.h, s.oh, s.kh, a.stride[0], a.padding[0], a.dilation[0]),
                         far_padding(s.w, s.ow, s.kw, a.stride[1], a.padding[1], a.dilation[1])};
  const dnnl::engine& engine = onednn_engine();
  auto forward = forward_desc<dnnl::convolution_forward>(
      engine, {}, kTraining, kDirect, out.x, weight, bias, out.y, strides, dilation, near, far);
  if (direction == Direction::forward) {
    out.weight = forward.weights_desc();
    out.primitive = dnnl::convolution_forward(forward);
  } else if (direction == Direction::input_grad) {
    auto backward = backward_desc<dnnl::convolution_backward_data>(
        engine, forward, kDirect, out.x, weight, out.y, strides, dilation, near, far);
    out.weight = backward.weights_desc();
    out.primitive = dnnl::convolution_backward_data(backward);
  } else {
    auto backward = backward_desc<dnnl::convolution_backward_weights>(
        engine, forward, kDirect, out.x, weight, out.y, strides, dilation, near, far);
    out.weight = backward.diff_weights_desc();
    out.primitive = dnnl::convolution_backward_weights(backward);
  }
  return out;
}

dnnl::stream& stream() {
  thread_local dnnl::stream instance(onednn_engine());
  return instance;
}

// The calling thread's own primitive of that shape. Call it under a OneThread.
const Primitive& primitive(Direction direction, bool with_bias, const Shape& s) {
  // Primitives that a program no longer uses are dropped when this many shapes have gone by.
  constexpr size_t kMaxCached = 512;
  thread_local std::unordered_map<Key, Primitive, WordsHash> cache;
  Key key = key_of(direction, with_bias, s);
  auto found = cache.find(key);
  if (found == cache.end()) {
    if (cache.size() >= kMaxCached) cache.clear();
    found = cache.emplace(key, make_primitive(direction, with_bias, s)).first;
  }
  return found->second;
}

// The elements that an array in a layout of oneDNN's own needs.
int64_t num_floats(const Desc& desc) {
  return static_cast<int64_t>((desc.get_size() + sizeof(float) - 1) / sizeof(float));
}

void reorder(const Desc& from_desc, const float* from, const Desc& to_desc, float* to) {
  OneThread one_thread(true);
  dnnl::memory source(from_desc, onednn_engine(), const_cast<float*>(from));
  dnnl::memory target(to_desc, onednn_engine(), to);
  dnnl::reorder(source, target).execute(stream(), source, target);
}

// Calls fn(tile, first image) with the tile's shape, on the pool.
template <class F>
void for_image_tiles(const Shape& s, int64_t images, F&& fn) {
  SignalsBlocked blocked;  // once for all tiles that this thread will take
  parallel_tiles(s.n, images, [&](int64_t begin, int64_t end) {
    Shape tile = s;
    tile.n = end - begin;
    OneThread one_thread(true);
    fn(tile, begin);
  });
}

dnnl::memory memory(const Desc& desc, const float* data) {
  return {desc, onednn_engine(), const_cast<float*>(data)};
}

// The layout that the first tile's primitive wants the weights in; a shorter last tile may want
// another and then brings its weights into it by itself.
struct Packed {
  Desc desc;
  Array data;
};

Packed pack_weights(Direction direction, bool with_bias, Shape s, int64_t images,
                    const Array& weight) {
  s.n = images;
  OneThread one_thread(true);
  Desc desc = primitive(direction, with_bias, s).weight;
  Packed out{desc, Array::empty({num_floats(desc)})};
  reorder(row_major_weight(s), weight.data<float>(), desc, out.data.data<float>());
  return out;
}

Packed packed_for(const Primitive& p, const Shape& s, const Packed& packed, const Array& weight) {
  if (p.weight == packed.desc) return packed;
  Packed own{p.weight, Array::empty({num_floats(p.weight)})};
  reorder(row_major_weight(s), weight.data<float>(), p.weight, own.data.data<float>());
  return own;
}

void run_f32(const Array& x, const Array& weight, const Array& bias, const ConvArgs& args,
             const Array& out) {
  Shape s = shape_of(x, weight, out, args);
  int64_t images = conv_tile_images(s.n, s.flops_per_image());
  bool with_bias = bias.defined();
  Packed packed = pack_weights(Direction::forward, with_bias, s, images, weight);
  for_image_tiles(s, images, [&](const Shape& tile, int64_t first) {
    const Primitive& p = primitive(Direction::forward, with_bias, tile);
    Packed weights = packed_for(p, tile, packed, weight);
    std::unordered_map<int, dnnl::memory> arguments{
        {DNNL_ARG_SRC, memory(p.x, x.data<float>() + first * s.h * s.w * s.c)},
        {DNNL_ARG_WEIGHTS, memory(weights.desc, weights.data.data<float>())},
        {DNNL_ARG_DST, memory(p.y, out.data<float>() + first * s.oh * s.ow * s.o)}};
    if (with_bias) {
      arguments.emplace(DNNL_ARG_BIAS, memory(Desc({s.o}, kF32, Tag::x), bias.data<float>()));
    }
    p.primitive.execute(stream(), arguments);
  });
}

void input_grad_f32(const Array& dy, const Array& weight, const ConvArgs& args, const Array& dx) {
  Shape s = shape_of(dx, weight, dy, args);
  int64_t images = conv_tile_images(s.n, s.flops_per_image());
  Packed packed = pack_weights(Direction::input_grad, false, s, images, weight);
  for_image_tiles(s, images, [&](const Shape& tile, int64_t first) {
    const Primitive& p = primitive(Direction::input_grad, false, tile);
    Packed weights = packed_for(p, tile, packed, weight);
    p.primitive.execute(
        stream(), {{DNNL_ARG_DIFF_DST, memory(p.y, dy.data<float>() + first * s.oh * s.ow * s.o)},
                   {DNNL_ARG_WEIGHTS, memory(weights.desc, weights.data.data<float>())},
                   {DNNL_ARG_DIFF_SRC, memory(p.x, dx.data<float>() + first * s.h * s.w * s.c)}});
  });
}

// Each tile's sum in a buffer of its own, in the primitive's layout; then the tree over the tiles.
void weight_grad_f32(const Array& x, const Array& dy, const ConvArgs& args, const Array& dweight) {
  Shape s = shape_of(x, dweight, dy, args);
  int64_t images = conv_weight_tile_images(s.n, s.flops_per_image());
  int64_t num_tiles = (s.n + images - 1) / images;
  int64_t count = dweight.numel();
  Array partial = Array::empty({num_tiles, count});
  for_image_tiles(s, images, [&](const Shape& tile, int64_t first) {
    const Primitive& p = primitive(Direction::weight_grad, false, tile);
    float* to = partial.data<float>() + first / images * count;
    Array packed = Array::empty({num_floats(p.weight)});
    p.primitive.execute(
        stream(), {{DNNL_ARG_SRC, memory(p.x, x.data<float>() + first * s.h * s.w * s.c)},
                   {DNNL_ARG_DIFF_DST, memory(p.y, dy.data<float>() + first * s.oh * s.ow * s.o)},
                   {DNNL_ARG_DIFF_WEIGHTS, memory(p.weight, packed.data<float>())}});
    reorder(p.weight, packed.data<float>(), row_major_weight(tile), to);
  });
  parallel_tiles(count, 4096, [&](int64_t begin, int64_t end) {
    auto add = [&](float* left, const float* right) {
      for (int64_t i = begin; i < end; ++i) left[i] += right[i];
      return left;
    };
    TreeFold<float*, decltype(add)> fold(num_tiles, add);
    for (int64_t t = 0; t < num_tiles; ++t) fold.push_leaf(t, partial.data<float>() + t * count);
    std::copy(fold.root() + begin, fold.root() + end, dweight.data<float>() + begin);
  });
}

void fill_with_bias(const Array& bias, const Array& out) {
  if (bias.defined()) out.copy_(bias.expand(out.shape()));
  else out.fill_(0);
}

bool is_f64(const Array& x, const char* op) {
  return visit_f32_f64(
      x.dtype(), op, [](auto tag) { return std::is_same_v<typename decltype(tag)::type, double>; });
}

template <class F>
void with_onednn(const Array& x, const Array& weight, F&& fn) {
  try {
    fn();
  } catch (const dnnl::error& error) {
    throw_error(fmt::format("[conv2d] oneDNN failed on images {} and weights {}: {}", x.shape(),
                            weight.shape(), error.what()));
  }
}

class Conv final : public ConvFamily {
 public:
  void run(const Array& x, const Array& weight, const Array& bias, const ConvArgs& args,
           const Array& out) const override {
    if (out.numel() == 0) return;
    if (x.numel() == 0 || weight.numel() == 0) return fill_with_bias(bias, out);
    if (is_f64(x, "conv2d")) return conv_plain(x, weight, bias, args, out);
    with_onednn(x, weight, [&] { run_f32(x, weight, bias, args, out); });
  }
  void input_grad(const Array& dy, const Array& weight, const ConvArgs& args,
                  const Array& dx) const override {
    if (dx.numel() == 0) return;
    if (dy.numel() == 0 || weight.numel() == 0) return dx.fill_(0);
    if (is_f64(dy, "conv2d")) return conv_plain_input_grad(dy, weight, args, dx);
    with_onednn(dx, weight, [&] { input_grad_f32(dy, weight, args, dx); });
  }
  void weight_grad(const Array& x, const Array& dy, const ConvArgs& args,
                   const Array& dweight) const override {
    if (dweight.numel() == 0) return;
    if (x.numel() == 0 || dy.numel() == 0) return dweight.fill_(0);
    if (is_f64(x, "conv2d")) return conv_plain_weight_grad(x, dy, args, dweight);
    with_onednn(x, dweight, [&] { weight_grad_f32(x, dy, args, dweight); });
  }
};

}  // namespace

const ConvFamily& conv_family() {
  static const Conv family;
  return family;
}

}  // namespace tessera::cpu
