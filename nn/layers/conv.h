// Convolutions, and transposed ones, of one to three dims. Lists of sizes hold one number for all
// dims, or one for each. weight and bias start uniform in (-1 / sqrt(fan), 1 / sqrt(fan)), fan
// being the number of elements of weight[0]. The batch may be missing from x and the result.
#pragma once

#include <initializer_list>
#include <optional>

#include "autograd/ops/conv.h"
#include "autograd/ops/join.h"
#include "nn/layers/layer.h"

namespace tessera::nn {

// Sizes of padding, or PyTorch's name for them; `same` needs a stride of 1.
struct ConvPads {
  ConvPads(int64_t size) : sizes{size} {}
  ConvPads(std::initializer_list<int64_t> each) : sizes(each) {}
  ConvPads(Dims each) : sizes(std::move(each)) {}
  ConvPads(ConvPadding padding) : name(padding) {}

  Dims sizes{};
  std::optional<ConvPadding> name = std::nullopt;
};

// What a convolution's padding comes to.
struct ResolvedPads {
  Dims sizes{0};  // of the zeros that the operation puts around x
  Dims sides{};   // what pad() puts around x before it; empty: nothing
};

// padding_mode says what is put around x: zeros (constant), or what pad() makes of x.
struct Conv1dOptions {
  int64_t stride = 1;
  ConvPads padding = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
  bool bias = true;
  PadMode padding_mode = PadMode::constant;
};

// x (N, in, L) -> (N, out, OL); weight (out, in / groups, kernel), bias (out,).
class Conv1d : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Conv1d(Module* parent, std::string name, int64_t in, int64_t out, int64_t kernel,
         Conv1dOptions options = {});
  Conv1d(NotThis, int64_t in, int64_t out, int64_t kernel, Conv1dOptions options = {}) = delete;
  Tensor forward(const Tensor& x) const override;

  Tensor weight;
  Tensor bias;

 private:
  Conv1dOptions options_;
  ResolvedPads pads_;
};

struct Conv2dOptions {
  Dims stride = {1};
  ConvPads padding = 0;
  Dims dilation = {1};
  int64_t groups = 1;
  bool bias = true;
  PadMode padding_mode = PadMode::constant;
};

// x (N, in, H, W) -> (N, out, OH, OW); weight (out, in / groups, KH, KW), bias (out,).
class Conv2d : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Conv2d(Module* parent, std::string name, int64_t in, int64_t out, const Dims& kernel,
         Conv2dOptions options = {});
  Conv2d(Module* parent, std::string name, int64_t in, int64_t out, int64_t kernel,
         Conv2dOptions options = {})
      : Conv2d(parent, std::move(name), in, out, Dims{kernel}, std::move(options)) {}
  Conv2d(NotThis, int64_t in, int64_t out, const Dims& kernel, Conv2dOptions options = {}) = delete;
  Conv2d(NotThis, int64_t in, int64_t out, int64_t kernel, Conv2dOptions options) = delete;
  Tensor forward(const Tensor& x) const override;

  Tensor weight;
  Tensor bias;

 private:
  Conv2dOptions options_;
  ResolvedPads pads_;
};

struct Conv3dOptions {
  Dims stride = {1};
  ConvPads padding = 0;
  Dims dilation = {1};
  int64_t groups = 1;
  bool bias = true;
  PadMode padding_mode = PadMode::constant;
};

// x (N, in, D, H, W) -> (N, out, OD, OH, OW); weight (out, in / groups, KD, KH, KW), bias (out,).
class Conv3d : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Conv3d(Module* parent, std::string name, int64_t in, int64_t out, const Dims& kernel,
         Conv3dOptions options = {});
  Conv3d(Module* parent, std::string name, int64_t in, int64_t out, int64_t kernel,
         Conv3dOptions options = {})
      : Conv3d(parent, std::move(name), in, out, Dims{kernel}, std::move(options)) {}
  Conv3d(NotThis, int64_t in, int64_t out, const Dims& kernel, Conv3dOptions options = {}) = delete;
  Conv3d(NotThis, int64_t in, int64_t out, int64_t kernel, Conv3dOptions options) = delete;
  Tensor forward(const Tensor& x) const override;

  Tensor weight;
  Tensor bias;

 private:
  Conv3dOptions options_;
  ResolvedPads pads_;
};

struct ConvTranspose1dOptions {
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t output_padding = 0;
  int64_t groups = 1;
  bool bias = true;
  int64_t dilation = 1;
};

// x (N, in, L) -> (N, out, OL); weight (in, out / groups, kernel), bias (out,).
class ConvTranspose1d : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  ConvTranspose1d(Module* parent, std::string name, int64_t in, int64_t out, int64_t kernel,
                  ConvTranspose1dOptions options = {});
  ConvTranspose1d(NotThis, int64_t in, int64_t out, int64_t kernel,
                  ConvTranspose1dOptions options = {}) = delete;
  Tensor forward(const Tensor& x) const override;

  Tensor weight;
  Tensor bias;

 private:
  ConvTranspose1dOptions options_;
};

struct ConvTranspose2dOptions {
  Dims stride = {1};
  Dims padding = {0};
  Dims output_padding = {0};
  int64_t groups = 1;
  bool bias = true;
  Dims dilation = {1};
};

// x (N, in, H, W) -> (N, out, OH, OW); weight (in, out / groups, KH, KW), bias (out,).
class ConvTranspose2d : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  ConvTranspose2d(Module* parent, std::string name, int64_t in, int64_t out, const Dims& kernel,
                  ConvTranspose2dOptions options = {});
  ConvTranspose2d(Module* parent, std::string name, int64_t in, int64_t out, int64_t kernel,
                  ConvTranspose2dOptions options = {})
      : ConvTranspose2d(parent, std::move(name), in, out, Dims{kernel}, std::move(options)) {}
  ConvTranspose2d(NotThis, int64_t in, int64_t out, const Dims& kernel,
                  ConvTranspose2dOptions options = {}) = delete;
  ConvTranspose2d(NotThis, int64_t in, int64_t out, int64_t kernel,
                  ConvTranspose2dOptions options) = delete;
  Tensor forward(const Tensor& x) const override;

  Tensor weight;
  Tensor bias;

 private:
  ConvTranspose2dOptions options_;
};

struct ConvTranspose3dOptions {
  Dims stride = {1};
  Dims padding = {0};
  Dims output_padding = {0};
  int64_t groups = 1;
  bool bias = true;
  Dims dilation = {1};
};

// x (N, in, D, H, W) -> (N, out, OD, OH, OW); weight (in, out / groups, KD, KH, KW), bias (out,).
class ConvTranspose3d : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  ConvTranspose3d(Module* parent, std::string name, int64_t in, int64_t out, const Dims& kernel,
                  ConvTranspose3dOptions options = {});
  ConvTranspose3d(Module* parent, std::string name, int64_t in, int64_t out, int64_t kernel,
                  ConvTranspose3dOptions options = {})
      : ConvTranspose3d(parent, std::move(name), in, out, Dims{kernel}, std::move(options)) {}
  ConvTranspose3d(NotThis, int64_t in, int64_t out, const Dims& kernel,
                  ConvTranspose3dOptions options = {}) = delete;
  ConvTranspose3d(NotThis, int64_t in, int64_t out, int64_t kernel,
                  ConvTranspose3dOptions options) = delete;
  Tensor forward(const Tensor& x) const override;

  Tensor weight;
  Tensor bias;

 private:
  ConvTranspose3dOptions options_;
};

}  // namespace tessera::nn
