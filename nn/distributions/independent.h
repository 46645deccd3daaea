// Independent: some of the last dims of a batch taken as one event.
#pragma once

#include <type_traits>
#include <utility>

#include "core/error.h"
#include "nn/distributions/distribution.h"

namespace tessera::distributions {

// Whose log_prob and entropy are those of `base`, summed over the last `num_event_dims` dims of its
// batch; 0 <= num_event_dims <= dims of base's batch.
template <std::derived_from<Distribution> Base>
class Independent final : public std::conditional_t<std::derived_from<Base, Reparameterized>,
                                                    Reparameterized, Distribution> {
  using Parent =
      std::conditional_t<std::derived_from<Base, Reparameterized>, Reparameterized, Distribution>;

 public:
  Independent(Base base, int64_t num_event_dims, CallSite site = {})
      : Parent("Independent"), base_(std::move(base)) {
    const NotedCall call(site);
    const Dims& batch = base_.batch_shape();
    TESSERA_CHECK(
        num_event_dims >= 0 && num_event_dims <= static_cast<int64_t>(batch.size()),
        "[Independent] expected between 0 and {} dims of the batch {} as an event, got {}",
        batch.size(), batch, num_event_dims);
    num_event_dims_ = static_cast<size_t>(num_event_dims);
    size_t kept = batch.size() - num_event_dims_;
    this->set_shapes(
        Dims(std::span(batch.data(), kept)),
        joined(Dims(std::span(batch.data() + kept, num_event_dims_)), base_.event_shape()));
  }

  const Base& base() const { return base_; }
  int64_t num_event_dims() const { return static_cast<int64_t>(num_event_dims_); }

 private:
  Tensor draw(const Dims& shape) const override {
    size_t own = this->batch_shape().size() + this->event_shape().size();
    Dims samples(std::span(shape.data(), shape.size() - own));
    if constexpr (std::derived_from<Base, Reparameterized>) return base_.rsample(samples);
    else return base_.sample(samples);
  }
  Tensor log_density(const Tensor& value) const override {
    return sum_last(base_.log_prob(value), num_event_dims_);
  }
  Tensor own_entropy() const override { return sum_last(base_.entropy(), num_event_dims_); }
  Tensor own_mean() const override { return base_.mean(); }
  Tensor own_variance() const override { return base_.variance(); }
  Tensor own_stddev() const override { return base_.stddev(); }
  // By base.
  void check_value(const Tensor&) const override {}
  DType dtype() const override { return base_.mean().dtype(); }

  Base base_;
  size_t num_event_dims_ = 0;
};

}  // namespace tessera::distributions
