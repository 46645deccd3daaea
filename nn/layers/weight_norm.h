// Weight norm and spectral norm, as torch.nn.utils.parametrizations has them: of a parameter of any
// module, whose class knows nothing of it.
//
//   nn::weight_norm(model.get<nn::Linear>("fc"));
//   nn::spectral_norm(model.get<nn::Conv2d>("conv"), {.n_power_iterations = 2});
//
// They come before a TrainStep is made. nn/parametrization.h says what becomes of the parameter,
// and how it becomes one again. The state has PyTorch's names, and the parameter starts as it would
// have without a norm.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nn/parametrization.h"

namespace tessera {
class Recomputation;
}

namespace tessera::nn {

struct WeightNormOptions {
  // Each index of dim has a length of its own; none: the parameter has one.
  std::optional<int64_t> dim = 0;
};

// g v / |v| (Salimans and Kingma 2016): original0 is g, the lengths, of v's shape with sizes of 1
// but at dim (zero-dimensional without a dim), and original1 is v. Where v is zeros so is the
// result, where PyTorch's is NaN. Of 16 bits it is computed in f32.
class WeightNorm : public Parametrization {
 public:
  explicit WeightNorm(const Original& original, WeightNormOptions options = {});
  Tensor value() const override;

  Tensor g;
  Tensor v;

 private:
  Dims norm_dims_;
};

struct SpectralNormOptions {
  int64_t n_power_iterations = 1;
  double eps = 1e-12;  // lengths are at least this
  // Whose indices are the matrix's rows; none: 0; spectral_norm() takes 1 of transposed
  // convolutions.
  std::optional<int64_t> dim = std::nullopt;
};

// w / sigma(w), sigma being the largest singular value of w as a matrix (Miyato et al. 2018), by
// power iteration: `original` is w, and the buffers _u and _v (in a part "0") are the singular
// vectors, after fifteen iterations at the start. In training mode each call iterates from the
// buffers. These become what it ends at: at once, or, in a TrainStep, whose calls all begin with
// the same ones, once at its end. In evaluation they are used as they are. They are of w's dtype.
// Of one dim: w / |w|. Of 16 bits it is computed in f32.
class SpectralNorm : public Parametrization {
 public:
  explicit SpectralNorm(const Original& original, SpectralNormOptions options = {});
  Tensor value() const override;

  Tensor weight;
  Tensor u() const { return vectors_ ? vectors_->u : Tensor(); }
  Tensor v() const { return vectors_ ? vectors_->v : Tensor(); }

 private:
  struct Vectors : Module {
    Vectors(Module* parent, int64_t rows, int64_t cols, DType dtype, Device device);
    Tensor u;
    Tensor v;
  };
  struct Pair {
    Tensor u, v;
  };
  // What calls inside of a checkpoint saw, for when they run again.
  struct Seen {
    std::weak_ptr<Recomputation> in;
    Pair pair;
  };

  void start_anew() override;
  Tensor matrix_of(const Tensor& w) const;
  Pair iterated(const Tensor& matrix, Pair from, int64_t times) const;
  // Those of this call: the next ones in training mode, the buffers' in evaluation.
  Pair pair_for(const Tensor& matrix) const;
  void remember(const Pair& pair, const Recomputation* again) const;

  SpectralNormOptions options_;
  int64_t dim_ = 0;
  std::optional<Vectors> vectors_;
  mutable std::vector<Seen> seen_;
};

WeightNorm& weight_norm(Module& module, const std::string& name = "weight",
                        WeightNormOptions options = {});
SpectralNorm& spectral_norm(Module& module, const std::string& name = "weight",
                            SpectralNormOptions options = {});

}  // namespace tessera::nn
