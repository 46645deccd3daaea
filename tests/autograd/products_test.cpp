// The products of a small GPT: the same bits for any number of threads.
#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "tests/support/arrays.h"

namespace tessera {
namespace {

using test::kThreadCounts;
using test::random_array;
using test::same_bits;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int64_t kTokens = 2080;  // still cut as 3,072 are
#else
constexpr int64_t kTokens = 3072;
#endif

struct Layer {
  int64_t in, out;
};

class ProductsTest : public testing::TestWithParam<Layer> {};

TEST_P(ProductsTest, BitsDoNotDependOnTheNumberOfThreads) {
  const auto [in, out] = GetParam();
  Array x_data = random_array({kTokens, in}, DType::f32, 1);
  Array w_data = random_array({out, in}, DType::f32, 2);
  Array b_data = random_array({out}, DType::f32, 3);
  Tensor dy(random_array({kTokens, out}, DType::f32, 4));
  std::vector<Array> expected;
  for (int threads : kThreadCounts) {
    test::Threads guard(threads);
    Tensor x(x_data, true);
    Tensor w(w_data, true);
    Tensor b(b_data, true);
    Tensor y = linear(x, w, b);
    y.backward(dy);
    std::vector<Array> got{y.data(), x.grad().data(), w.grad().data(), b.grad().data()};
    if (expected.empty()) expected = got;
    const char* names[] = {"y", "dx", "dw", "db"};
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_TRUE(same_bits(got[i], expected[i])) << names[i] << ", " << threads << " threads";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(GptChar, ProductsTest,
                         testing::Values(Layer{384, 1152}, Layer{384, 384}, Layer{384, 1536},
                                         Layer{1536, 384}, Layer{384, 256}),
                         [](const auto& info) {
                           return fmt::format("{}x{}", info.param.in, info.param.out);
                         });

}  // namespace
}  // namespace tessera
