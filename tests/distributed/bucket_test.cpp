#include "distributed/bucket.h"

#include <gtest/gtest.h>

#include "autograd/context.h"
#include "autograd/ops.h"
#include "nn/optim/adamw.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"
#include "tests/support/ranks.h"

namespace tessera {
namespace {

using test::doubles;
using test::error_of;
using test::random_array;
using test::run_ranks;
using test::same_bits;

Communicator& alone() {
  static const auto comm = make_self_communicator();
  return *comm;
}
// A strategy on one rank.
struct Alone {
  Mesh mesh{alone()};
  ShardGrid grid{mesh, Strategy::ddp};
};
std::vector<Bucket> make_buckets(const nn::Module& module, const optim::Optimizer& optimizer,
                                 int64_t max_bytes) {
  return tessera::make_buckets(module, optimizer, {max_bytes, {}}, Alone().grid);
}
Array take_gradients(const Bucket& bucket) {
  std::vector<bool> got(bucket.segments.size());
  return tessera::take_gradients(bucket, alone(), got);
}

constexpr int64_t kLarge = 1 << 20;

// Parameters "a", "b", ... of these shapes.
struct Free : nn::Module {
  explicit Free(const std::vector<Dims>& shapes) {
    for (const Dims& shape : shapes) {
      std::string name(1, static_cast<char>('a' + params.size()));
      params.push_back(add_parameter(name, shape, nn::Init::normal(1)));
    }
  }
  std::vector<Tensor> params;
};

optim::AdamW adamw(std::vector<optim::ParamGroup> groups) { return {std::move(groups), {}}; }

std::vector<std::vector<std::string>> names(const std::vector<Bucket>& buckets) {
  std::vector<std::vector<std::string>> out;
  for (const Bucket& bucket : buckets) {
    out.emplace_back();
    for (const Segment& segment : bucket.segments) out.back().push_back(segment.name);
  }
  return out;
}

// The elements of a buffer of the bucket's layout that belong to no segment.
std::vector<double> padding(const Bucket& bucket, const Array& flat) {
  std::vector<double> all = doubles(flat);
  std::vector<double> out;
  int64_t from = 0;
  auto take = [&](int64_t begin, int64_t end) {
    out.insert(out.end(), all.begin() + begin, all.begin() + end);
  };
  for (const Segment& segment : bucket.segments) {
    take(from, segment.begin);
    from = segment.end;
  }
  take(from, bucket.numel);
  return out;
}

TEST(Buckets, HoldParametersAsViews) {
  Free module({{10, 3}, {256}, {}, {257}});
  std::vector<Array> before;
  for (const Tensor& param : module.params) before.push_back(param.data().clone());
  auto optimizer = adamw({{module.params}});
  std::vector<Bucket> buckets = make_buckets(module, optimizer, kLarge);
  ASSERT_EQ(buckets.size(), 1U);
  const Bucket& bucket = buckets[0];
  EXPECT_EQ(bucket.numel, 256 + 256 + 256 + 512);
  EXPECT_EQ(bucket.params.shape(), (Dims{bucket.numel}));
  ASSERT_EQ(bucket.segments.size(), 4U);
  for (size_t i = 0; i < 4; ++i) {
    const Segment& segment = bucket.segments[i];
    EXPECT_EQ(segment.index, 3 - i) << "backward fills the last one first";
    const Tensor& param = module.params[segment.index];
    EXPECT_EQ(segment.begin % kChunkElements, 0);
    EXPECT_EQ(segment.end - segment.begin, param.numel());
    EXPECT_TRUE(same_bits(param.data(), before[segment.index]));
    // Writing to either is seen by the other.
    EXPECT_EQ(param.data().raw(), bucket.params.data<float>() + segment.begin);
    bucket.params.slice(0, segment.begin, segment.end).fill_(7);
    EXPECT_EQ(doubles(param.data())[0], 7);
    EXPECT_TRUE(param.requires_grad() && param.is_leaf());
  }
  // Handles that others hold, a state_dict's too, see the buffer.
  EXPECT_EQ(module.state_dict()[2].second.raw(), bucket.params.data<float>() + 512);
}

TEST(Buckets, AreZeroBetweenSegments) {
  Free module({{10}, {300}});
  auto optimizer = adamw({{module.params}});
  Bucket bucket = make_buckets(module, optimizer, kLarge)[0];
  std::vector<double> zeros(246 + 212);
  EXPECT_EQ(padding(bucket, bucket.params), zeros);
  ASSERT_EQ(bucket.state.size(), 2U);
  for (const Array& state : bucket.state) {
    EXPECT_EQ(doubles(state), std::vector<double>(static_cast<size_t>(bucket.numel)));
  }
  for (const Tensor& param : module.params) param.set_grad(Tensor(random_array(param.shape())));
  EXPECT_EQ(padding(bucket, take_gradients(bucket)), zeros);
}

TEST(Buckets, AreCutBySize) {
  // One chunk of f32 is 1,024 bytes.
  std::vector<Dims> shapes{{256}, {100}, {512}, {1}, {2000}, {3}};
  using Names = std::vector<std::vector<std::string>>;
  auto cut = [&](int64_t max_bytes) {
    Free module(shapes);
    auto optimizer = adamw({{module.params}});
    std::vector<Bucket> buckets = make_buckets(module, optimizer, max_bytes);
    for (const Bucket& bucket : buckets) {
      EXPECT_EQ(bucket.numel % kChunkElements, 0);
      EXPECT_TRUE(bucket.segments.size() == 1 || bucket.numel * 4 <= max_bytes);
    }
    return names(buckets);
  };
  EXPECT_EQ(cut(kLarge), (Names{{"f", "e", "d", "c", "b", "a"}}));
  EXPECT_EQ(cut(1), (Names{{"f"}, {"e"}, {"d"}, {"c"}, {"b"}, {"a"}}));
  EXPECT_EQ(cut(2048), (Names{{"f"}, {"e"}, {"d"}, {"c"}, {"b", "a"}}));
  EXPECT_EQ(cut(2047), (Names{{"f"}, {"e"}, {"d"}, {"c"}, {"b"}, {"a"}}));
  EXPECT_EQ(cut(4096), (Names{{"f"}, {"e"}, {"d", "c", "b"}, {"a"}}));
}

// So that its reduction starts early.
TEST(Buckets, BeginWithASmallOne) {
  constexpr int64_t kMiB = (1 << 20) / 4;  // in elements
  Free module({{kMiB}, {kMiB}, {kMiB / 2}, {kMiB / 2}});
  auto optimizer = adamw({{module.params}});
  EXPECT_EQ(names(make_buckets(module, optimizer, 100 << 20)),
            (std::vector<std::vector<std::string>>{{"d", "c"}, {"b", "a"}}));
}

struct Blocks : nn::Module {
  struct Block : nn::Module {
    Block(nn::Module* parent, std::string name) : Module(parent, std::move(name)) {
      a = add_parameter("a", {4}, nn::Init::normal(1));
      b = add_parameter("b", {700}, nn::Init::normal(1));
      make_block();
    }
    Tensor a, b;
  };
  // Tied weights: as if this module used a parameter of a block.
  struct Tied : nn::Module {
    Tied(nn::Module* parent, const Tensor& shared) : Module(parent, "tied") {
      share_parameter("weight", shared);
    }
  };
  Tensor own = add_parameter("own", {3}, nn::Init::normal(1));
  Block first{this, "first"};
  Block second{this, "second"};
  Tied tied{this, second.b};
};

TEST(Buckets, HoldParametersOfOneBlock) {
  Blocks module;
  auto optimizer = adamw({{module.parameters()}});
  std::vector<Bucket> buckets = make_buckets(module, optimizer, kLarge);
  // What second and tied share is the root's.
  EXPECT_EQ(names(buckets), (std::vector<std::vector<std::string>>{
                                {"second.a"}, {"first.b", "first.a"}, {"second.b", "own"}}));
  EXPECT_EQ(buckets[0].block, 1);
  EXPECT_EQ(buckets[1].block, 0);
  EXPECT_EQ(buckets[2].block, Bucket::kRoot);
}

TEST(Buckets, OfBlocksAreShardedWhereTheseAreGathered) {
  run_ranks(3, [&](Communicator& comm) {
    for (bool deferred : {false, true}) {
      manual_seed(5);
      Blocks whole;
      manual_seed(5);
      std::optional<nn::DeferInit> defer;
      if (deferred) defer.emplace();
      Blocks module;
      defer.reset();
      module.first.a.set_requires_grad(false);
      std::vector<Tensor> trained;
      for (const Tensor& param : module.parameters()) {
        if (param.requires_grad()) trained.push_back(param);
      }
      auto optimizer = adamw({{trained}});
      Mesh mesh(comm);
      ShardGrid grid(mesh, Strategy::zero3);
      std::vector<Bucket> buckets = tessera::make_buckets(module, optimizer, {kLarge, {}}, grid);
      ASSERT_EQ(names(buckets), (std::vector<std::vector<std::string>>{
                                    {"second.a"}, {"first.b"}, {"first.a"}, {"second.b", "own"}}));
      EXPECT_FALSE(buckets[2].trained);
      EXPECT_TRUE(buckets[2].state.empty());
      EXPECT_FALSE(buckets[3].sharded);
      EXPECT_TRUE(same_bits(module.own.data(), whole.own.data()));
      const Bucket& sharded = buckets[1];
      EXPECT_TRUE(sharded.sharded);
      EXPECT_EQ(error_of([&] { doubles(module.first.b.data()); }),
                "the parameters of block 'first' are not gathered here");
      int64_t end = std::min<int64_t>(sharded.own.end, 700);
      EXPECT_TRUE(same_bits(slice_of(sharded.own_params, {0, end - sharded.own.begin}),
                            slice_of(whole.first.b.data(), {sharded.own.begin, end})));
    }
  });
}

// On one rank too, where nothing would be sharded: what is refused does not depend on the ranks.
TEST(Buckets, RefuseToGatherBlocksThatAreNone) {
  for (int world : {1, 2}) {
    run_ranks(world, [&](Communicator& comm) {
      Free module(std::vector<Dims>{{4}});
      auto optimizer = adamw({{module.params}});
      Mesh mesh(comm);
      ShardGrid grid(mesh, Strategy::zero3);
      EXPECT_EQ(
          error_of([&] {
            tessera::make_buckets(module, optimizer, {kLarge, {}}, grid);
          }),
          "zero3: the model has no blocks whose parameters could be sharded; Module::make_block() "
          "says what they are");
    });
  }
}

TEST(Buckets, KeepMastersOfNarrowParameters) {
  manual_seed(3);
  Free module(std::vector<Dims>{{300}});
  Array before = module.params[0].data().clone();
  auto optimizer = adamw({{module.params}});
  Bucket bucket = tessera::make_buckets(module, optimizer, {kLarge, DType::bf16}, Alone().grid)[0];
  EXPECT_EQ(module.params[0].dtype(), DType::bf16);
  EXPECT_TRUE(same_bits(module.params[0].data(), before.to(DType::bf16)));
  EXPECT_TRUE(same_bits(slice_of(bucket.master, {0, 300}), before));
  EXPECT_EQ(bucket.state[0].dtype(), DType::f32);
  module.params[0].set_grad(Tensor(Array::full({300}, 0.5, DType::bf16)));
  EXPECT_EQ(take_gradients(bucket).dtype(), DType::f32);
}

TEST(Buckets, KeepTheGroupsSettings) {
  Free module({{1}, {2}, {3}});
  auto optimizer = adamw({{{module.params[2], module.params[0]}, 0.5}, {{module.params[1]}, 0}});
  Bucket bucket = make_buckets(module, optimizer, kLarge)[0];
  ASSERT_EQ(bucket.segments.size(), 3U);
  std::vector<double> decays{0.5, 0, 0.5};
  for (const Segment& segment : bucket.segments) {
    EXPECT_EQ(segment.name, std::string(1, static_cast<char>('a' + segment.index)));
    EXPECT_EQ(segment.weight_decay, decays[segment.index]);
  }
}

TEST(Buckets, LeaveFrozenParametersOut) {
  Free module({{1}, {2}, {3}});
  module.params[1].set_requires_grad(false);
  const void* data = module.params[1].data().raw();
  auto optimizer = adamw({{{module.params[0], module.params[2]}}});
  std::vector<Bucket> buckets = make_buckets(module, optimizer, kLarge);
  EXPECT_EQ(names(buckets), (std::vector<std::vector<std::string>>{{"c", "a"}}));
  EXPECT_EQ(module.params[1].data().raw(), data);
}

TEST(Buckets, RefuseAnOptimizerOfOtherParameters) {
  Free module({{1}, {2}});
  auto without_b = adamw({{{module.params[0]}}});
  EXPECT_EQ(error_of([&] { make_buckets(module, without_b, kLarge); }),
            "[make_buckets] 'b' requires a gradient and is in no group of the optimizer");
  std::vector<Tensor> more = module.params;
  more.emplace_back(Array::zeros({3}), true);
  auto with_more = adamw({{more}});
  EXPECT_EQ(error_of([&] { make_buckets(module, with_more, kLarge); }),
            "[make_buckets] the optimizer has a parameter that is not the module's");
}

TEST(TakeGradients, MovesThemOut) {
  Free module({{4, 3}, {300}});
  auto optimizer = adamw({{module.params}});
  Bucket bucket = make_buckets(module, optimizer, kLarge)[0];
  Array grad_a = random_array({3, 4}).transpose(0, 1);
  Array grad_b = random_array({300}, DType::f32, 2);
  module.params[0].set_grad(Tensor(grad_a));
  module.params[1].set_grad(Tensor(grad_b));
  Array flat = take_gradients(bucket);
  EXPECT_EQ(flat.shape(), (Dims{bucket.numel}));
  EXPECT_TRUE(same_bits(flat.slice(0, 512, 524).view({4, 3}), grad_a));
  EXPECT_TRUE(same_bits(flat.slice(0, 0, 300), grad_b));
  for (const Tensor& param : module.params) EXPECT_FALSE(param.grad().defined());
}

TEST(TakeGradients, CountsAParameterWithoutOneAsZero) {
  Free module({{4}, {5}});
  auto optimizer = adamw({{module.params}});
  Bucket bucket = make_buckets(module, optimizer, kLarge)[0];
  module.params[0].set_grad(Tensor(Array::full({4}, 3)));
  std::vector<bool> got(2);
  std::vector<double> flat = doubles(tessera::take_gradients(bucket, alone(), got));
  EXPECT_EQ(got, (std::vector<bool>{true, false}));
  std::vector<double> expected(512);
  std::fill_n(expected.begin() + 256, 4, 3);
  EXPECT_EQ(flat, expected);
}

TEST(Buckets, BackwardFillsThemAgain) {
  Free module({{4}, {5}});
  auto optimizer = adamw({{module.params}});
  Bucket bucket = make_buckets(module, optimizer, kLarge)[0];
  for (int step = 0; step < 2; ++step) {
    (sum(module.params[0] * 2.0) + sum(module.params[1])).backward();
    std::vector<double> flat = doubles(take_gradients(bucket));
    EXPECT_EQ(flat[4], 1);
    EXPECT_EQ(flat[5], 0);
    EXPECT_EQ(flat[256], 2);
  }
}

TEST(Bucket, KeepsStateOfItsShardAlone) {
  run_ranks(3, [&](Communicator& comm) {
    Free module({{300, 7}, {7}});
    auto optimizer = adamw({{module.params}});
    for (Strategy strategy : {Strategy::ddp, Strategy::zero1, Strategy::zero2}) {
      Mesh mesh(comm);
      ShardGrid grid(mesh, strategy);
      Bucket bucket = tessera::make_buckets(module, optimizer, {kLarge, {}}, grid)[0];
      EXPECT_EQ(bucket.numel, 2560);
      bool whole = strategy == Strategy::ddp;
      auto shard = shards_of(2560, 3)[static_cast<size_t>(comm.rank())];
      EXPECT_EQ(bucket.own.begin, whole ? 0 : shard.begin);
      EXPECT_EQ(bucket.own.end, whole ? 2560 : shard.end);
      for (const Array& state : bucket.state) EXPECT_EQ(state.shape(), (Dims{bucket.own.size()}));
    }
  });
}

}  // namespace
}  // namespace tessera
