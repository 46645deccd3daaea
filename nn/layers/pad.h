// Padding of the last one, two or three dims, as tessera::pad does it. `padding` is one number for
// every side, or (before, after) of the last dim, then of the one before it, and so on; a negative
// one cuts. x is (N, C, ...) or (C, ...) with as many dims behind the channels as the name says.
#pragma once

#include "autograd/ops/join.h"
#include "nn/layers/layer.h"

namespace tessera::nn {

// What all of them are.
class Padding : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Tensor forward(const Tensor& x) const override;

 protected:
  struct Kind {
    const char* layer;
    size_t dims;  // that are padded
    PadMode mode;
    Scalar value = 0;
  };
  Padding(Module* parent, std::string name, Kind kind, const Dims& padding);

 private:
  Kind kind_;
  Dims padding_;
};

// One with a mode of its own. Each of the classes below derives from it for its name.
template <size_t kDims, PadMode kMode, class Named>
class PaddingOf : public Padding {
 public:
  using Padding::Padding;
  PaddingOf(Module* parent, std::string name, const Dims& padding)
      : Padding(parent, std::move(name), {Named::kName, kDims, kMode}, padding) {}
  PaddingOf(Module* parent, std::string name, int64_t padding)
      : PaddingOf(parent, std::move(name), Dims{padding}) {}
  PaddingOf(NotThis, const Dims& padding) = delete;
};

struct ZeroPad1d : PaddingOf<1, PadMode::constant, ZeroPad1d> {
  static constexpr const char* kName = "ZeroPad1d";
  using PaddingOf::PaddingOf;
};
struct ZeroPad2d : PaddingOf<2, PadMode::constant, ZeroPad2d> {
  static constexpr const char* kName = "ZeroPad2d";
  using PaddingOf::PaddingOf;
};
struct ZeroPad3d : PaddingOf<3, PadMode::constant, ZeroPad3d> {
  static constexpr const char* kName = "ZeroPad3d";
  using PaddingOf::PaddingOf;
};
struct ReflectionPad1d : PaddingOf<1, PadMode::reflect, ReflectionPad1d> {
  static constexpr const char* kName = "ReflectionPad1d";
  using PaddingOf::PaddingOf;
};
struct ReflectionPad2d : PaddingOf<2, PadMode::reflect, ReflectionPad2d> {
  static constexpr const char* kName = "ReflectionPad2d";
  using PaddingOf::PaddingOf;
};
struct ReflectionPad3d : PaddingOf<3, PadMode::reflect, ReflectionPad3d> {
  static constexpr const char* kName = "ReflectionPad3d";
  using PaddingOf::PaddingOf;
};
struct ReplicationPad1d : PaddingOf<1, PadMode::replicate, ReplicationPad1d> {
  static constexpr const char* kName = "ReplicationPad1d";
  using PaddingOf::PaddingOf;
};
struct ReplicationPad2d : PaddingOf<2, PadMode::replicate, ReplicationPad2d> {
  static constexpr const char* kName = "ReplicationPad2d";
  using PaddingOf::PaddingOf;
};
struct ReplicationPad3d : PaddingOf<3, PadMode::replicate, ReplicationPad3d> {
  static constexpr const char* kName = "ReplicationPad3d";
  using PaddingOf::PaddingOf;
};
struct CircularPad1d : PaddingOf<1, PadMode::circular, CircularPad1d> {
  static constexpr const char* kName = "CircularPad1d";
  using PaddingOf::PaddingOf;
};
struct CircularPad2d : PaddingOf<2, PadMode::circular, CircularPad2d> {
  static constexpr const char* kName = "CircularPad2d";
  using PaddingOf::PaddingOf;
};
struct CircularPad3d : PaddingOf<3, PadMode::circular, CircularPad3d> {
  static constexpr const char* kName = "CircularPad3d";
  using PaddingOf::PaddingOf;
};

// With a number of one's own, which x's dtype must hold.
template <size_t kDims>
class ConstantPad : public Padding {
 public:
  using Padding::Padding;
  ConstantPad(Module* parent, std::string name, const Dims& padding, Scalar value)
      : Padding(parent, std::move(name), {kNames[kDims - 1], kDims, PadMode::constant, value},
                padding) {}
  ConstantPad(Module* parent, std::string name, int64_t padding, Scalar value)
      : ConstantPad(parent, std::move(name), Dims{padding}, value) {}
  ConstantPad(NotThis, const Dims& padding, Scalar value) = delete;

 private:
  static constexpr const char* kNames[] = {"ConstantPad1d", "ConstantPad2d", "ConstantPad3d"};
};
struct ConstantPad1d : ConstantPad<1> {
  using ConstantPad::ConstantPad;
};
struct ConstantPad2d : ConstantPad<2> {
  using ConstantPad::ConstantPad;
};
struct ConstantPad3d : ConstantPad<3> {
  using ConstantPad::ConstantPad;
};

}  // namespace tessera::nn
