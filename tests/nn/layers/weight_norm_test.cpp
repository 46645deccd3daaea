#include "nn/layers/weight_norm.h"

#include <gtest/gtest.h>

#include "autograd/checkpoint.h"
#include "autograd/context.h"
#include "autograd/ops.h"
#include "nn/layers.h"
#include "tests/nn/layers/torch_cases.h"
#include "tests/support/error_of.h"
#include "tests/support/made_values.h"

namespace tessera::nn {
namespace {

using test::close_to;
using test::contains;
using test::doubles;
using test::error_of;
using test::LayerCase;
using test::made_array;
using test::same_bits;
using Tensors = std::vector<Tensor>;
using Arrays = std::vector<Array>;

// How a parameter of a layer is normed the first time.
using Norm = std::function<void(Module& layer)>;

Norm of_length(const char* name = "weight", WeightNormOptions options = {}) {
  return [=](Module& layer) { weight_norm(layer, name, options); };
}
Norm of_spectrum(SpectralNormOptions options = {}) {
  return [=](Module& layer) { spectral_norm(layer, "weight", options); };
}

template <class L, class... Args>
L& normed(Module& root, const Norm& norm, const Args&... args) {
  bool is_new = !root.find("m");
  L& made = test::layer<L>(root, args...);
  if (is_new) norm(made);
  return made;
}

void set_vectors(const SpectralNorm& norm) {
  auto set = [](const Tensor& vector, uint64_t stream) {
    vector.data().copy_(normalize(Tensor(made_array(vector.shape(), stream)), 2, 0).data());
  };
  set(norm.u(), 900);
  set(norm.v(), 901);
}

// The output of L(args...)(x), or of an embedding of tokens, and the singular vectors.
template <class L, class... Args>
LayerCase normed_case(const std::string& name, const Norm& norm, bool evaluates, const Dims& input,
                      const Args&... args) {
  std::vector<Dims> inputs;
  if (!input.empty()) inputs.push_back(input);
  return {name, inputs, [=](Module& root, const Tensors& x) {
            L& m = normed<L>(root, norm, args...);
            m.train(!evaluates);
            auto* spectral = dynamic_cast<SpectralNorm*>(m.find("parametrizations.weight"));
            if (spectral) set_vectors(*spectral);
            Tensors out{m(x.empty() ? Tensor(test::made_integers({2, 5}, 50, 6)) : x[0])};
            if (spectral) {
              out.emplace_back(spectral->u().data().clone());
              out.emplace_back(spectral->v().data().clone());
            }
            return out;
          }};
}

std::vector<LayerCase> layers_with(const std::string& norm, const Norm& of) {
  bool two_groups = norm == "weight_norm_";
  int64_t groups = two_groups ? 2 : 1;
  return {
      normed_case<Linear>(norm + "linear", of, false, {2, 3}, 3, 4),
      normed_case<Conv1d>(norm + "conv1d", of, false, {2, 4, 7}, 4, 6, 3,
                          Conv1dOptions{.groups = groups}),
      normed_case<Conv3d>(norm + "conv3d", of, false, {1, 2, 3, 3, 2}, 2, 3, 2),
      normed_case<ConvTranspose1d>(norm + "conv_transpose1d", of, false, {2, 4, 4}, 4, 6, 3,
                                   ConvTranspose1dOptions{.stride = 2, .groups = groups}),
      normed_case<ConvTranspose2d>(norm + "conv_transpose2d", of, false, {1, 2, 3, 2}, 2, 3, 2,
                                   ConvTranspose2dOptions{.stride = {2}}),
      normed_case<ConvTranspose3d>(norm + "conv_transpose3d", of, false, {1, 2, 2, 3, 2}, 2, 3, 2),
      normed_case<Embedding>(norm + "embedding", of, false, {}, 6, 3),
  };
}

TEST(NormsOfWeights, GiveTheValuesAndGradientsOfTorch) {
  std::vector<LayerCase> cases = layers_with("weight_norm_", of_length());
  for (LayerCase& each : layers_with("spectral_norm_", of_spectrum())) cases.push_back(each);
  Dims two{2, 3};
  Dims image{1, 2, 4, 5};
  Dims kernel{3, 2};
  cases.push_back(
      normed_case<Conv2d>("weight_norm_conv2d", of_length(), false, image, 2, 3, kernel));
  cases.push_back(normed_case<Conv2d>(
      "spectral_norm_conv2d", of_spectrum({.n_power_iterations = 3}), false, image, 2, 3, kernel));
  cases.push_back(normed_case<Linear>("weight_norm_columns", of_length("weight", {.dim = 1}), false,
                                      two, 3, 4));
  cases.push_back(normed_case<Linear>(
      "weight_norm_whole", of_length("weight", {.dim = std::nullopt}), false, two, 3, 4));
  cases.push_back(normed_case<Linear>("weight_norm_bias", of_length("bias"), false, two, 3, 4));
  cases.push_back(normed_case<Linear>("spectral_norm_columns", of_spectrum({.eps = 1e-6, .dim = 1}),
                                      false, two, 3, 4));
  cases.push_back(normed_case<Linear>("spectral_norm_eval", of_spectrum(), true, two, 3, 4));
  cases.push_back(normed_case<Linear>(
      "spectral_norm_bias", [](Module& m) { spectral_norm(m, "bias"); }, false, two, 3, 4));
  cases.push_back({"weight_norm_gru", {{5, 2, 3}}, [](Module& root, const Tensors& x) -> Tensors {
                     RecurrentResult y = normed<Gru>(root, of_length("weight_hh_l0"), 3, 4)(x[0]);
                     return {y.output, y.state.h};
                   }});
  test::expect_as_in_torch("weight_norms.safetensors", cases);
}

std::vector<std::string> state_names(const Module& module) {
  std::vector<std::string> names;
  for (const auto& [name, array] : module.state_dict()) names.push_back(name);
  return names;
}

struct Net : Module {
  Linear fc{this, "fc", 5, 4};
  Conv2d conv{this, "conv", 2, 3, 3};
};

TEST(NormsOfWeights, HaveTheNamesOfTorch) {
  Net net;
  weight_norm(net.fc);
  spectral_norm(net.conv);
  EXPECT_EQ(
      state_names(net),
      (std::vector<std::string>{
          "fc.bias", "fc.parametrizations.weight.original0", "fc.parametrizations.weight.original1",
          "conv.bias", "conv.parametrizations.weight.original", "conv.parametrizations.weight.0._u",
          "conv.parametrizations.weight.0._v"}));
  EXPECT_EQ(net.fc.get<WeightNorm>("parametrizations.weight").g.shape(), (Dims{4, 1}));
}

TEST(NormsOfWeights, StartAsTheParameterDoes) {
  manual_seed(3);
  Net plain;
  for (std::optional<int64_t> dim : std::vector<std::optional<int64_t>>{0, 1, std::nullopt}) {
    manual_seed(3);
    Net net;
    const WeightNorm& norm = weight_norm(net.fc, "weight", {.dim = dim});
    EXPECT_TRUE(same_bits(norm.v.data(), plain.fc.weight.data()));
    EXPECT_TRUE(close_to(doubles(norm.value().data()), doubles(plain.fc.weight.data()), 1e-6, 0));
    // Made without memory, whole and in parts.
    manual_seed(3);
    std::unique_ptr<Net> later;
    {
      const DeferInit defer;
      later = std::make_unique<Net>();
      weight_norm(later->fc, "weight", {.dim = dim});
    }
    const Tensor& g = later->fc.get<WeightNorm>("parametrizations.weight").g;
    if (g.numel() > 1) {
      Array part = Array::empty({2});
      later->initial_values(g).fill(1, part);
      EXPECT_TRUE(same_bits(part, norm.g.data().contiguous().view({g.numel()}).slice(0, 1, 3)));
    }
    later->to(Device{});
    EXPECT_TRUE(same_bits(g.data(), norm.g.data()));
  }
}

void expect_same_state(const Module& a, const Module& b) {
  StateDict of_a = a.state_dict();
  StateDict of_b = b.state_dict();
  ASSERT_EQ(of_a.size(), of_b.size());
  for (size_t i = 0; i < of_a.size(); ++i) {
    EXPECT_EQ(of_a[i].first, of_b[i].first);
    EXPECT_TRUE(same_bits(of_a[i].second, of_b[i].second)) << of_a[i].first;
  }
}

TEST(SpectralNorm, StartsWithoutMemoryAsWithIt) {
  manual_seed(3);
  Net net;
  spectral_norm(net.conv);
  spectral_norm(net.fc, "weight", {.dim = 1});
  manual_seed(3);
  std::unique_ptr<Net> later;
  {
    const DeferInit defer;
    later = std::make_unique<Net>();
    spectral_norm(later->conv);
    spectral_norm(later->fc, "weight", {.dim = 1});
  }
  later->to(Device{});
  expect_same_state(*later, net);
}

TEST(NormsOfWeights, FollowAModuleToItsPlace) {
  for (DType dtype : {DType::f32, DType::bf16}) {
    for (const Norm& norm : {of_length(), of_spectrum()}) {
      manual_seed(3);
      auto made_first = make<Linear>(5, 4);
      made_first->to(dtype);
      norm(*made_first);
      Module root;
      root.attach("fc", std::move(made_first));
      manual_seed(3);
      Module other;
      Linear made_there(&other, "fc", 5, 4);
      made_there.to(dtype);
      norm(made_there);
      expect_same_state(root, other);
    }
  }
}

TEST(NormsOfWeights, TakeValuesThatWereChanged) {
  Net net;
  Array mine = made_array({4, 5}, 1);
  net.fc.weight.data().copy_(mine);
  const WeightNorm& norm = weight_norm(net.fc);
  EXPECT_TRUE(close_to(doubles(norm.value().data()), doubles(mine), 1e-6, 0));
}

TEST(NormsOfWeights, KeepRowsOfZeros) {
  Embedding table(nullptr, "", 4, 3, {.padding_idx = 1});
  const WeightNorm& norm = weight_norm(table);
  Tensor y = table(Tensor(Array::from(std::vector<int64_t>{0, 1}, {2})));
  EXPECT_TRUE(close_to(doubles(y.data().select(0, 1)), {0, 0, 0}, 0, 0));
  sum(y * y).backward();
  EXPECT_TRUE(close_to(doubles(norm.v.grad().data().select(0, 1)), {0, 0, 0}, 0, 0));
  EXPECT_TRUE(std::isfinite(sum(norm.g.grad()).item<float>()));
}

TEST(NormsOfWeights, AreComputedInF32) {
  Net net;
  const WeightNorm& lengths = weight_norm(net.fc);
  const SpectralNorm& spectrum = spectral_norm(net.conv);
  net.to(DType::bf16);
  net.eval();
  auto wide = [](const Tensor& x) { return to(x, DType::f32); };
  Tensor v = wide(lengths.v);
  Tensor scaled = v * (wide(lengths.g) / norm(v, 2, {1}, true));
  EXPECT_TRUE(same_bits(lengths.value().data(), scaled.data().to(DType::bf16)));
  Tensor w = wide(spectrum.weight);
  Tensor sigma = sum(wide(spectrum.u()) * matmul(reshape(w, {3, 18}), wide(spectrum.v())));
  EXPECT_TRUE(same_bits(spectrum.value().data(), (w / sigma).data().to(DType::bf16)));
  Tensor y = net.conv(Tensor(made_array({1, 2, 4, 4}, 1).to(DType::bf16)));
  EXPECT_EQ(y.dtype(), DType::bf16);
}

TEST(SpectralNorm, ItsVectorsAreOfTheWeightsDtype) {
  for (DType dtype : {DType::f64, DType::bf16}) {
    Net net;
    net.to(dtype);
    const SpectralNorm& norm = spectral_norm(net.conv);
    net.conv(Tensor(made_array({1, 2, 4, 4}, 1).to(dtype)));
    EXPECT_EQ(norm.u().dtype(), dtype);
    EXPECT_EQ(norm.v().dtype(), dtype);
    EXPECT_EQ(norm.value().dtype(), dtype);
  }
}

TEST(NormsOfWeights, AreSummedUp) {
  struct Both : Callable<Both> {
    Linear fc{this, "fc", 5, 4};
    Linear other{this, "other", 4, 4};
    Tensor forward(const Tensor& x) { return other(fc(x)); }
  } net;
  weight_norm(net.fc);
  SpectralNorm& norm = spectral_norm(net.other);
  Array before = norm.u().data().clone();
  Summary summary = net.summary(Tensor(made_array({2, 5}, 1)));
  EXPECT_EQ(summary.rows[0].parameters, 20 + 4 + 4 + 16 + 4);
  EXPECT_EQ(summary.rows[0].output, "(2, 4)");
  EXPECT_TRUE(same_bits(norm.u().data(), before));
}

TEST(SpectralNorm, MakesTheLargestSingularValueOne) {
  Net net;
  SpectralNorm& norm = spectral_norm(net.conv);
  Tensor x(made_array({1, 2, 4, 4}, 1));
  for (int i = 0; i < 100; ++i) net.conv(x);
  Tensor values = svdvals(reshape(norm.value(), {3, 18}));
  EXPECT_NEAR(values.data().select(0, 0).item<float>(), 1, 1e-5);
}

TEST(SpectralNorm, MovesItsVectorsInTrainingOnly) {
  Net net;
  SpectralNorm& norm = spectral_norm(net.conv);
  set_vectors(norm);
  Tensor x(made_array({1, 2, 4, 4}, 1));
  net.eval();
  Array before = norm.u().data().clone();
  net.conv(x);
  EXPECT_TRUE(same_bits(norm.u().data(), before));
  net.train();
  net.conv(x);
  EXPECT_FALSE(same_bits(norm.u().data(), before));
}

using Function = std::function<Tensor(const Tensor&)>;

// The gradient and the vectors after calls in checkpoints, which are nested this deep.
Arrays after_calls(int checkpoints) {
  manual_seed(5);
  Net net;
  const SpectralNorm& norm = spectral_norm(net.conv);
  set_vectors(norm);
  Function fn = [&](const Tensor& x) {
    Tensor first = net.conv(x);
    return sum(square(first)) + sum(net.conv(square(x)));
  };
  for (int level = 3; level > 0; --level) {
    bool again = level <= checkpoints;
    fn = [again, inner = fn, &net](const Tensor& x) {
      Tensor first = again ? checkpoint(inner, x) : inner(x);
      Tensor between = sum(square(net.conv(x * 3)));
      return first * between + (again ? checkpoint(inner, x * 2) : inner(x * 2));
    };
  }
  fn(Tensor(made_array({1, 2, 4, 4}, 1))).backward();
  return {norm.weight.grad().data(), norm.u().data(), norm.v().data()};
}

// Calls that run again see the vectors that they saw, though others came between, and move none.
TEST(SpectralNorm, RunsAgainWithTheSameVectors) {
  Arrays expected = after_calls(0);
  for (int checkpoints : {1, 2, 3}) {
    Arrays got = after_calls(checkpoints);
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_TRUE(same_bits(got[i], expected[i])) << checkpoints << " checkpoints, array " << i;
    }
  }
}

TEST(SpectralNorm, BackwardHasWhatEvaluationSaw) {
  auto gradient = [](bool again, bool moves) {
    manual_seed(5);
    Net net;
    const SpectralNorm& norm = spectral_norm(net.conv);
    set_vectors(norm);
    Function fn = [&](const Tensor& x) { return sum(square(net.conv(x))); };
    Tensor x(made_array({1, 2, 4, 4}, 1));
    net.eval();
    Tensor y = again ? checkpoint(fn, x) : fn(x);
    net.train();
    if (moves) net.conv(x);
    y.backward();
    return norm.weight.grad().data();
  };
  Array expected = gradient(false, false);
  EXPECT_TRUE(same_bits(gradient(false, true), expected));
  EXPECT_TRUE(same_bits(gradient(true, true), expected));
}

TEST(NormsOfWeights, RefuseWhatDoesNotFit) {
  Net net;
  EXPECT_EQ(error_of([&] { weight_norm(net.fc, "weigth"); }),
            "[parametrize] 'fc' has no parameter 'weigth'");
  EXPECT_EQ(error_of([&] { weight_norm(net.fc, "weight", {.dim = 2}); }),
            "[weight_norm] expected a dim of a parameter of shape (4, 5), got 2");
  EXPECT_EQ(error_of([&] { spectral_norm(net.fc, "weight", {.n_power_iterations = 0}); }),
            "[spectral_norm] expected at least one power iteration, got 0");
  EXPECT_EQ(error_of([&] { spectral_norm(net.fc, "weight", {.eps = 0}); }),
            "[spectral_norm] expected a positive eps, got 0");
  // Nothing of it has happened.
  EXPECT_EQ(state_names(net.fc), (std::vector<std::string>{"fc.weight", "fc.bias"}));
  weight_norm(net.fc);
  EXPECT_EQ(error_of([&] { spectral_norm(net.fc); }),
            "[parametrize] something makes 'fc.weight' already");
}

TEST(Parametrization, ItsParameterIsThereInCallsOnly) {
  Net net;
  weight_norm(net.fc);
  EXPECT_EQ(net.fc.weight.shape(), (Dims{4, 5}));
  EXPECT_EQ(error_of([&] { net.fc.weight.data().to_vector<float>(); }),
            "'fc.weight' is made anew by each call of its module and not gathered here");
  net.fc(Tensor(made_array({2, 5}, 1)));
  EXPECT_FALSE(net.fc.weight.requires_grad());
  EXPECT_TRUE(contains(error_of([&] { sum(net.fc.weight); }), "made anew"));
}

TEST(Parametrization, ItsParameterIsOfTheDtypeOfItsParts) {
  Net net;
  weight_norm(net.fc);
  for (DType dtype : {DType::bf16, DType::f64}) {
    net.to(dtype);
    EXPECT_EQ(net.fc.weight.dtype(), dtype);
    EXPECT_EQ(net.fc(to(Tensor(made_array({2, 5}, 1)), net.fc.weight.dtype())).dtype(), dtype);
    EXPECT_TRUE(contains(error_of([&] { sum(net.fc.weight); }), "made anew"));
  }
}

TEST(Parametrization, RefusesTiedParameters) {
  struct Tied : Module {
    Linear a{this, "a", 3, 3};
    struct B : Module {
      B(Module* parent, const Tensor& w) : Module(parent, "b") { share_parameter("w", w); }
    } b{this, a.weight};
  } net;
  EXPECT_TRUE(
      contains(error_of([&] { weight_norm(net.a); }), "'a.weight' is a parameter of several"));
  EXPECT_TRUE(
      contains(error_of([&] { weight_norm(net.b, "w"); }), "'b.w' is a parameter of several"));
}

TEST(Parametrization, IsRemovedWithItsValue) {
  Net net;
  WeightNorm& norm = weight_norm(net.fc);
  norm.g.data().copy_((norm.g * 2).data());
  Array value = norm.value().data().clone();
  Tensor x(made_array({2, 5}, 1));
  Tensor y = net.fc(x);
  remove_parametrization(net.fc, "weight");
  EXPECT_EQ(state_names(net.fc), (std::vector<std::string>{"fc.bias", "fc.weight"}));
  EXPECT_TRUE(same_bits(net.fc.weight.data(), value));
  EXPECT_TRUE(net.fc.weight.requires_grad());
  EXPECT_TRUE(same_bits(net.fc(x).data(), y.data()));
  EXPECT_EQ(error_of([&] { remove_parametrization(net.fc, "weight"); }),
            "[remove_parametrization] nothing makes 'fc.weight'");
  weight_norm(net.fc);
}

TEST(Parametrization, IsNotRemovedBeforeItHasValues) {
  std::unique_ptr<Net> net;
  {
    const DeferInit defer;
    net = std::make_unique<Net>();
    spectral_norm(net->conv);
  }
  Array u = net->conv.get<SpectralNorm>("parametrizations.weight").u().data();
  Array before = u.clone();
  EXPECT_EQ(error_of([&] { remove_parametrization(net->conv, "weight"); }),
            "[remove_parametrization] 'conv.weight' has no values yet");
  EXPECT_TRUE(same_bits(u, before));
  net->to(Device{});
  remove_parametrization(net->conv, "weight");
  EXPECT_EQ(state_names(net->conv), (std::vector<std::string>{"conv.bias", "conv.weight"}));
}

// As the header shows one.
struct Positive : Parametrization {
  explicit Positive(const Original& original)
      : Parametrization(original), before(add_original("original")) {}
  Tensor value() const override { return softplus(before); }
  Tensor before;
};

TEST(Parametrization, MayBeTheUsersOwn) {
  Net net;
  Positive& positive = parametrize<Positive>(net.fc, "weight");
  Tensor y = net.fc(Tensor(made_array({2, 5}, 1)));
  EXPECT_TRUE(same_bits(
      y.data(), linear(Tensor(made_array({2, 5}, 1)), positive.value(), net.fc.bias).data()));
  sum(y).backward();
  EXPECT_TRUE(positive.before.grad().defined());
}

}  // namespace
}  // namespace tessera::nn
