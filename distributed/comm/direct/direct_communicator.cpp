#include "distributed/comm/direct/direct_communicator.h"

#include <algorithm>
#include <numeric>

#include "distributed/comm/direct/small_all_reduce.h"

namespace tessera {
namespace {

class Transfer : public Work::State {
 public:
  Transfer(std::shared_ptr<Engine> engine, std::shared_ptr<const Operation> op)
      : engine_(std::move(engine)), op_(std::move(op)) {}
  // Kernels of the CPU run when they are called: what comes after the transfer needs it done.
  void order_stream() override { join(default_timeout()); }
  void join(std::chrono::milliseconds timeout) override { engine_->finish(*op_, timeout); }
  std::chrono::milliseconds default_timeout() const override { return engine_->options().timeout; }

 private:
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<const Operation> op_;
};

// Two kinds of communicators, each numbered from 0, share the contexts.
int world_context(int number) { return 2 * number; }
int split_context(int number) { return 2 * number + 1; }

Group whole(Transport& transport) {
  Group group;
  group.members.resize(static_cast<size_t>(transport.size()));
  std::iota(group.members.begin(), group.members.end(), 0);
  group.rank = transport.rank();
  group.contexts = {world_context(transport.take_world())};
  return group;
}

}  // namespace

DirectCommunicator::DirectCommunicator(std::shared_ptr<Transport> transport, CommOptions options)
    : DirectCommunicator(transport, whole(*transport), options) {}

DirectCommunicator::DirectCommunicator(std::shared_ptr<Transport> transport, Group group,
                                       CommOptions options)
    : engine_(std::make_shared<Engine>(std::move(transport), std::move(group), options)) {
  set_observer(options.on_call);
  Neighbours* neighbours = engine_->transport().neighbours();
  all_met_ = neighbours && size() > 1 && neighbours->all_met(engine_->group().members);
}

Array DirectCommunicator::allocate(Dims shape, DType dtype) {
  Neighbours* neighbours = engine_->transport().neighbours();
  if (!neighbours || num_elements(shape) == 0) return Array::empty(std::move(shape), dtype);
  auto bytes = static_cast<size_t>(num_elements(shape)) * item_size(dtype);
  Dims strides = contiguous_strides(shape);
  return {neighbours->allocate(bytes), dtype, std::move(shape), std::move(strides), 0};
}

Work DirectCommunicator::start(const std::shared_ptr<Operation>& op) {
  engine_->start_collective(op);
  return Work(std::make_shared<Transfer>(engine_, op));
}

Collective DirectCommunicator::collective(Calls calls, Arrays offers) const {
  Call own = calls[static_cast<size_t>(rank())];
  auto exchange = std::make_shared<Exchange>(*engine_, std::move(calls), std::move(offers));
  auto op = std::make_shared<Operation>(
      own, [exchange](Operation& operation) { return exchange->tell(operation); });
  exchange->add_comparison(*op);
  return {std::move(op), std::move(exchange)};
}

Work DirectCommunicator::move(Calls calls, Arrays sends, Arrays recvs) {
  Collective all = collective(std::move(calls), std::move(sends));
  add_move(all, std::move(recvs));
  return start(all.op);
}

Work DirectCommunicator::reduce_to_shards(Calls calls, Arrays sends, const Array& recv,
                                          ReduceKind kind) {
  Collective all = collective(std::move(calls), std::move(sends));
  add_reduce_scatter(all, recv, kind);
  return start(all.op);
}

Work DirectCommunicator::reduce_for_all(Calls calls, const Array& array, ReduceKind kind) {
  bool fits = all_met_ && SmallAllReduce::fits(array);
  if (fits && engine_->tells_calls_directly()) {
    return start(std::make_shared<SmallAllReduce>(*engine_, calls[0], array, kind));
  }
  Collective all = collective(std::move(calls), Arrays(static_cast<size_t>(size()), array));
  if (fits) all.exchange->carry(array);
  add_all_reduce(all, array, kind);
  return start(all.op);
}

// A Call travels ahead of the array on the same tag. Both are posted at once, so that several
// transfers of one tag keep their order; the Call is looked at first.
Work DirectCommunicator::point_to_point(const Call& call, const Array& array, int peer, int tag) {
  struct Pair {
    Call mine, theirs;
  };
  auto calls = std::make_shared<Pair>(Pair{call, {}});
  auto op = std::make_shared<Operation>(call);
  op->then([engine = engine_.get(), &op = *op, calls, array, peer, tag] {
    if (op.call().op == CommOp::send) {
      engine->send(op, peer, tag, std::as_bytes(std::span(&calls->mine, 1)), calls);
      send_array(*engine, op, peer, tag, array);
    } else {
      engine->receive(op, peer, tag, std::as_writable_bytes(std::span(&calls->theirs, 1)), calls);
      receive_array(*engine, op, peer, tag, array, 1);
    }
  });
  op->then([calls, peer, rank = rank()] {
    if (calls->mine.op == CommOp::send) return;
    if (auto why = mismatch(calls->mine, rank, calls->theirs, peer)) throw PeerError(peer, *why);
  });
  engine_->start_point_to_point(op);
  return Work(std::make_shared<Transfer>(engine_, op));
}

// Members agree on a number that none of them has used: the highest of their next ones. Two
// communicators with a rank in common then never share a context.
std::unique_ptr<Communicator> DirectCommunicator::split(int color, int key, CallSite site) {
  TESSERA_CHECK(color >= -1, "[split] expected a color of at least -1, got {}", color);
  std::vector<Array> answers;
  for (int p = 0; p < size(); ++p) answers.push_back(Array::empty({3}, DType::i64));
  int64_t* own = answers[static_cast<size_t>(rank())].data<int64_t>();
  own[0] = color;
  own[1] = key;
  own[2] = engine_->transport().next_split();
  gather_for_all(CommOp::split, answers[static_cast<size_t>(rank())], answers, site).join();
  if (color == -1) return nullptr;

  std::vector<std::pair<int64_t, int>> members;  // key and rank here
  int64_t number = 0;
  for (int p = 0; p < size(); ++p) {
    const int64_t* answer = answers[static_cast<size_t>(p)].data<int64_t>();
    if (answer[0] != color) continue;
    members.emplace_back(answer[1], p);
    number = std::max(number, answer[2]);
  }
  std::sort(members.begin(), members.end());
  engine_->transport().take_split(static_cast<int>(number));
  Group group;
  for (auto [unused, p] : members) {
    if (p == rank()) group.rank = static_cast<int>(group.members.size());
    group.members.push_back(engine_->group().members[static_cast<size_t>(p)]);
  }
  group.contexts = engine_->group().contexts;
  group.contexts.insert(group.contexts.begin(), split_context(static_cast<int>(number)));
  auto split = std::make_unique<DirectCommunicator>(engine_->shared_transport(), std::move(group),
                                                    engine_->options());
  split->set_where(where());
  return split;
}

void DirectCommunicator::abort(const std::string& message) {
  engine_->transport().fail(engine_->group().contexts.front(), engine_->group().members,
                            fmt::format("aborted by rank {}: {}", rank(), message));
}

}  // namespace tessera
