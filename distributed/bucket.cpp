#include "distributed/bucket.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "core/kernels.h"
#include "core/kernels/binary.h"
#include "nn/parametrization.h"

namespace tessera {
namespace {

constexpr int64_t kFirstBucketBytes = int64_t{1} << 20;

int64_t chunks_of(int64_t numel) { return (numel + kChunkElements - 1) / kChunkElements; }

using Key = const void*;
Key key_of(const Tensor& tensor) { return tensor.shared().get(); }

using GroupOf = std::unordered_map<Key, const optim::ParamGroup*>;
GroupOf groups_of_parameters(const optim::Optimizer& optimizer) {
  GroupOf groups;
  for (const optim::ParamGroup& group : optimizer.groups()) {
    for (const Tensor& param : group.params) groups.emplace(key_of(param), &group);
  }
  return groups;
}

// The block of each parameter; one that appears anywhere else too is in none.
std::unordered_map<Key, int> blocks_of_parameters(const nn::Module& module) {
  std::unordered_map<Key, int> uses;
  for (const auto& [name, parameter] : module.all_named_parameters()) ++uses[key_of(parameter)];
  std::unordered_map<Key, int> blocks;
  int block = 0;
  for (const nn::Module* root : module.blocks()) {
    std::unordered_map<Key, int> uses_here;
    for (const auto& [name, param] : root->all_named_parameters()) ++uses_here[key_of(param)];
    for (auto [key, count] : uses_here) {
      if (count == uses[key]) blocks[key] = block;
    }
    ++block;
  }
  return blocks;
}

// The parameters that go into buckets, in the module's order.
class Packing {
 public:
  Packing(const nn::Module& module, const optim::Optimizer& optimizer, const BucketOptions& options,
          const ShardGrid& grid)
      : options_(options), grid_(grid), gathers_blocks_(grid.gathers_blocks()) {
    std::unordered_map<Key, int> blocks = blocks_of_parameters(module);
    TESSERA_CHECK(
        !shards_blocks(grid.strategy()) || !blocks.empty(),
        "{}: the model has no blocks whose parameters could be sharded; Module::make_block() "
        "says what they are",
        name(grid.strategy()));
    GroupOf groups = groups_of_parameters(optimizer);
    int64_t chunk = 0;
    for (const auto& [name, parameter] : module.named_parameters()) {
      auto group = groups.extract(key_of(parameter));
      TESSERA_CHECK(!group.empty() || !parameter.requires_grad(),
                    "[make_buckets] '{}' requires a gradient and is in no group of the optimizer",
                    name);
      auto found = blocks.find(key_of(parameter));
      int block = found == blocks.end() ? Bucket::kRoot : found->second;
      bool trained = !group.empty() && parameter.requires_grad();
      if (!trained && !(gathers_blocks_ && block != Bucket::kRoot)) {
        frozen_.push_back(parameter);
        continue;
      }
      Item& item = items_.emplace_back(Item{block, trained, {}});
      item.segment.name = name;
      item.segment.parameter = parameter;
      item.segment.index = items_.size() - 1;
      item.segment.first_chunk = chunk;
      if (!trained) continue;
      item.segment.rule = group.mapped()->rule;
      item.segment.lr_scale = group.mapped()->lr_scale;
      item.segment.weight_decay = group.mapped()->weight_decay;
      chunk += chunks_of(parameter.numel());
    }
    TESSERA_CHECK(groups.empty(),
                  "[make_buckets] the optimizer has a parameter that is not the module's");
  }

  std::vector<Bucket> pack() const {
    std::map<int, std::vector<Bucket>, std::greater<>> by_block;  // the root's last
    bool first = true;
    // Blocks from the last on, each from its last parameter on.
    std::vector<const Item*> order;
    for (const Item& item : items_) order.push_back(&item);
    std::reverse(order.begin(), order.end());
    std::stable_sort(order.begin(), order.end(),
                     [](const Item* a, const Item* b) { return a->block > b->block; });
    for (const Item* item : order) {
      std::vector<Bucket>& buckets = by_block[item->block];
      Bucket* open = find_open(buckets, *item, first ? kFirstBucketBytes : options_.max_bytes);
      if (!open) {
        first = first && buckets.empty() && by_block.size() == 1;
        open = &buckets.emplace_back();
        open->block = item->block;
        open->trained = item->trained;
        open->sharded = gathers_blocks_ && item->block != Bucket::kRoot;
      }
      Segment& segment = open->segments.emplace_back(item->segment);
      segment.begin = open->numel;
      segment.end = segment.begin + segment.parameter.numel();
      open->numel += chunks_of(segment.parameter.numel()) * kChunkElements;
    }
    std::vector<Bucket> all;
    for (auto& [block, buckets] : by_block) {
      for (Bucket& bucket : buckets) all.push_back(std::move(bucket));
    }
    cut(all);
    return all;
  }

  // Parameters that no bucket holds.
  const std::vector<Tensor>& frozen() const { return frozen_; }

 private:
  struct Item {
    int block;
    bool trained;
    Segment segment;
  };

  Bucket* find_open(std::vector<Bucket>& buckets, const Item& item, int64_t max_bytes) const {
    const Tensor& parameter = item.segment.parameter;
    auto last = std::find_if(buckets.rbegin(), buckets.rend(), [&](const Bucket& bucket) {
      return bucket.trained == item.trained && bucket.segments[0].rule == item.segment.rule &&
             bucket.segments[0].parameter.dtype() == parameter.dtype();
    });
    if (last == buckets.rend()) return nullptr;
    auto bytes = static_cast<int64_t>(item_size(options_.dtype.value_or(parameter.dtype())));
    int64_t size = (last->numel + chunks_of(parameter.numel()) * kChunkElements) * bytes;
    return size <= std::min(max_bytes, options_.max_bytes) ? &*last : nullptr;
  }

  // Says who updates what. Whole parameters of one owner lie together, in an order that follows
  // from the shapes, so a bucket needs no more than other shards.
  void cut(std::vector<Bucket>& buckets) const {
    std::unordered_map<size_t, size_t> owners = owners_of_whole_parameters();
    for (Bucket& bucket : buckets) {
      if (!bucket.trained || bucket.rule_cut() == optim::Cut::anywhere) {
        bucket.cut = ShardCut::even(bucket.numel, grid_.owners());
        continue;
      }
      std::stable_sort(bucket.segments.begin(), bucket.segments.end(),
                       [&](const Segment& a, const Segment& b) {
                         return owners.at(a.index) < owners.at(b.index);
                       });
      std::vector<int64_t> sizes(static_cast<size_t>(grid_.owners().size()));
      int64_t begin = 0;
      for (Segment& segment : bucket.segments) {
        int64_t size = chunks_of(segment.parameter.numel()) * kChunkElements;
        segment.begin = begin;
        segment.end = begin + segment.parameter.numel();
        sizes[owners.at(segment.index)] += size;
        begin += size;
      }
      bucket.cut = ShardCut(sizes, grid_.owners());
    }
  }

  // Of each, by its index, the owner's place in the order of ShardCut: who has least so far, the
  // longest parameter first.
  std::unordered_map<size_t, size_t> owners_of_whole_parameters() const {
    std::vector<const Segment*> whole;
    for (const Item& item : items_) {
      bool is_whole = item.trained && item.segment.rule->cut() == optim::Cut::whole_parameter;
      if (is_whole) whole.push_back(&item.segment);
    }
    std::stable_sort(whole.begin(), whole.end(), [](const Segment* a, const Segment* b) {
      return a->parameter.numel() > b->parameter.numel();
    });
    std::vector<int64_t> load(static_cast<size_t>(grid_.owners().size()));
    std::unordered_map<size_t, size_t> owners;
    for (const Segment* segment : whole) {
      auto least = std::min_element(load.begin(), load.end());
      *least += chunks_of(segment->parameter.numel());
      owners[segment->index] = static_cast<size_t>(least - load.begin());
    }
    return owners;
  }

  const BucketOptions& options_;
  const ShardGrid& grid_;
  bool gathers_blocks_;
  std::vector<Item> items_;
  std::vector<Tensor> frozen_;
};

// Gives buckets their buffers, and these the parameters' values.
class Filling {
 public:
  Filling(const nn::Module& module, std::optional<DType> dtype, const ShardGrid& grid)
      : module_(module), dtype_(dtype), grid_(grid) {}

  void fill(Bucket& bucket) const {
    DType dtype = dtype_.value_or(bucket.segments[0].parameter.dtype());
    bucket.own = bucket.cut.own();
    if (bucket.sharded) {
      bucket.own_params = grid_.data().allocate({bucket.own.size()}, dtype);
      bucket.params = Array::empty({bucket.numel}, dtype, bucket.own_params.device());
      bucket.params.storage()->drop(what(bucket));
    } else {
      bucket.params = grid_.data().allocate({bucket.numel}, dtype);
      bucket.own_params = slice_of(bucket.params, bucket.own);
    }
    bool has_master = bucket.trained && dtype != bucket.sum_dtype();
    bucket.master = has_master
                        ? Array::zeros({bucket.own.size()}, bucket.sum_dtype(), device(bucket))
                        : bucket.own_params;
    if (bucket.trained) {
      bool anywhere = bucket.rule_cut() == optim::Cut::anywhere;
      anywhere ? add_state_of_elements(bucket) : add_state_of_parameters(bucket);
    }
    (bucket.sharded ? bucket.own_params : bucket.params).fill_(0);
    for (const Segment& segment : bucket.segments) place(bucket, segment, has_master);
    if (bucket.evaluation_point()) bucket.meant().copy_(bucket.master);
  }

 private:
  static Device device(const Bucket& bucket) { return bucket.own_params.device(); }

  // States are laid out as the own elements are.
  static void add_state_of_elements(Bucket& bucket) {
    const Segment& first = bucket.segments[0];
    size_t num_states = first.rule->states(first.parameter.shape()).size();
    for (size_t i = 0; i < num_states; ++i) {
      bucket.state.push_back(Array::zeros({bucket.own.size()}, bucket.sum_dtype(), device(bucket)));
    }
    for (Segment& segment : bucket.segments) {
      Interval own = bucket.own_interval_of(segment);
      if (own.size() == 0) continue;
      for (const Array& state : bucket.state) segment.state.push_back(slice_of(state, own));
    }
  }

  // One buffer has all states of those parameters that this rank owns; one without elements is
  // everybody's.
  static void add_state_of_parameters(Bucket& bucket) {
    int64_t total = 0;
    auto each_state = [&](auto&& fn) {
      for (Segment& segment : bucket.segments) {
        bool empty = segment.parameter.numel() == 0;
        if (!empty && bucket.own_interval_of(segment).size() == 0) continue;
        for (const auto& info : segment.rule->states(segment.parameter.shape())) fn(segment, info);
      }
    };
    each_state([&](Segment&, const optim::StateInfo& info) { total += num_elements(info.shape); });
    bucket.state.push_back(Array::zeros({total}, bucket.sum_dtype(), device(bucket)));
    int64_t begin = 0;
    each_state([&](Segment& segment, const optim::StateInfo& info) {
      int64_t end = begin + num_elements(info.shape);
      segment.state.push_back(slice_of(bucket.state[0], {begin, end}).view(info.shape));
      begin = end;
    });
  }

  std::shared_ptr<const std::string> what(const Bucket& bucket) const {
    const nn::Module& block = *module_.blocks()[static_cast<size_t>(bucket.block)];
    return std::make_shared<const std::string>(
        fmt::format("the parameters of block '{}' are", block.path()));
  }

  void place(const Bucket& bucket, const Segment& segment, bool has_master) const {
    const Tensor& parameter = segment.parameter;
    Interval whole{segment.begin, segment.end};
    Interval in_own = bucket.own_interval_of(segment);
    Interval own{in_own.begin + bucket.own.begin, in_own.end + bucket.own.begin};
    Array view = Array(bucket.params.storage(), bucket.params.dtype(), {whole.size()}, {1},
                       bucket.params.offset() + whole.begin);
    if (!bucket.sharded) copy_values(segment, whole, view);
    if (own.size() > 0) {
      if (bucket.sharded) copy_values(segment, own, slice_of(bucket.own_params, in_own));
      if (has_master) copy_values(segment, own, slice_of(bucket.master, in_own));
    }
    parameter.set_data_of_dtype(view.view(parameter.shape()));
  }

  // to = the interval's elements of the parameter, which is as it was made or not made yet.
  void copy_values(const Segment& segment, Interval interval, const Array& to) const {
    const Array& from = segment.parameter.data();
    int64_t first = interval.begin - segment.begin;
    if (from.device() == to.device()) {
      to.copy_(slice_of(from.contiguous().view({from.numel()}), {first, first + interval.size()}));
    } else {
      Array made = to.dtype() == from.dtype() ? to : Array::empty(to.shape(), from.dtype());
      module_.initial_values(segment.parameter).fill(first, made);
      if (made.storage() != to.storage()) to.copy_(made);
    }
  }

  const nn::Module& module_;
  std::optional<DType> dtype_;
  const ShardGrid& grid_;
};

}  // namespace

Interval Bucket::own_interval_of(const Segment& segment) const {
  int64_t begin = std::max(segment.begin, own.begin);
  int64_t end = std::min(segment.end, own.end);
  return begin < end ? Interval{begin - own.begin, end - own.begin} : Interval{};
}

std::vector<Bucket> make_buckets(const nn::Module& module, const optim::Optimizer& optimizer,
                                 const BucketOptions& options, const ShardGrid& grid) {
  Packing packing(module, optimizer, options, grid);
  std::vector<Bucket> buckets = packing.pack();
  Filling filling(module, options.dtype, grid);
  for (Bucket& bucket : buckets) filling.fill(bucket);
  bool on_meta = !buckets.empty() && buckets[0].own_params.device().type == DeviceType::meta;
  for (const Tensor& parameter : packing.frozen()) {
    Array data = parameter.data();
    if (data.device().type == DeviceType::meta && !on_meta) {
      data = Array::empty(data.shape(), data.dtype());
      module.initial_values(parameter).fill(0, data.view({data.numel()}));
    }
    parameter.set_data_of_dtype(data.to(options.dtype.value_or(data.dtype())));
  }
  nn::Parametrization::follow_parts(module);
  return buckets;
}

Array take_gradients(const Bucket& bucket, Communicator& comm, std::vector<bool>& got,
                     double factor) {
  Array flat = comm.allocate({bucket.numel}, bucket.sum_dtype());
  int64_t filled = 0;
  for (const Segment& segment : bucket.segments) {
    const Tensor& grad = segment.parameter.grad();
    if (!grad.defined()) continue;
    got[segment.index] = true;
    flat.slice(0, filled, segment.begin).fill_(0);
    flat.slice(0, segment.begin, segment.end).view(grad.shape()).copy_(grad.data());
    segment.parameter.set_grad({});
    filled = segment.end;
  }
  flat.slice(0, filled, bucket.numel).fill_(0);
  // Adding -0 leaves the sign of a zero as it is.
  if (factor != 1) kernels(flat.device()).binary().affine(flat, factor, -0.0, flat);
  return flat;
}

}  // namespace tessera
