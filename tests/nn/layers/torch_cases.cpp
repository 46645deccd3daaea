#include "tests/nn/layers/torch_cases.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "autograd/ops.h"
#include "core/io/safetensors.h"
#include "tests/support/arrays.h"
#include "tests/support/made_values.h"

namespace tessera::test {
namespace {

using Golden = std::map<std::string, Array>;

void expect_as_in_torch(const LayerCase& given, const Golden& golden) {
  auto close = [&](const std::vector<double>& x, const std::string& key, double tolerance) {
    auto found = golden.find(given.name + "." + key);
    ASSERT_NE(found, golden.end()) << given.name << ' ' << key;
    EXPECT_TRUE(close_to(x, doubles(found->second), tolerance, tolerance))
        << given.name << ' ' << key;
  };
  std::vector<Tensor> x;
  for (size_t i = 0; i < given.inputs.size(); ++i) {
    x.emplace_back(made_array(given.inputs[i], 100 + i, 2), true);
  }
  nn::Module root;
  given.call(root, x);  // makes the layer
  fill_with_made_values(root);
  std::vector<Tensor> y = given.call(root, x);
  Tensor total;
  for (size_t i = 0; i < y.size(); ++i) {
    close(doubles(y[i].data()), fmt::format("y{}", i), 2e-5);
    Tensor part = sum(y[i] * Tensor(made_array(y[i].shape(), 200 + i)));
    total = total.defined() ? total + part : part;
  }
  total.backward();
  for (size_t i = 0; i < x.size(); ++i) {
    close(doubles(x[i].grad().data()), fmt::format("dx{}", i), 2e-5);
  }
  nn::NamedTensors named = root.named_parameters();
  std::sort(named.begin(), named.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<double> dw;
  for (size_t k = 0; k < named.size(); ++k) {
    const Tensor& p = named[k].second;
    ASSERT_TRUE(p.grad().defined()) << given.name << ' ' << named[k].first;
    dw.push_back(sum(p.grad() * Tensor(made_array(p.shape(), 300 + k))).item<double>());
  }
  close(dw, "dw", 5e-5);
}

}  // namespace

void expect_as_in_torch(const std::string& file, const std::vector<LayerCase>& cases) {
  Golden golden;
  std::set<std::string> unused;
  for (auto& [name, array] : load_safetensors(TESSERA_GOLDEN_DIR "/nn/" + file).tensors) {
    golden.emplace(name, array);
    unused.insert(name.substr(0, name.rfind('.')));
  }
  for (const LayerCase& each : cases) {
    expect_as_in_torch(each, golden);
    unused.erase(each.name);
  }
  for (const std::string& name : unused) ADD_FAILURE() << "nothing for " << name;
}

}  // namespace tessera::test
