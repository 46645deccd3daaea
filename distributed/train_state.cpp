#include "distributed/train_state.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace tessera {
namespace {

Interval intersection(Interval a, Interval b) {
  Interval both{std::max(a.begin, b.begin), std::min(a.end, b.end)};
  return both.begin < both.end ? both : Interval{both.begin, both.begin};
}

Interval moved(Interval interval, int64_t by) { return {interval.begin + by, interval.end + by}; }

class Collector {
 public:
  explicit Collector(const ShardGrid& grid) : grid_(grid) {}

  void add(const Bucket& bucket) {
    // Those who own the same elements, and which of them this rank writes.
    const Levels& alike = &grid_.owners() == &grid_.replicas() ? grid_.shards() : grid_.replicas();
    Interval written = moved(shard_of(bucket.own.size(), alike), bucket.own.begin);
    std::optional<optim::EvaluationPoint> point = bucket.evaluation_point();
    for (const Segment& segment : bucket.segments) {
      std::string trained = point ? state_name(point->trained, segment.name) : segment.name;
      add_segment(bucket, segment, written, trained, bucket.master);
      if (!bucket.trained) continue;
      std::vector<optim::StateInfo> infos = segment.rule->states(segment.parameter.shape());
      for (size_t i = 0; i < infos.size(); ++i) {
        bool meant = point && point->state == i;
        std::string name = meant ? segment.name : state_name(infos[i].name, segment.name);
        if (bucket.rule_cut() == optim::Cut::anywhere) {
          add_segment(bucket, segment, written, name, bucket.state[i]);
        } else if (segment.parameter.numel() == 0) {
          add_replicated(name, segment.state[i]);
        } else if (!segment.state.empty()) {
          add_whole(name, segment.state[i], alike);
        }
      }
    }
  }

  // What every rank has whole.
  void add_replicated(const std::string& name, const Array& data) {
    Interval whole{0, data.numel()};
    const Communicator& all = grid_.data();
    Interval written = tessera::shard_of(whole.size(), all.rank(), all.size());
    out_.push_back({name, data.shape(), whole, data.view({whole.size()}), written});
  }

  // What the ranks alike have whole.
  void add_whole(const std::string& name, const Array& data, const Levels& alike) {
    Interval whole{0, data.numel()};
    out_.push_back(
        {name, data.shape(), whole, data.view({whole.size()}), shard_of(whole.size(), alike)});
  }

  std::vector<HeldTensor> take() { return std::move(out_); }

 private:
  // This rank's of what the ranks alike divide for writing.
  static Interval shard_of(int64_t elements, const Levels& alike) {
    return ShardCut::even(elements, alike).own();
  }

  // `own` has the elements bucket.own of something laid out as the bucket.
  void add_segment(const Bucket& bucket, const Segment& segment, Interval written,
                   const std::string& name, const Array& own) {
    Interval place{segment.begin, segment.end};
    Interval held = intersection(place, bucket.own);
    if (place.size() == 0)
      return add_replicated(name, slice_of(own, {}).view(segment.parameter.shape()));
    if (held.size() == 0) return;
    out_.push_back({name, segment.parameter.shape(), moved(held, -segment.begin),
                    slice_of(own, moved(held, -bucket.own.begin)),
                    moved(intersection(held, written), -segment.begin)});
  }

  const ShardGrid& grid_;
  std::vector<HeldTensor> out_;
};

}  // namespace

std::vector<HeldTensor> held_state(const nn::Module& module, const std::vector<Bucket>& buckets,
                                   const ShardGrid& grid) {
  Collector collector(grid);
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
  std::unordered_map<const void*, optim::RulePtr> trained;
  for (const optim::ParamGroup& group : optimizer.groups()) {
    for (const Tensor& param : group.params) {
      if (param.requires_grad()) trained.emplace(param.shared().get(), group.rule);
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
    auto rule = trained.find(tensor.shared().get());
    if (rule == trained.end()) continue;
    std::optional<optim::EvaluationPoint> point = rule->second->evaluation_point();
    std::vector<optim::StateInfo> states = rule->second->states(tensor.shape());
    if (point) states[point->state].name = point->trained;
    for (const optim::StateInfo& state : states) expect(state_name(state.name, name), state.shape);
  }
  for (const TensorRecord& tensor : manifest.tensors) {
    TESSERA_CHECK(names.contains(tensor.name), "{}: it has '{}', for which this run has no use",
                  what, tensor.name);
  }
}

}  // namespace tessera
