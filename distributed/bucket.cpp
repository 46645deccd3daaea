#include "distributed/bucket.h"

#include <unordered_map>

namespace tessera {
namespace {

int64_t round_to_chunk(int64_t numel) {
  return (numel + kChunkElements - 1) / kChunkElements * kChunkElements;
}

using Decays = std::unordered_map<const void*, double>;

Decays weight_decays(const optim::Optimizer& optimizer) {
  Decays decays;
  for (const optim::ParamGroup& group : optimizer.groups()) {
    for (const Tensor& param : group.params) {
      decays.emplace(param.shared().get(), group.weight_decay);
    }
  }
  return decays;
}

// Moves the parameters' values into the bucket's buffer.
void fill(Bucket& bucket, size_t num_states, Strategy strategy, Communicator& comm) {
  DType dtype = bucket.segments[0].parameter.dtype();
  bucket.params = comm.allocate({bucket.numel}, dtype);
  bucket.params.fill_(0);
  bucket.own = strategy == Strategy::ddp
                   ? Run{0, bucket.numel}
                   : shards_of(bucket.numel, comm.size())[static_cast<size_t>(comm.rank())];
  for (size_t i = 0; i < num_states; ++i) {
    bucket.state.push_back(Array::zeros({bucket.own.size()}, dtype));
  }
  for (const Segment& segment : bucket.segments) {
    Array view = bucket.params.slice(0, segment.begin, segment.end).view(segment.parameter.shape());
    view.copy_(segment.parameter.data());
    segment.parameter.set_data(view);
  }
}

}  // namespace

std::vector<Bucket> make_buckets(const nn::Module& module, const optim::Optimizer& optimizer,
                                 int64_t max_bytes, Strategy strategy, Communicator& comm) {
  Decays decays = weight_decays(optimizer);
  std::vector<Bucket> buckets;
  for (const auto& [name, parameter] : module.named_parameters()) {
    auto decay = decays.extract(parameter.shared().get());
    TESSERA_CHECK(!decay.empty() || !parameter.requires_grad(),
                  "[make_buckets] '{}' requires a gradient and is in no group of the optimizer",
                  name);
    if (decay.empty()) continue;
    int64_t size = round_to_chunk(parameter.numel());
    auto item = static_cast<int64_t>(item_size(parameter.dtype()));
    bool fits = !buckets.empty() && (buckets.back().numel + size) * item <= max_bytes &&
                buckets.back().segments[0].parameter.dtype() == parameter.dtype();
    if (!fits) buckets.emplace_back();
    Bucket& bucket = buckets.back();
    bucket.segments.push_back(
        {name, parameter, bucket.numel, bucket.numel + parameter.numel(), decay.mapped()});
    bucket.numel += size;
  }
  TESSERA_CHECK(decays.empty(),
                "[make_buckets] the optimizer has a parameter that is not the module's");
  for (Bucket& bucket : buckets) fill(bucket, optimizer.num_states(), strategy, comm);
  return buckets;
}

Array take_gradients(const Bucket& bucket, Communicator& comm) {
  Array flat = comm.allocate({bucket.numel}, bucket.dtype());
  int64_t filled = 0;
  for (const Segment& segment : bucket.segments) {
    const Tensor& grad = segment.parameter.grad();
    TESSERA_CHECK(grad.defined(),
                  "parameter '{}' got no gradient: it takes no part in the loss of this leaf",
                  segment.name);
    flat.slice(0, filled, segment.begin).fill_(0);
    flat.slice(0, segment.begin, segment.end).view(grad.shape()).copy_(grad.data());
    segment.parameter.set_grad({});
    filled = segment.end;
  }
  flat.slice(0, filled, bucket.numel).fill_(0);
  return flat;
}

}  // namespace tessera
