// Which experts tokens meet does not depend on where their leaves are.
#include <gtest/gtest.h>

#include <map>
#include <mutex>

#include "autograd/context.h"
#include "nn/models/moe.h"
#include "tests/distributed/outcome.h"

namespace tessera {
namespace {

constexpr int64_t kExperts = 4;
constexpr int64_t kTopK = 2;
constexpr int64_t kLayers = 2;
constexpr int64_t kLeaves = 5;
constexpr int64_t kTokens = 16;  // of a leaf
constexpr int kSteps = 4;

struct MoeTask : test::Task {
  nn::MoeModel model{{.llama = {.layers = kLayers,
                                .heads = 2,
                                .width = 8,
                                .hidden = 6,
                                .context = 8,
                                .vocabulary = 32,
                                .init_std = 0.5},
                      .experts = kExperts,
                      .top_k = kTopK}};
  nn::Module& module() override { return model; }
  nn::Loss loss(Leaf leaf) override {
    std::vector<int64_t> x;
    std::vector<int64_t> y;
    for (int64_t i = 0; i < kTokens; ++i) {
      x.push_back((leaf.step * 7 + leaf.index * 13 + i * i) % 32);
      y.push_back((x.back() * 5 + 1) % 32);
    }
    return model.loss({.tokens = Array::from(x, {2, 8}), .targets = Array::from(y, {2, 8})});
  }
};

// By (step, leaf, layer): how many tokens chose each expert, and the sums of their chances.
using Routes = std::map<std::array<int64_t, 3>, std::vector<float>>;

Routes routes_of(int ranks, Strategy strategy, bool recompute) {
  Routes routes;
  std::mutex mutex;
  test::run_ranks(ranks, [&](Communicator& comm) {
    manual_seed(7);
    MoeTask task;
    Leaf now;
    for (int64_t layer = 0; layer < kLayers; ++layer) {
      auto note = [&, layer](const nn::Module&, const std::vector<Tensor>&,
                             std::vector<Tensor>& outputs) {
        std::vector<float> route = outputs[1].data().to_vector<float>();
        for (float chance : outputs[2].data().to_vector<float>()) route.push_back(chance);
        std::lock_guard lock(mutex);
        auto [known, is_new] = routes.emplace(std::array{now.step, now.index, layer}, route);
        EXPECT_EQ(known->second, route) << "made again for backward";
      };
      task.model.get<nn::Moe>(fmt::format("model.layers.{}.mlp", layer))
          .register_forward_hook(note);
    }
    auto optimizer = test::adamw_of(task.model);
    Mesh mesh(comm, test::shape_of(strategy, ranks));
    TrainStep step(task.model, optimizer, mesh,
                   {.leaves = kLeaves, .strategy = strategy, .recompute = recompute});
    for (int i = 0; i < kSteps; ++i) {
      step.run(0.05, [&](Leaf leaf) {
        now = leaf;
        return task.loss(leaf);
      });
    }
  });
  return routes;
}

TEST(Routing, IsTheSameForAnyNumberOfRanks) {
  Routes alone = routes_of(1, Strategy::ddp, false);
  EXPECT_EQ(alone.size(), static_cast<size_t>(kSteps * kLeaves * kLayers));
  size_t uneven = 0;
  for (const auto& [place, route] : alone) {
    float chosen = 0;
    for (size_t e = 0; e < kExperts; ++e) {
      chosen += route[e];
      uneven += route[e] > kTokens * kTopK / kExperts ? 1 : 0;
      // No token meets an expert twice.
      EXPECT_LE(route[e], kTokens);
    }
    EXPECT_EQ(chosen, kTokens * kTopK) << "none is dropped";
  }
  EXPECT_GT(uneven, 0U) << "the test means experts to be crowded";
  for (int ranks : {2, 3, 4}) {
    EXPECT_EQ(routes_of(ranks, Strategy::ddp, false), alone) << ranks;
    EXPECT_EQ(routes_of(ranks, Strategy::zero3, true), alone) << ranks;
  }
}

}  // namespace
}  // namespace tessera
