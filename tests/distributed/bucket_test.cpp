#include "distributed/bucket.h"

#include <gtest/gtest.h>

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
std::vector<Bucket> make_buckets(const nn::Module& module, const optim::Optimizer& optimizer,
                                 int64_t max_bytes) {
  return tessera::make_buckets(module, optimizer, max_bytes, Strategy::ddp, alone());
}
Array take_gradients(const Bucket& bucket) { return tessera::take_gradients(bucket, alone()); }

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
    EXPECT_EQ(segment.begin % kChunkElements, 0);
    EXPECT_EQ(segment.end - segment.begin, module.params[i].numel());
    EXPECT_TRUE(same_bits(module.params[i].data(), before[i]));
    // Writing to either is seen by the other.
    EXPECT_EQ(module.params[i].data().raw(), bucket.params.data<float>() + segment.begin);
    bucket.params.slice(0, segment.begin, segment.end).fill_(7);
    EXPECT_EQ(doubles(module.params[i].data())[0], 7);
    EXPECT_TRUE(module.params[i].requires_grad() && module.params[i].is_leaf());
  }
  // Handles that others hold, a state_dict's too, see the buffer.
  EXPECT_EQ(module.state_dict()[1].second.raw(), bucket.params.data<float>() + 256);
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
  EXPECT_EQ(cut(kLarge), (Names{{"a", "b", "c", "d", "e", "f"}}));
  EXPECT_EQ(cut(1), (Names{{"a"}, {"b"}, {"c"}, {"d"}, {"e"}, {"f"}}));
  EXPECT_EQ(cut(2048), (Names{{"a", "b"}, {"c"}, {"d"}, {"e"}, {"f"}}));
  EXPECT_EQ(cut(2047), (Names{{"a"}, {"b"}, {"c"}, {"d"}, {"e"}, {"f"}}));
  EXPECT_EQ(cut(4096), (Names{{"a", "b", "c"}, {"d"}, {"e"}, {"f"}}));
}

TEST(Buckets, KeepTheModulesOrderAndTheGroupsSettings) {
  Free module({{1}, {2}, {3}});
  auto optimizer = adamw({{{module.params[2], module.params[0]}, 0.5}, {{module.params[1]}, 0}});
  Bucket bucket = make_buckets(module, optimizer, kLarge)[0];
  ASSERT_EQ(bucket.segments.size(), 3U);
  std::vector<double> decays{0.5, 0, 0.5};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(bucket.segments[i].name, std::string(1, static_cast<char>('a' + i)));
    EXPECT_EQ(bucket.segments[i].weight_decay, decays[i]);
  }
}

TEST(Buckets, LeaveFrozenParametersOut) {
  Free module({{1}, {2}, {3}});
  module.params[1].set_requires_grad(false);
  const void* data = module.params[1].data().raw();
  auto optimizer = adamw({{{module.params[0], module.params[2]}}});
  std::vector<Bucket> buckets = make_buckets(module, optimizer, kLarge);
  EXPECT_EQ(names(buckets), (std::vector<std::vector<std::string>>{{"a", "c"}}));
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
  EXPECT_TRUE(same_bits(flat.slice(0, 0, 12).view({4, 3}), grad_a));
  EXPECT_TRUE(same_bits(flat.slice(0, 256, 556), grad_b));
  for (const Tensor& param : module.params) EXPECT_FALSE(param.grad().defined());
}

TEST(TakeGradients, NamesAParameterWithoutOne) {
  Free module({{4}, {5}});
  auto optimizer = adamw({{module.params}});
  Bucket bucket = make_buckets(module, optimizer, kLarge)[0];
  module.params[0].set_grad(Tensor(Array::zeros({4})));
  EXPECT_EQ(error_of([&] { take_gradients(bucket); }),
            "parameter 'b' got no gradient: it takes no part in the loss of this leaf");
}

TEST(Buckets, BackwardFillsThemAgain) {
  Free module({{4}, {5}});
  auto optimizer = adamw({{module.params}});
  Bucket bucket = make_buckets(module, optimizer, kLarge)[0];
  for (int step = 0; step < 2; ++step) {
    (sum(module.params[0] * 2.0) + sum(module.params[1])).backward();
    std::vector<double> flat = doubles(take_gradients(bucket));
    EXPECT_EQ(flat[3], 2);
    EXPECT_EQ(flat[4], 0);
    EXPECT_EQ(flat[256], 1);
  }
}

TEST(Bucket, KeepsStateOfItsShardAlone) {
  run_ranks(3, [&](Communicator& comm) {
    Free module({{300, 7}, {7}});
    auto optimizer = adamw({{module.params}});
    for (Strategy strategy : {Strategy::ddp, Strategy::zero1, Strategy::zero2}) {
      Bucket bucket = tessera::make_buckets(module, optimizer, kLarge, strategy, comm)[0];
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
