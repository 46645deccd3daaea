// Layers that undo a pooling by maxima, and those that pool by p-norms, as the functions in
// autograd/ops/unpool.h.
#pragma once

#include "autograd/ops/unpool.h"
#include "nn/layers/layer.h"

namespace tessera::nn {

struct MaxUnpoolOptions {
  Dims stride = {};  // empty: the kernel's size
  Dims padding = {0};
};

// Called with what max_poolNd_with_indices gave, and the size to give back where that is not the
// usual one.
template <Tensor (*kFunction)(TensorArg, TensorArg, const Dims&, const Dims&, const Dims&,
                              const Dims&)>
class MaxUnpool : public Callable<MaxUnpool<kFunction>> {
  using Base = Callable<MaxUnpool<kFunction>>;

 public:
  template <class... Rest>
  MaxUnpool(NotThis, Rest&&...) = delete;
  MaxUnpool(Module* parent, std::string name, const Dims& kernel, MaxUnpoolOptions options = {})
      : Base(parent, std::move(name)), kernel_(kernel), options_(std::move(options)) {
    this->keep_callers_place();
  }
  MaxUnpool(Module* parent, std::string name, int64_t kernel, MaxUnpoolOptions options = {})
      : MaxUnpool(parent, std::move(name), Dims{kernel}, std::move(options)) {}
  Tensor forward(const Tensor& x, const Tensor& indices, const Dims& output_size) const {
    return kFunction(x, indices, kernel_, options_.stride, options_.padding, output_size);
  }
  Tensor operator()(const Tensor& x, const Tensor& indices, const Dims& output_size = {},
                    CallSite site = {}) const {
    return Base::call(*this, site, x, indices, output_size);
  }

 private:
  Dims kernel_;
  MaxUnpoolOptions options_;
};

namespace detail {
Tensor max_unpool1d_of_lists(TensorArg x, TensorArg indices, const Dims& kernel, const Dims& stride,
                             const Dims& padding, const Dims& output_size);
Tensor lp_pool1d_of_lists(TensorArg x, double norm_type, const Dims& kernel, const Dims& stride,
                          bool ceil_mode);
}  // namespace detail

struct MaxUnpool1d : MaxUnpool<detail::max_unpool1d_of_lists> {
  using MaxUnpool::MaxUnpool;
};
struct MaxUnpool2d : MaxUnpool<max_unpool2d> {
  using MaxUnpool::MaxUnpool;
};
struct MaxUnpool3d : MaxUnpool<max_unpool3d> {
  using MaxUnpool::MaxUnpool;
};

struct LpPoolOptions {
  Dims stride = {};  // empty: the kernel's size
  bool ceil_mode = false;
};

template <Tensor (*kFunction)(TensorArg, double, const Dims&, const Dims&, bool)>
class LpPool : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  LpPool(Module* parent, std::string name, double norm_type, const Dims& kernel,
         LpPoolOptions options = {})
      : OwnLayer({parent, std::move(name)}),
        norm_type_(norm_type),
        kernel_(kernel),
        options_(std::move(options)) {}
  LpPool(Module* parent, std::string name, double norm_type, int64_t kernel,
         LpPoolOptions options = {})
      : LpPool(parent, std::move(name), norm_type, Dims{kernel}, std::move(options)) {}
  Tensor forward(const Tensor& x) const override {
    return kFunction(x, norm_type_, kernel_, options_.stride, options_.ceil_mode);
  }

 private:
  double norm_type_;
  Dims kernel_;
  LpPoolOptions options_;
};

struct LpPool1d : LpPool<detail::lp_pool1d_of_lists> {
  using LpPool::LpPool;
};
struct LpPool2d : LpPool<lp_pool2d> {
  using LpPool::LpPool;
};
struct LpPool3d : LpPool<lp_pool3d> {
  using LpPool::LpPool;
};

}  // namespace tessera::nn
