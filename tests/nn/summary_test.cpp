#include "nn/summary.h"

#include <gtest/gtest.h>

#include "autograd/context.h"
#include "nn/layers.h"
#include "nn/models/gpt.h"
#include "tests/support/arrays.h"

namespace tessera::nn {
namespace {

using test::same_bits;

TEST(Summary, HasARowForEachModuleWithWhatItMakes) {
  Gpt gpt({.layers = 2, .heads = 2, .width = 8, .context = 4, .vocabulary = 5, .dropout = 0.5});
  Array before = gpt.named_parameters()[0].second.data().clone();
  context().random.begin(1, 0, 0);
  Summary summary = gpt.summary(data::Batch{.tokens = Array::zeros({3, 4}, DType::i64)});
  ASSERT_EQ(summary.rows.size(), gpt.modules().size());
  const SummaryRow& total = summary.total();
  EXPECT_EQ(total.output, "(3, 4, 5)");
  EXPECT_EQ(total.parameters, gpt.num_parameters());
  EXPECT_EQ(total.bytes, 4 * gpt.num_parameters());
  for (const SummaryRow& row : summary.rows) {
    if (row.path == "blocks.1.c_fc") {
      EXPECT_EQ(row.type, "Linear");
      EXPECT_EQ(row.output, "(3, 4, 32)");
      EXPECT_EQ(row.calls, 1);
      EXPECT_EQ(row.parameters, 8 * 32 + 32);
      EXPECT_EQ(row.flops, 2.0 * 12 * 8 * 32);
      EXPECT_EQ(row.depth, 3U);
    }
    EXPECT_LE(row.flops, total.flops);
  }
  // All is as it was, and nothing was drawn.
  EXPECT_TRUE(same_bits(gpt.named_parameters()[0].second.data(), before));
  Dropout dropout(nullptr, "", 0.5);
  Array x = Array::full({64}, 1);
  context().random.begin(1, 0, 0);
  Array drawn = dropout(x).data();
  context().random.begin(1, 0, 0);
  dropout.summary(Tensor(x));
  EXPECT_TRUE(same_bits(dropout(x).data(), drawn));
}

TEST(Summary, IsATable) {
  Sequential net(nullptr, "");
  net.add<Linear>(784, 128).add<Relu>().add<Linear>(128, 10);
  EXPECT_EQ(net.summary(Tensor(Array::zeros({32, 784}))).text(),
            "module   type        output     parameters    bytes      FLOPs\n"
            "(model)  Sequential  (32, 10)      101,770  407,080  6,504,448\n"
            "  0      Linear      (32, 128)     100,480  401,920  6,422,528\n"
            "  1      Relu        (32, 128)           0        0          0\n"
            "  2      Linear      (32, 10)        1,290    5,160     81,920\n");
}

}  // namespace
}  // namespace tessera::nn
