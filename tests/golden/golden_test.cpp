// Every case of tests/golden/*.safetensors against PyTorch's values and gradients.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "tests/golden/ops/ops.h"
#include "tests/support/error_of.h"

namespace tessera::test {
namespace {

const GoldenOps& golden_ops() {
  static const GoldenOps ops = [] {
    GoldenOps out;
    add_elementwise_ops(out);
    add_index_ops(out);
    add_linalg_ops(out);
    add_network_ops(out);
    add_reduce_ops(out);
    add_shape_ops(out);
    return out;
  }();
  return ops;
}

// Operations that Tessera lacks, or has only in part. An entry whose cases all pass is a failure,
// so that the list only ever shrinks.
const std::set<std::string> kNotYet{};

// Where Tessera means to differ, by the start of the case's name; docs/differences.md says why. An
// entry without a case that differs is a failure.
const std::vector<std::string> kDifferences{};

std::vector<std::string> files() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(TESSERA_GOLDEN_DIR)) {
    if (entry.path().extension() == ".safetensors") out.push_back(entry.path().stem().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string path_of(const std::string& family) {
  return std::string(TESSERA_GOLDEN_DIR) + "/" + family + ".safetensors";
}

bool differs_on_purpose(const std::string& name) {
  return std::any_of(kDifferences.begin(), kDifferences.end(),
                     [&](const std::string& start) { return name.starts_with(start); });
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, ValuesAndGradientsAreThoseOfPyTorch) {
  GoldenFile file = read_golden(path_of(GetParam()));
  ASSERT_FALSE(file.cases.empty());
  for (const GoldenCase& golden : file.cases) {
    if (kNotYet.contains(golden.op) || differs_on_purpose(golden.name)) continue;
    auto op = golden_ops().find(golden.op);
    if (op == golden_ops().end()) {
      ADD_FAILURE() << golden.name << ": no operation " << golden.op << " in tests/golden/ops";
      continue;
    }
    std::string fault = golden_fault(file, golden, op->second);
    EXPECT_EQ(fault, "") << golden.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Golden, testing::ValuesIn(files()),
                         [](const auto& info) { return info.param; });

TEST(GoldenFiles, HoldAtLeast1500Cases) {
  size_t count = 0;
  for (const std::string& family : files()) count += read_golden(path_of(family)).cases.size();
  EXPECT_GE(count, 1'500u);
}

TEST(GoldenFiles, ExceptionsAreStillNeeded) {
  std::set<std::string> wrong_ops;
  std::set<std::string> same(kDifferences.begin(), kDifferences.end());
  for (const std::string& family : files()) {
    GoldenFile file = read_golden(path_of(family));
    for (const GoldenCase& golden : file.cases) {
      bool listed = kNotYet.contains(golden.op);
      if (!listed && !differs_on_purpose(golden.name)) continue;
      auto op = golden_ops().find(golden.op);
      if (op != golden_ops().end() && golden_fault(file, golden, op->second).empty()) continue;
      if (listed) wrong_ops.insert(golden.op);
      std::erase_if(same, [&](const std::string& start) { return golden.name.starts_with(start); });
    }
  }
  EXPECT_EQ(wrong_ops, kNotYet) << "operations of kNotYet that pass all their cases";
  EXPECT_EQ(same, std::set<std::string>()) << "entries of kDifferences without a difference";
}

TEST(GoldenFiles, AWrongValueDtypeShapeOrGradientIsFound) {
  GoldenFile file = read_golden(path_of("unary"));
  auto golden = std::find_if(file.cases.begin(), file.cases.end(),
                             [](const GoldenCase& one) { return one.name == "exp.f32"; });
  ASSERT_NE(golden, file.cases.end());
  auto fault = [&](const std::function<Tensor(const Tensor&)>& fn) {
    return golden_fault(file, *golden,
                        [&](const GoldenArgs& a) { return std::vector<Tensor>{fn(a.tensor(0))}; });
  };
  EXPECT_EQ(fault([](const Tensor& x) { return exp(x); }), "");
  EXPECT_TRUE(contains(fault([](const Tensor& x) { return exp(x) * 1.001; }), "result 0: element"));
  EXPECT_TRUE(contains(fault([](const Tensor& x) { return to(exp(x), DType::f64); }),
                       "result 0: expected (2, 3) of f32, got (2, 3) of f64"));
  EXPECT_TRUE(contains(fault([](const Tensor& x) { return unsqueeze(exp(x), 0); }),
                       "got (1, 2, 3) of f32"));
  EXPECT_TRUE(contains(fault([](const Tensor& x) { return exp(x.detach()); }), "has no gradient"));
  EXPECT_TRUE(contains(fault([](const Tensor& x) { return exp(x.detach()) + x - x; }),
                       "gradient 0: element"));
  EXPECT_TRUE(contains(fault([](const Tensor&) -> Tensor { throw_error("[op] no"); }), "[op] no"));
}

}  // namespace
}  // namespace tessera::test
