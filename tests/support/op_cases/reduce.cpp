#include <limits>
#include <numeric>

#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

using Line = std::vector<double>;
using LineFunction = double (*)(const Line&);

// fn of each line of elements along the dims (all if empty), in plain loops.
PlainFunction each_reduced(const Dims& dims, bool keepdim, LineFunction fn) {
  return [=](const Plains& in) {
    const Dims& shape = in[0].shape;
    std::vector<bool> chosen(shape.size(), dims.empty());
    for (int64_t dim : dims) chosen[normalize_dim(dim, shape.size(), "reference")] = true;
    Plain out;
    Dims kept;
    for (size_t d = 0; d < shape.size(); ++d) {
      kept.push_back(chosen[d] ? 1 : shape[d]);
      if (!chosen[d]) out.shape.push_back(shape[d]);
    }
    std::vector<Line> lines(static_cast<size_t>(num_elements(kept)));
    for (size_t i = 0; i < in[0].values.size(); ++i) {
      lines[broadcast_index(i, shape, kept)].push_back(in[0].values[i]);
    }
    for (const Line& line : lines) out.values.push_back(fn(line));
    if (keepdim) out.shape = kept;
    return out;
  };
}

double sum_of(const Line& line) { return std::accumulate(line.begin(), line.end(), 0.0); }
double mean_of(const Line& line) { return sum_of(line) / static_cast<double>(line.size()); }
double product_of(const Line& line) {
  return std::accumulate(line.begin(), line.end(), 1.0, std::multiplies<>());
}
double smallest_of(const Line& line) { return *std::min_element(line.begin(), line.end()); }
double largest_of(const Line& line) { return *std::max_element(line.begin(), line.end()); }
double squares_apart(const Line& line) {
  double sum = 0;
  for (double x : line) sum += (x - mean_of(line)) * (x - mean_of(line));
  return sum;
}
double variance_of(const Line& line) {
  return squares_apart(line) / (static_cast<double>(line.size()) - 1);
}
double deviation_of(const Line& line) { return std::sqrt(variance_of(line)); }
double population_variance_of(const Line& line) {
  return squares_apart(line) / static_cast<double>(line.size());
}
double lse_of(const Line& line) { return log_sum_exp(line.data(), line.size()); }
template <int num, int den>
double norm_of(const Line& line) {
  double p = static_cast<double>(num) / den;
  double sum = 0;
  for (double x : line) sum += std::pow(std::abs(x), p);
  return std::pow(sum, 1 / p);
}
double largest_magnitude_of(const Line& line) {
  return std::max(largest_of(line), -smallest_of(line));
}
double smallest_magnitude_of(const Line& line) {
  double smallest = std::numeric_limits<double>::infinity();
  for (double x : line) smallest = std::min(smallest, std::abs(x));
  return smallest;
}

using Reduction = std::function<Tensor(const Tensor&, const DimsArg&, bool)>;

struct Family {
  std::string name;
  Reduction fn;
  LineFunction reference;
  bool any_dtype = false;
  bool takes_nothing = true;  // whether a line may be empty
  InputSpec range = {};       // of the numbers
  // Enough elements for blocks along the line and for tiles across it.
  Dims large = {130, 50, 60};
};

// Rows of one reduction: over everything, and over first, last, middle and outer dims.
void add_forms(const Family& family, std::vector<OpCase>& out) {
  auto of = [&](const Dims& shape) {
    InputSpec spec = family.range;
    spec.shape = shape;
    return InputSpecs{spec};
  };
  auto add = [&](const std::string& form, const Dims& dims, bool keepdim,
                 std::vector<InputSpecs> inputs) {
    Reduction fn = family.fn;
    out.push_back({.name = family.name + form,
                   .fn = [=](const Inputs& in) { return fn(in[0], dims, keepdim); },
                   .inputs = std::move(inputs),
                   .large = of(family.large),
                   .reference = each_reduced(dims, keepdim, family.reference),
                   .op = family.name,
                   .any_dtype = family.any_dtype,
                   .tolerance_f32 = 2e-5});
  };
  add("", {}, false, {of({2, 3}), of({2, 2, 3})});
  add("_first", {0}, false, {of({2, 3, 2}), of({2, 0, 2})});
  add("_last_keepdim", {-1}, true, {of({2, 3, 2}), of({3, 0, 2})});
  add("_middle", {1}, false, {of({2, 3, 2}), of({2, 4, 1})});
  add("_outer", {0, 2}, false, {of({2, 3, 2}), of({3, 1, 2})});
  if (!family.takes_nothing) return;
  add("_nothing", {1}, false, {of({2, 0, 2})});
  out.back().large = of({2, 0, 2});
}

}  // namespace

std::vector<OpCase> reduce_cases() {
  auto var_of = [](double correction) {
    return [=](const Tensor& x, const DimsArg& dims, bool keepdim) {
      return var(x, dims, correction, keepdim);
    };
  };
  auto norm_by = [](double p) {
    return [=](const Tensor& x, const DimsArg& dims, bool keepdim) {
      return norm(x, p, dims, keepdim);
    };
  };
  auto simple = [](Tensor (*fn)(TensorArg, const DimsArg&, bool)) {
    return [=](const Tensor& x, const DimsArg& dims, bool keepdim) { return fn(x, dims, keepdim); };
  };
  auto typed = [](Tensor (*fn)(TensorArg, const DimsArg&, bool, std::optional<DType>)) {
    return [=](const Tensor& x, const DimsArg& dims, bool keepdim) {
      return fn(x, dims, keepdim, std::nullopt);
    };
  };
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  // A product of many numbers stays a number where they are near 1.
  InputSpec near_one{{}, 0.99, 1.01};
  InputSpec off_zero{{}, -2, 2, 0.1};

  std::vector<OpCase> out;
  add_forms({"sum", typed(sum), sum_of, true}, out);
  add_forms({"nansum", typed(nansum), sum_of, true}, out);
  add_forms({"mean", typed(mean), mean_of, false, false}, out);
  add_forms({"nanmean", typed(nanmean), mean_of, false, false}, out);
  add_forms({"prod", typed(prod), product_of, true, true, near_one}, out);
  add_forms({"amin", simple(amin), smallest_of, true, false}, out);
  add_forms({"amax", simple(amax), largest_of, true, false}, out);
  add_forms({"var", var_of(1), variance_of, false, false}, out);
  add_forms({"logsumexp", simple(logsumexp), lse_of, false, false}, out);
  add_forms({"norm", norm_by(2), norm_of<2, 1>, false, false}, out);
  // Names of the rows beside those of "norm" and "var"; the operations have these names.
  auto add = [&](std::string name, std::string op, const Reduction& fn, LineFunction reference,
                 InputSpec range) {
    size_t first = out.size();
    add_forms({std::move(name), fn, reference, false, false, range}, out);
    for (size_t i = first; i < out.size(); ++i) out[i].op = op;
  };
  add("var_population", "var", var_of(0), population_variance_of, {});
  add("std_sample", "std",
      [](const Tensor& x, const DimsArg& dims, bool keepdim) { return std(x, dims, 1, keepdim); },
      deviation_of, {});
  add("norm_1", "norm", norm_by(1), norm_of<1, 1>, off_zero);
  add("norm_3", "norm", norm_by(3), norm_of<3, 1>, off_zero);
  add("norm_half", "norm", norm_by(0.5), norm_of<1, 2>, off_zero);
  add("norm_minus_1", "norm", norm_by(-1), norm_of<-1, 1>, off_zero);
  add("norm_inf", "norm", norm_by(kInfinity), largest_magnitude_of, off_zero);
  add("norm_minus_inf", "norm", norm_by(-kInfinity), smallest_magnitude_of, off_zero);

  auto along = [&](std::string name, std::string op, Unary fn) {
    OpCase row = moves(std::move(name), std::move(fn),
                       {{{{2, 3, 2}}}, {{{2, 1, 3}}}, {{{2, 3, 0}}}}, {{{130, 50, 60}}});
    row.op = std::move(op);
    out.push_back(std::move(row));
  };
  along("max_dim", "max", [](const Tensor& x) { return max(x, 1).values; });
  along("min_dim", "min", [](const Tensor& x) { return min(x, -2, true).values; });
  along("aminmax", "aminmax", [](const Tensor& x) {
    MinMax found = aminmax(x, 1);
    return stack({found.min, found.max});
  });
  out.push_back(moves("max_all", [](const Tensor& x) { return max(x); }, {{{{2, 3}}}, {{{}}}},
                      {{{130, 500}}}));
  out.push_back(moves("min_all", [](const Tensor& x) { return min(x); }, {{{{2, 3}}}, {{{}}}},
                      {{{130, 500}}}));
  out.push_back({.name = "var_mean",
                 .fn =
                     [](const Inputs& in) {
                       VarMean found = var_mean(in[0], -1);
                       return stack({found.var, found.mean});
                     },
                 .inputs = {{{{2, 3}}}},
                 .large = {{{130, 3000}}},
                 .op = "var"});
  out.push_back({.name = "std_mean",
                 .fn =
                     [](const Inputs& in) {
                       StdMean found = std_mean(in[0], -1, 0);
                       return stack({found.std, found.mean});
                     },
                 .inputs = {{{{2, 3}}}},
                 .large = {{{130, 3000}}},
                 .op = "std"});
  out.push_back({.name = "sum_to",
                 .fn =
                     [](const Inputs& in) {
                       return sum_to(in[0], {in[0].size(1), 1});
                     },
                 .inputs = {{{{2, 3, 2}}}, {{{3, 0, 2}}}, {{{2, 1, 3}}}},
                 .large = {{{130, 50, 60}}},
                 .op = "sum",
                 .any_dtype = true,
                 .tolerance_f32 = 2e-5});
  return out;
}

}  // namespace tessera::test
