#include "nn/layers/fractional_pool.h"

#include "autograd/ops.h"

namespace tessera::nn {
namespace {

constexpr const char* kFractional = "fractional_max_pool";

Dims one_for_each(const char* what, const Dims& sizes, size_t dims) {
  TESSERA_CHECK(sizes.size() == 1 || sizes.size() == dims,
                "[{}] expected one {} size, or one for each of {} dims, got {}", kFractional, what,
                dims, sizes);
  Dims out = sizes.size() == 1 ? Dims(dims, sizes[0]) : sizes;
  for (int64_t size : out) {
    TESSERA_CHECK(size >= 1, "[{}] expected {} sizes of at least 1, got {}", kFractional, what,
                  sizes);
  }
  return out;
}

// Where windows begin along one dim.
std::vector<int64_t> starts(float sample, int64_t size, int64_t output, int64_t kernel) {
  std::vector<int64_t> out;
  float step = output > 1 ? static_cast<float>(size - kernel) / static_cast<float>(output - 1) : 0;
  auto first = static_cast<int64_t>(sample * step);
  for (int64_t i = 0; i + 1 < output; ++i) {
    out.push_back(static_cast<int64_t>((static_cast<float>(i) + sample) * step) - first);
  }
  out.push_back(size - kernel);
  return out;
}

// The elements of a plane in each of its windows, row-major: one list after the other.
void add_windows(const Dims& sizes, const Dims& kernel,
                 const std::vector<std::vector<int64_t>>& begins, std::vector<int64_t>& out) {
  size_t dims = sizes.size();
  int64_t in_window = num_elements(kernel);
  int64_t windows = 1;
  for (const auto& along : begins) windows *= static_cast<int64_t>(along.size());
  for (int64_t w = 0; w < windows; ++w) {
    for (int64_t k = 0; k < in_window; ++k) {
      int64_t window = w, inside = k, stride = 1, element = 0;
      for (size_t d = dims; d-- > 0;) {
        auto count = static_cast<int64_t>(begins[d].size());
        int64_t at = begins[d][static_cast<size_t>(window % count)] + inside % kernel[d];
        element += at * stride;
        stride *= sizes[d];
        window /= count;
        inside /= kernel[d];
      }
      out.push_back(element);
    }
  }
}

// (planes, windows * elements of one)
Array window_index(const Dims& sizes, const Dims& kernel, const Dims& output,
                   const Tensor& samples) {
  size_t dims = sizes.size();
  std::vector<float> drawn = samples.data().to(Device{}).to(DType::f32).to_vector<float>();
  int64_t planes = samples.size(0) * samples.size(1);
  std::vector<int64_t> index;
  for (int64_t p = 0; p < planes; ++p) {
    std::vector<std::vector<int64_t>> begins;
    for (size_t d = 0; d < dims; ++d) {
      size_t which = dims == 2 ? dims - 1 - d : d;
      begins.push_back(
          starts(drawn[static_cast<size_t>(p) * dims + which], sizes[d], output[d], kernel[d]));
    }
    add_windows(sizes, kernel, begins, index);
  }
  return Array::from(index, {planes, num_elements(output) * num_elements(kernel)});
}

}  // namespace

Tensor fractional_max_pool(TensorArg given, const Dims& kernel_given, const Dims& output_given,
                           const Tensor& samples) {
  const Composed scope;
  TESSERA_CHECK(samples.dim() == 3 && (samples.size(2) == 2 || samples.size(2) == 3),
                "[{}] expected samples (N, C, dims) for two or three dims, got {}", kFractional,
                samples.shape());
  auto dims = static_cast<size_t>(samples.size(2));
  bool batched = given.dim() == dims + 2;
  TESSERA_CHECK(batched || given.dim() == dims + 1,
                "[{}] expected an input of {} dims, or {} without a batch, got {}", kFractional,
                dims + 2, dims + 1, given.shape());
  Tensor x = batched ? *given : unsqueeze(given, 0);
  TESSERA_CHECK(samples.size(0) == x.size(0) && samples.size(1) == x.size(1),
                "[{}] expected samples ({}, {}, {}), got {}", kFractional, x.size(0), x.size(1),
                dims, samples.shape());
  Dims kernel = one_for_each("kernel", kernel_given, dims);
  Dims output = one_for_each("output", output_given, dims);
  Dims sizes, result{x.size(0), x.size(1)};
  for (size_t d = 0; d < dims; ++d) {
    sizes.push_back(x.shape()[d + 2]);
    result.push_back(output[d]);
    TESSERA_CHECK(output[d] + kernel[d] - 1 <= sizes[d],
                  "[{}] a kernel of {} and an output of {} do not fit into an input of {}",
                  kFractional, kernel, output, x.shape());
  }
  Tensor index(window_index(sizes, kernel, output, samples).to(x.device()));
  Tensor planes = reshape(x, {index.size(0), num_elements(sizes)});
  Tensor windows = reshape(gather(planes, 1, index),
                           {index.size(0), num_elements(output), num_elements(kernel)});
  // One of equal ones gets the gradient.
  Tensor largest = gather(windows, 2, argmax(windows.detach(), 2, true));
  Tensor y = reshape(largest, result);
  return batched ? y : squeeze(y, 0);
}

FractionalMaxPool::FractionalMaxPool(Module* parent, std::string name, size_t dims,
                                     const Dims& kernel, FractionalMaxPoolOptions options)
    : OwnLayer({parent, std::move(name)}),
      dims_(dims),
      kernel_(one_for_each("kernel", kernel, dims)),
      options_(std::move(options)) {
  const std::vector<double>& ratios = options_.output_ratio;
  TESSERA_CHECK(options_.output_size.empty() != ratios.empty(),
                "[{}] expected an output_size or an output_ratio, and not both", kFractional);
  if (ratios.empty()) options_.output_size = one_for_each("output", options_.output_size, dims);
  TESSERA_CHECK(ratios.size() <= 1 || ratios.size() == dims,
                "[{}] expected one ratio, or one for each of {} dims, got ({})", kFractional, dims,
                fmt::join(ratios, ", "));
  for (double ratio : ratios) {
    TESSERA_CHECK(ratio > 0 && ratio < 1, "[{}] expected ratios in (0, 1), got {}", kFractional,
                  ratio);
  }
}

Tensor FractionalMaxPool::forward(const Tensor& x) const {
  TESSERA_CHECK(x.dim() == dims_ + 2 || x.dim() == dims_ + 1,
                "[{}] expected an input of {} dims, or {} without a batch, got {}", kFractional,
                dims_ + 2, dims_ + 1, x.shape());
  size_t channels = x.dim() - dims_ - 1;
  Dims output = options_.output_size;
  for (size_t d = 0; output.size() < dims_; ++d) {
    const std::vector<double>& ratios = options_.output_ratio;
    double ratio = ratios[ratios.size() == 1 ? 0 : d];
    output.push_back(
        static_cast<int64_t>(static_cast<double>(x.shape()[channels + 1 + d]) * ratio));
  }
  int64_t batch = channels == 0 ? 1 : x.shape()[0];
  Tensor samples = rand({batch, x.shape()[channels], static_cast<int64_t>(dims_)});
  return fractional_max_pool(x, kernel_, output, samples);
}

}  // namespace tessera::nn
