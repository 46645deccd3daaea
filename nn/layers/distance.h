// Modules of two tensors: Bilinear, CosineSimilarity and PairwiseDistance.
#pragma once

#include "nn/layers/layer.h"

namespace tessera::nn {

// A module of this library that is a function of two tensors.
template <class Derived>
class OwnPair : public Callable<Derived> {
 public:
  template <class... Rest>
  OwnPair(NotThis, Rest&&...) = delete;
  template <class... Rest>
  OwnPair(Module*, NotAName, Rest&&...) = delete;
  Tensor operator()(const Tensor& a, const Tensor& b, CallSite site = {}) const {
    return Callable<Derived>::call(static_cast<const Derived&>(*this), site, a, b);
  }

 protected:
  OwnPair(Module* parent, std::string name) : Callable<Derived>(parent, std::move(name)) {
    this->keep_callers_place();
  }
};

// a (..., in1), b (..., in2) -> (..., out); weight (out, in1, in2) and bias (out,) start uniform in
// (-1 / sqrt(in1), 1 / sqrt(in1)).
class Bilinear : public OwnPair<Bilinear> {
 public:
  using OwnPair::OwnPair;
  Bilinear(Module* parent, std::string name, int64_t in1, int64_t in2, int64_t out,
           bool with_bias = true);
  Tensor forward(const Tensor& a, const Tensor& b) const;

  Tensor weight;
  Tensor bias;
};

class CosineSimilarity : public OwnPair<CosineSimilarity> {
 public:
  using OwnPair::OwnPair;
  CosineSimilarity(Module* parent, std::string name, int64_t dim = 1, double eps = 1e-8)
      : OwnPair(parent, std::move(name)), dim_(dim), eps_(eps) {}
  Tensor forward(const Tensor& a, const Tensor& b) const;

 private:
  int64_t dim_;
  double eps_;
};

// Along the last dim.
class PairwiseDistance : public OwnPair<PairwiseDistance> {
 public:
  using OwnPair::OwnPair;
  PairwiseDistance(Module* parent, std::string name, double p = 2, double eps = 1e-6,
                   bool keepdim = false)
      : OwnPair(parent, std::move(name)), p_(p), eps_(eps), keepdim_(keepdim) {}
  Tensor forward(const Tensor& a, const Tensor& b) const;

 private:
  double p_;
  double eps_;
  bool keepdim_;
};

}  // namespace tessera::nn
