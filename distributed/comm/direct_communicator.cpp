#include "distributed/comm/direct_communicator.h"

#include <algorithm>
#include <numeric>

namespace tessera {
namespace {

void require(CommOp op, const Array& array) {
  TESSERA_CHECK(array.defined(), "[{}] expected an array, got an undefined one", name(op));
  TESSERA_CHECK(array.device().type == DeviceType::cpu, "[{}] expected an array on cpu, got {}",
                name(op), array.device());
  TESSERA_CHECK(array.is_contiguous(),
                "[{}] expected a contiguous array, got shape {} with strides {}", name(op),
                array.shape(), array.strides());
}

void require_like(CommOp op, const Array& array, DType dtype) {
  require(op, array);
  TESSERA_CHECK(array.dtype() == dtype, "[{}] expected arrays of one dtype, got {} and {}",
                name(op), dtype, array.dtype());
}

void require_kind(CommOp op, ReduceKind kind, DType dtype) {
  TESSERA_CHECK(kind != ReduceKind::mean || is_floating(dtype),
                "[{}] expected a floating dtype for a mean, got {}", name(op), dtype);
}

void require_same_size(CommOp op, const Array& ours, const Array& array, int rank) {
  TESSERA_CHECK(ours.numel() == array.numel(),
                "[{}] rank {}'s own array and its place in the list differ: shapes {} and {}",
                name(op), rank, ours.shape(), array.shape());
}

int64_t total(std::span<const Array> arrays) {
  return std::accumulate(arrays.begin(), arrays.end(), int64_t{0},
                         [](int64_t sum, const Array& array) { return sum + array.numel(); });
}

class Transfer : public Work::State {
 public:
  Transfer(std::shared_ptr<Engine> engine, std::shared_ptr<const Operation> op)
      : engine_(std::move(engine)), op_(std::move(op)) {}
  void finish(std::chrono::milliseconds timeout) override { engine_->finish(*op_, timeout); }
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
    : engine_(std::make_shared<Engine>(std::move(transport), std::move(group), options)) {}

Array DirectCommunicator::allocate(Dims shape, DType dtype) {
  Neighbours* neighbours = engine_->transport().neighbours();
  if (!neighbours || num_elements(shape) == 0) return Array::empty(std::move(shape), dtype);
  auto bytes = static_cast<size_t>(num_elements(shape)) * item_size(dtype);
  Dims strides = contiguous_strides(shape);
  return {neighbours->allocate(bytes), dtype, std::move(shape), std::move(strides), 0};
}

Call DirectCommunicator::next_call(CommOp op, DType dtype, int64_t elements,
                                   std::span<const Array> same_shapes) {
  Call call;
  call.sequence = num_collectives_++;
  call.op = op;
  call.dtype = static_cast<int32_t>(dtype);
  call.elements = elements;
  call.sizes_hash = hash_shapes(same_shapes);
  return call;
}

Work DirectCommunicator::start(const std::shared_ptr<Operation>& op) {
  engine_->start_collective(op);
  return Work(std::make_shared<Transfer>(engine_, op));
}

void DirectCommunicator::require_rank(CommOp op, int rank) const {
  TESSERA_CHECK(rank >= 0 && rank < size(), "[{}] expected a rank in [0, {}), got {}", name(op),
                size(), rank);
}

void DirectCommunicator::require_one_per_rank(CommOp op, std::span<const Array> arrays) const {
  TESSERA_CHECK(arrays.size() == static_cast<size_t>(size()),
                "[{}] expected one array per rank, {}, got {}", name(op), size(), arrays.size());
}

Collective DirectCommunicator::collective(std::vector<Call> calls,
                                          std::vector<Array> offers) const {
  Call own = calls[static_cast<size_t>(rank())];
  auto exchange = std::make_shared<Exchange>(*engine_, std::move(calls), std::move(offers));
  auto op = std::make_shared<Operation>(
      own, [exchange](Operation& operation) { return exchange->tell(operation); });
  op->then([exchange] { exchange->compare(); });
  return {std::move(op), std::move(exchange)};
}

// A collective that only moves what is offered.
Work DirectCommunicator::move(const Collective& collective, std::vector<Array> recvs) {
  add_move(collective, std::move(recvs));
  return start(collective.op);
}

Work DirectCommunicator::all_reduce(const Array& array, ReduceKind kind) {
  require(CommOp::all_reduce, array);
  require_kind(CommOp::all_reduce, kind, array.dtype());
  Call call = next_call(CommOp::all_reduce, array.dtype(), array.numel(), {&array, 1});
  call.kind = static_cast<int32_t>(kind);
  Collective all = collective(same_for_all(call), same_for_all(array));
  add_all_reduce(all, array, kind);
  return start(all.op);
}

Work DirectCommunicator::reduce_scatter(std::span<const Array> send_per_rank, const Array& recv,
                                        ReduceKind kind) {
  require(CommOp::reduce_scatter, recv);
  require_kind(CommOp::reduce_scatter, kind, recv.dtype());
  require_one_per_rank(CommOp::reduce_scatter, send_per_rank);
  for (const Array& send : send_per_rank) require_like(CommOp::reduce_scatter, send, recv.dtype());
  require_same_size(CommOp::reduce_scatter, recv, send_per_rank[static_cast<size_t>(rank())],
                    rank());
  Call call = next_call(CommOp::reduce_scatter, recv.dtype(), total(send_per_rank), send_per_rank);
  call.kind = static_cast<int32_t>(kind);
  Collective all = collective(same_for_all(call), {send_per_rank.begin(), send_per_rank.end()});
  add_reduce_scatter(all, recv, kind);
  return start(all.op);
}

Work DirectCommunicator::gather_all(CommOp op_name, const Array& send,
                                    std::span<const Array> recv_per_rank) {
  require(op_name, send);
  require_one_per_rank(op_name, recv_per_rank);
  for (const Array& recv : recv_per_rank) require_like(op_name, recv, send.dtype());
  require_same_size(op_name, send, recv_per_rank[static_cast<size_t>(rank())], rank());
  Call call = next_call(op_name, send.dtype(), total(recv_per_rank), recv_per_rank);
  return move(collective(same_for_all(call), same_for_all(send)),
              {recv_per_rank.begin(), recv_per_rank.end()});
}

Work DirectCommunicator::all_gather(const Array& send, std::span<const Array> recv_per_rank) {
  return gather_all(CommOp::all_gather, send, recv_per_rank);
}

Work DirectCommunicator::broadcast(const Array& array, int root) {
  require(CommOp::broadcast, array);
  require_rank(CommOp::broadcast, root);
  Call call = next_call(CommOp::broadcast, array.dtype(), array.numel(), {&array, 1});
  call.root = root;
  if (rank() == root) return move(collective(same_for_all(call), same_for_all(array)), {});
  return move(collective(same_for_all(call), {}), from_root(array, root));
}

// Nothing from anybody but root.
std::vector<Array> DirectCommunicator::from_root(const Array& array, int root) const {
  std::vector<Array> arrays(static_cast<size_t>(size()));
  arrays[static_cast<size_t>(root)] = array;
  return arrays;
}

Work DirectCommunicator::all_to_all(std::span<const Array> send_per_rank,
                                    std::span<const Array> recv_per_rank) {
  require_one_per_rank(CommOp::all_to_all, send_per_rank);
  require_one_per_rank(CommOp::all_to_all, recv_per_rank);
  require(CommOp::all_to_all, send_per_rank[0]);
  DType dtype = send_per_rank[0].dtype();
  for (const Array& send : send_per_rank) require_like(CommOp::all_to_all, send, dtype);
  for (const Array& recv : recv_per_rank) require_like(CommOp::all_to_all, recv, dtype);
  auto own = static_cast<size_t>(rank());
  require_same_size(CommOp::all_to_all, send_per_rank[own], recv_per_rank[own], rank());

  std::vector<Call> calls =
      same_for_all(next_call(CommOp::all_to_all, dtype, total(send_per_rank)));
  for (size_t p = 0; p < calls.size(); ++p) {
    calls[p].bytes_to_reader = static_cast<int64_t>(send_per_rank[p].nbytes());
    calls[p].bytes_from_reader = static_cast<int64_t>(recv_per_rank[p].nbytes());
  }
  return move(collective(std::move(calls), {send_per_rank.begin(), send_per_rank.end()}),
              {recv_per_rank.begin(), recv_per_rank.end()});
}

std::vector<Call> DirectCommunicator::rooted_calls(CommOp op_name, const Array& own,
                                                   std::span<const Array> per_rank, int root) {
  require(op_name, own);
  require_rank(op_name, root);
  bool is_root = rank() == root;
  if (is_root) {
    require_one_per_rank(op_name, per_rank);
    for (const Array& array : per_rank) require_like(op_name, array, own.dtype());
    require_same_size(op_name, own, per_rank[static_cast<size_t>(root)], root);
  } else {
    TESSERA_CHECK(per_rank.empty(), "[{}] expected a list of arrays on root {} alone, got {} here",
                  name(op_name), root, per_rank.size());
  }
  Call call = next_call(op_name, own.dtype(), is_root ? total(per_rank) : own.numel());
  call.root = root;
  std::vector<Call> calls = same_for_all(call);
  bool sends = is_root == (op_name == CommOp::scatter);
  for (size_t p = 0; p < calls.size(); ++p) {
    if (!is_root && p != static_cast<size_t>(root)) continue;
    int64_t& bytes = sends ? calls[p].bytes_to_reader : calls[p].bytes_from_reader;
    bytes = static_cast<int64_t>((is_root ? per_rank[p] : own).nbytes());
  }
  return calls;
}

Work DirectCommunicator::gather(const Array& send, std::span<const Array> recv_per_rank, int root) {
  auto calls = rooted_calls(CommOp::gather, send, recv_per_rank, root);
  return move(collective(std::move(calls), from_root(send, root)),
              {recv_per_rank.begin(), recv_per_rank.end()});
}

Work DirectCommunicator::scatter(std::span<const Array> send_per_rank, const Array& recv,
                                 int root) {
  auto calls = rooted_calls(CommOp::scatter, recv, send_per_rank, root);
  return move(collective(std::move(calls), {send_per_rank.begin(), send_per_rank.end()}),
              from_root(recv, root));
}

// A Call travels ahead of the array on the same tag. Both are posted at once, so that several
// transfers of one tag keep their order; the Call is looked at first.
Work DirectCommunicator::point_to_point(CommOp op_name, const Array& array, int peer, int tag) {
  require(op_name, array);
  require_rank(op_name, peer);
  TESSERA_CHECK(tag >= 0 && tag <= kMaxTag, "[{}] expected a tag in [0, {}], got {}", name(op_name),
                kMaxTag, tag);
  auto calls = std::make_shared<std::pair<Call, Call>>();
  auto& [mine, theirs] = *calls;
  mine.sequence = num_point_to_point_++;
  mine.op = op_name;
  mine.dtype = static_cast<int32_t>(array.dtype());
  mine.elements = array.numel();
  auto op = std::make_shared<Operation>(mine);
  op->then([engine = engine_.get(), &op = *op, calls, array, peer, tag] {
    if (op.call().op == CommOp::send) {
      engine->send(op, peer, tag, std::as_bytes(std::span(&calls->first, 1)), calls);
      send_array(*engine, op, peer, tag, array);
    } else {
      engine->receive(op, peer, tag, std::as_writable_bytes(std::span(&calls->second, 1)), calls);
      receive_array(*engine, op, peer, tag, array, 1);
    }
  });
  op->then([calls, peer, rank = rank()] {
    if (calls->first.op == CommOp::send) return;
    if (auto why = mismatch(calls->first, rank, calls->second, peer)) throw PeerError(peer, *why);
  });
  engine_->start_point_to_point(op);
  return Work(std::make_shared<Transfer>(engine_, op));
}

Work DirectCommunicator::send(const Array& array, int peer, int tag) {
  return point_to_point(CommOp::send, array, peer, tag);
}

Work DirectCommunicator::recv(const Array& array, int peer, int tag) {
  return point_to_point(CommOp::recv, array, peer, tag);
}

Work DirectCommunicator::barrier() {
  return move(collective(same_for_all(next_call(CommOp::barrier, DType::u8, 0)), {}), {});
}

// Members agree on a number that none of them has used: the highest of their next ones. Two
// communicators with a rank in common then never share a context.
std::unique_ptr<Communicator> DirectCommunicator::split(int color, int key) {
  TESSERA_CHECK(color >= -1, "[split] expected a color of at least -1, got {}", color);
  std::vector<Array> answers;
  for (int p = 0; p < size(); ++p) answers.push_back(Array::empty({3}, DType::i64));
  int64_t* own = answers[static_cast<size_t>(rank())].data<int64_t>();
  own[0] = color;
  own[1] = key;
  own[2] = engine_->transport().next_split();
  gather_all(CommOp::split, answers[static_cast<size_t>(rank())], answers).wait();
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
  return std::make_unique<DirectCommunicator>(engine_->shared_transport(), std::move(group),
                                              engine_->options());
}

void DirectCommunicator::abort(const std::string& message) {
  engine_->transport().fail(engine_->group().contexts.front(), engine_->group().members,
                            fmt::format("aborted by rank {}: {}", rank(), message));
}

}  // namespace tessera
