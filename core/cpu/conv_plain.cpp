#include "core/cpu/conv.h"
#include "core/parallel.h"

namespace tessera::cpu {
namespace {

// The sizes of one convolution, and where its elements lie.
struct Geometry {
  int64_t n, h, w, c, oh, ow, o, kh, kw, group_in, group_out;
  ConvArgs args;

  // Calls fn(x index, y index, weight index) for every product that output channel `out` of image
  // `image` takes part in, in one order.
  template <class F>
  void for_products(int64_t image, int64_t out, F&& fn) const {
    int64_t first_in = out / group_out * group_in;
    for (int64_t i = 0; i < oh; ++i) {
      for (int64_t j = 0; j < ow; ++j) {
        int64_t y = ((image * oh + i) * ow + j) * o + out;
        for (int64_t p = 0; p < kh; ++p) {
          int64_t row = i * args.stride[0] - args.padding[0] + p * args.dilation[0];
          if (row < 0 || row >= h) continue;
          for (int64_t q = 0; q < kw; ++q) {
            int64_t col = j * args.stride[1] - args.padding[1] + q * args.dilation[1];
            if (col < 0 || col >= w) continue;
            int64_t x = ((image * h + row) * w + col) * c + first_in;
            int64_t k = (out * group_in * kh + p) * kw + q;
            for (int64_t in = 0; in < group_in; ++in) fn(x + in, y, k + in * kh * kw);
          }
        }
      }
    }
  }
};

Geometry geometry(const Array& x, const Array& weight, const ConvArgs& args, const Array& y) {
  const Dims& in = x.shape();
  const Dims& out = y.shape();
  const Dims& k = weight.shape();
  return {in[0], in[1], in[2], in[3], out[1], out[2], k[0], k[2], k[3], k[1], k[0] / args.groups,
          args};
}

}  // namespace

void conv_plain(const Array& x, const Array& weight, const Array& bias, const ConvArgs& args,
                const Array& out) {
  Geometry g = geometry(x, weight, args, out);
  const auto* from = x.data<double>();
  const auto* k = weight.data<double>();
  const double* offset = bias.defined() ? bias.data<double>() : nullptr;
  auto* to = out.data<double>();
  parallel_for(g.n * g.o, [&](int64_t t) {
    int64_t image = t / g.o;
    int64_t channel = t % g.o;
    double* plane = to + image * g.oh * g.ow * g.o + channel;
    for (int64_t i = 0; i < g.oh * g.ow; ++i) plane[i * g.o] = offset ? offset[channel] : 0;
    g.for_products(image, channel,
                   [&](int64_t xi, int64_t yi, int64_t ki) { to[yi] += from[xi] * k[ki]; });
  });
}

void conv_plain_input_grad(const Array& dy, const Array& weight, const ConvArgs& args,
                           const Array& dx) {
  Geometry g = geometry(dx, weight, args, dy);
  const auto* from = dy.data<double>();
  const auto* k = weight.data<double>();
  auto* to = dx.data<double>();
  parallel_for(g.n, [&](int64_t image) {
    std::fill_n(to + image * g.h * g.w * g.c, g.h * g.w * g.c, 0.0);
    for (int64_t channel = 0; channel < g.o; ++channel) {
      g.for_products(image, channel,
                     [&](int64_t xi, int64_t yi, int64_t ki) { to[xi] += from[yi] * k[ki]; });
    }
  });
}

void conv_plain_weight_grad(const Array& x, const Array& dy, const ConvArgs& args,
                            const Array& dweight) {
  Geometry g = geometry(x, dweight, args, dy);
  const auto* from = x.data<double>();
  const auto* slope = dy.data<double>();
  auto* to = dweight.data<double>();
  parallel_for(g.o, [&](int64_t channel) {
    int64_t count = g.group_in * g.kh * g.kw;
    std::fill_n(to + channel * count, count, 0.0);
    for (int64_t image = 0; image < g.n; ++image) {
      g.for_products(image, channel,
                     [&](int64_t xi, int64_t yi, int64_t ki) { to[ki] += from[xi] * slope[yi]; });
    }
  });
}

}  // namespace tessera::cpu
