#include "nn/layers/weight_norm.h"

#include <algorithm>
#include <cmath>

#include "autograd/checkpoint.h"
#include "autograd/context.h"
#include "autograd/ops.h"
#include "autograd/running_statistics.h"
#include "nn/layers/conv.h"

namespace tessera::nn {
namespace {

constexpr int64_t kFirstIterations = 15;  // as PyTorch makes

DType computed_in(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

void check_dim(const char* norm, int64_t dim, const Dims& shape) {
  TESSERA_CHECK(dim >= 0 && dim < static_cast<int64_t>(shape.size()),
                "[{}] expected a dim of a parameter of shape {}, got {}", norm, shape, dim);
}

// Elements as rows by an index of one dim: element e is of index (e / inner) % size.
struct Slices {
  int64_t size = 1;
  int64_t inner = 1;

  Slices(const Dims& shape, std::optional<int64_t> dim) {
    if (!dim) return;
    size = shape[static_cast<size_t>(*dim)];
    for (size_t d = static_cast<size_t>(*dim) + 1; d < shape.size(); ++d) inner *= shape[d];
  }
  // sums[i - first_index] += the squares of index i, of elements from `first` on.
  void add_squares(const Array& flat, int64_t first, int64_t first_index,
                   std::vector<double>& sums) const {
    std::vector<double> values = flat.to(Device{}).to(DType::f64).to_vector<double>();
    for (size_t e = 0; e < values.size(); ++e) {
      int64_t index = (first + static_cast<int64_t>(e)) / inner % size;
      sums[static_cast<size_t>(index - first_index)] += values[e] * values[e];
    }
  }
};

std::vector<double> roots(std::vector<double> sums) {
  for (double& sum : sums) sum = std::sqrt(sum);
  return sums;
}

// The lengths from index `first` on of a parameter that starts as `values` says. Where indices are
// rows, no others are made.
void fill_lengths(const InitialValues& values, const Dims& shape, std::optional<int64_t> dim,
                  int64_t first, const Array& out) {
  if (out.device().type == DeviceType::meta) return;
  Slices slices(shape, dim);
  int64_t count = num_elements(shape);
  std::vector<double> sums(static_cast<size_t>(out.numel()));
  if (dim == 0) {
    Array row = Array::empty({slices.inner});
    for (int64_t i = first; i < first + out.numel(); ++i) {
      values.fill(i * slices.inner, row);
      slices.add_squares(row, i * slices.inner, first, sums);
    }
  } else {
    Array whole = Array::empty({count});
    values.fill(0, whole);
    std::vector<double> all(static_cast<size_t>(slices.size));
    slices.add_squares(whole, 0, 0, all);
    std::copy_n(all.begin() + first, out.numel(), sums.begin());
  }
  out.copy_(Array::from(roots(std::move(sums)), out.shape()).to(out.dtype()));
}

Array lengths_of(const Array& whole, std::optional<int64_t> dim, const Dims& shape) {
  Slices slices(whole.shape(), dim);
  std::vector<double> sums(static_cast<size_t>(slices.size));
  slices.add_squares(whole.contiguous().view({whole.numel()}), 0, 0, sums);
  // Rounded as lengths of first values are.
  return Array::from(roots(std::move(sums)), shape).to(computed_in(whole.dtype()));
}

// While one lives, nothing is kept for a checkpoint's second run.
class KeepingNothing {
 public:
  KeepingNothing() : before_(std::exchange(context().recomputation, nullptr)) {}
  ~KeepingNothing() { context().recomputation = std::move(before_); }
  KeepingNothing(const KeepingNothing&) = delete;
  KeepingNothing& operator=(const KeepingNothing&) = delete;

 private:
  std::shared_ptr<Recomputation> before_;
  NoGrad no_grad_;
};

// Of transposed convolutions the second dim is that of the results.
int64_t rows_dim(const Module& module) {
  bool is_transposed = dynamic_cast<const ConvTranspose1d*>(&module) ||
                       dynamic_cast<const ConvTranspose2d*>(&module) ||
                       dynamic_cast<const ConvTranspose3d*>(&module);
  return is_transposed ? 1 : 0;
}

}  // namespace

WeightNorm::WeightNorm(const Original& original, WeightNormOptions options)
    : Parametrization(original) {
  const Dims& shape = original.tensor.shape();
  Dims lengths;
  if (options.dim) {
    check_dim("weight_norm", *options.dim, shape);
    lengths = shape;
  }
  for (size_t d = 0; d < shape.size(); ++d) {
    if (options.dim == static_cast<int64_t>(d)) continue;
    norm_dims_.push_back(static_cast<int64_t>(d));
    if (options.dim) lengths[d] = 1;
  }
  g = add_part(
      "original0", lengths,
      [values = original.values, shape, dim = options.dim](int64_t first, const Array& out) {
        fill_lengths(*values, shape, dim, first, out);
      },
      [&] { return lengths_of(original.tensor.data(), options.dim, lengths); });
  v = add_original("original1");
}

Tensor WeightNorm::value() const {
  DType wide = computed_in(v.dtype());
  Tensor direction = tessera::to(v, wide);
  // Of a vector each element has its own length.
  Tensor length = norm_dims_.empty() ? abs(direction) : norm(direction, 2, norm_dims_, true);
  if (g.dim() == 0) length = reshape(length, Dims{});
  length = masked_fill(length, eq(length, 0), 1);
  return tessera::to(direction * (tessera::to(g, wide) / length), v.dtype());
}

WeightNorm& weight_norm(Module& module, const std::string& name, WeightNormOptions options) {
  return parametrize<WeightNorm>(module, name, options);
}

SpectralNorm::Vectors::Vectors(Module* parent, int64_t rows, int64_t cols, DType dtype,
                               Device device)
    : Module(parent, "0"),
      u(add_buffer("_u", Array::zeros({rows}, dtype, device))),
      v(add_buffer("_v", Array::zeros({cols}, dtype, device))) {}

SpectralNorm::SpectralNorm(const Original& original, SpectralNormOptions options)
    : Parametrization(original), options_(options), dim_(options.dim.value_or(0)) {
  const Dims& shape = original.tensor.shape();
  TESSERA_CHECK(options.n_power_iterations >= 1,
                "[spectral_norm] expected at least one power iteration, got {}",
                options.n_power_iterations);
  TESSERA_CHECK(options.eps > 0, "[spectral_norm] expected a positive eps, got {}", options.eps);
  check_dim("spectral_norm", dim_, shape);
  weight = add_original("original");
  if (shape.size() == 1) return;
  int64_t rows = shape[static_cast<size_t>(dim_)];
  Device device = weight.device().type == DeviceType::meta ? Device{} : weight.device();
  vectors_.emplace(this, rows, num_elements(shape) / std::max<int64_t>(rows, 1), weight.dtype(),
                   device);
  start_anew();
}

void SpectralNorm::start_anew() {
  if (!vectors_) return;
  const InitialValues& values = *original().values;
  Array w = weight.data();
  if (w.device().type == DeviceType::meta) {
    w = Array::empty(weight.shape());
    values.fill(0, w.view({w.numel()}));
  }
  w = w.to(Device{});
  w = w.to(computed_in(w.dtype()));
  Array drawn = Array::empty({vectors_->v.numel()});
  InitialValues{values.name + "._v", values.seed, Init::normal(1)}.fill(0, drawn);
  const NoGrad no_grad;
  Pair from{Tensor(Array::zeros({vectors_->u.numel()})),
            normalize(Tensor(drawn), 2, 0, options_.eps)};
  Pair start = iterated(matrix_of(Tensor(w)), from, kFirstIterations);
  vectors_->u.data().copy_(start.u.data());
  vectors_->v.data().copy_(start.v.data());
}

Tensor SpectralNorm::matrix_of(const Tensor& w) const {
  Tensor rows_first = dim_ == 0 ? w : moveaxis(w, {dim_}, {0});
  return reshape(rows_first, {rows_first.size(0), -1});
}

SpectralNorm::Pair SpectralNorm::iterated(const Tensor& matrix, Pair from, int64_t times) const {
  const KeepingNothing scope;
  // Backward keeps them, and the buffers move on.
  Pair pair{Tensor(from.u.data().to(matrix.dtype()).clone()),
            Tensor(from.v.data().to(matrix.dtype()).clone())};
  for (int64_t i = 0; i < times; ++i) {
    pair.u = normalize(matmul(matrix, pair.v), 2, 0, options_.eps);
    pair.v = normalize(matmul(transpose(matrix, 0, 1), pair.u), 2, 0, options_.eps);
  }
  return pair;
}

SpectralNorm::Pair SpectralNorm::pair_for(const Tensor& matrix) const {
  const std::shared_ptr<Recomputation>& inside = context().recomputation;
  const Recomputation* again = inside ? inside->running_again() : nullptr;
  auto seen = std::find_if(seen_.begin(), seen_.end(), [&](const Seen& each) {
    return again && each.in.lock().get() == again;
  });
  Pair pair;
  if (seen != seen_.end()) {
    // Calls come again in their order.
    std::rotate(seen, seen + 1, seen_.end());
    pair = seen_.back().pair;
  } else {
    int64_t times = training() ? options_.n_power_iterations : 0;
    pair = iterated(matrix, {vectors_->u, vectors_->v}, times);
  }
  // In a TrainStep each call begins with the same vectors.
  if (!context().observations) remember(pair, again);
  if (training()) {
    observe({vectors_->u.data(), pair.u.data(), 1, 1});
    observe({vectors_->v.data(), pair.v.data(), 1, 1});
  }
  return pair;
}

// Any checkpoint around a call may run it again, but for one that does so now.
void SpectralNorm::remember(const Pair& pair, const Recomputation* again) const {
  std::erase_if(seen_, [](const Seen& each) { return each.in.expired(); });
  for (auto in = context().recomputation; in.get() != again; in = in->outer()) {
    seen_.push_back({in, pair});
  }
}

Tensor SpectralNorm::value() const {
  Tensor w = tessera::to(weight, computed_in(weight.dtype()));
  if (!vectors_) return tessera::to(normalize(w, 2, 0, options_.eps), weight.dtype());
  Tensor matrix = matrix_of(w);
  Pair pair = pair_for(matrix);
  Tensor sigma = sum(pair.u * matmul(matrix, pair.v));
  return tessera::to(w / sigma, weight.dtype());
}

SpectralNorm& spectral_norm(Module& module, const std::string& name, SpectralNormOptions options) {
  if (!options.dim) options.dim = rows_dim(module);
  return parametrize<SpectralNorm>(module, name, options);
}

}  // namespace tessera::nn
