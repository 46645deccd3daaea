#include "distributed/train_state.h"

#include <algorithm>
#include <unordered_set>

namespace tessera {
namespace {

Run intersection(Run a, Run b) {
  Run both{std::max(a.begin, b.begin), std::min(a.end, b.end)};
  return both.begin < both.end ? both : Run{both.begin, both.begin};
}

Run moved(Run run, int64_t by) { return {run.begin + by, run.end + by}; }

class Collector {
 public:
  Collector(const optim::Optimizer& optimizer, const ShardGrid& grid)
      : state_names_(optimizer.state_names()), grid_(grid) {}

  void add(const Bucket& bucket) {
    // Those who own the same elements, and which of them this rank writes.
    const Levels& alike = &grid_.owners() == &grid_.replicas() ? grid_.shards() : grid_.replicas();
    Run written = moved(alike.own_shard(bucket.own.size()), bucket.own.begin);
    for (const Segment& segment : bucket.segments) {
      add_segment(bucket, segment, written, segment.name, bucket.master);
      for (size_t i = 0; i < bucket.state.size(); ++i) {
        add_segment(bucket, segment, written, state_name(state_names_[i], segment.name),
                    bucket.state[i]);
      }
    }
  }

  // What every rank has whole.
  void add_replicated(const std::string& name, const Array& data) {
    Run whole{0, data.numel()};
    const Communicator& all = grid_.data();
    Run written = shard_of(whole.size(), all.rank(), all.size());
    out_.push_back({name, data.shape(), whole, data.view({whole.size()}), written});
  }

  std::vector<HeldTensor> take() { return std::move(out_); }

 private:
  // `own` has the elements bucket.own of something laid out as the bucket.
  void add_segment(const Bucket& bucket, const Segment& segment, Run written,
                   const std::string& name, const Array& own) {
    Run place{segment.begin, segment.end};
    Run held = intersection(place, bucket.own);
    if (place.size() == 0)
      return add_replicated(name, part(own, {}).view(segment.parameter.shape()));
    if (held.size() == 0) return;
    out_.push_back({name, segment.parameter.shape(), moved(held, -segment.begin),
                    part(own, moved(held, -bucket.own.begin)),
                    moved(intersection(held, written), -segment.begin)});
  }

  std::vector<std::string> state_names_;
  const ShardGrid& grid_;
  std::vector<HeldTensor> out_;
};

}  // namespace

std::vector<HeldTensor> held_state(const nn::Module& module, const optim::Optimizer& optimizer,
                                   const std::vector<Bucket>& buckets, const ShardGrid& grid) {
  Collector collector(optimizer, grid);
  std::unordered_set<const void*> in_buckets;
  for (const Bucket& bucket : buckets) {
    collector.add(bucket);
    for (const Segment& segment : bucket.segments) {
      in_buckets.insert(segment.parameter.shared().get());
    }
  }
  for (const auto& [name, tensor] : module.named_state()) {
    if (!in_buckets.contains(tensor.shared().get())) collector.add_replicated(name, tensor.data());
  }
  return collector.take();
}

void check_same_tensors(const Manifest& manifest, const nn::Module& module,
                        const optim::Optimizer& optimizer, const std::string& what) {
  std::unordered_set<const void*> trained;
  for (const optim::ParamGroup& group : optimizer.groups()) {
    for (const Tensor& param : group.params) {
      if (param.requires_grad()) trained.insert(param.shared().get());
    }
  }
  std::unordered_set<std::string> names;
  auto expect = [&](const std::string& name, const Dims& shape) {
    names.insert(name);
    const TensorRecord* found = manifest.find(name);
    TESSERA_CHECK(found, "{}: it has no '{}', which this run needs", what, name);
    TESSERA_CHECK(found->shape == shape, "{}: '{}' has the shape {}, and here it has {}", what,
                  name, found->shape, shape);
  };
  for (const auto& [name, tensor] : module.named_state()) {
    expect(name, tensor.shape());
    if (!trained.contains(tensor.shared().get())) continue;
    for (const std::string& state : optimizer.state_names()) {
      expect(state_name(state, name), tensor.shape());
    }
  }
  for (const TensorRecord& tensor : manifest.tensors) {
    TESSERA_CHECK(names.contains(tensor.name), "{}: it has '{}', for which this run has no use",
                  what, tensor.name);
  }
}

}  // namespace tessera
