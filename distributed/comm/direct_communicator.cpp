#include "distributed/comm/direct_communicator.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "distributed/comm/reduce_arrays.h"

namespace tessera {
namespace {

constexpr int kCollectiveTag = Communicator::kMaxTag + 1;
// Peers' pieces of one round of a reduction; a round of a few MiB hides its latency.
constexpr int64_t kScratchBytes = int64_t{16} << 20;
// Up to here all ranks send each other the whole array and reduce it themselves: more bytes, but
// one exchange fewer.
constexpr int64_t kSmallBytes = int64_t{16} << 10;

std::span<const std::byte> bytes_of(const Array& array) {
  return {static_cast<const std::byte*>(array.raw()), array.nbytes()};
}

std::span<std::byte> writable_bytes_of(const Array& array) {
  return {static_cast<std::byte*>(array.raw()), array.nbytes()};
}

void copy_bytes(const Array& from, const Array& to) {
  if (from.raw() != to.raw() && from.numel() > 0) std::memcpy(to.raw(), from.raw(), from.nbytes());
}

// Elements [begin, end) of an array seen flat, as far as it has them.
Array part(const Array& array, int64_t begin, int64_t end) {
  return array.view({array.numel()}).slice(0, begin, end);
}

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
  return Array::empty(std::move(shape), dtype);
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

std::shared_ptr<Operation> DirectCommunicator::collective(const Call& call) const {
  return collective(std::vector<Call>(static_cast<size_t>(size()), call));
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

std::shared_ptr<Operation> DirectCommunicator::collective(std::vector<Call> calls) const {
  struct Exchange {
    std::vector<Call> mine;
    std::vector<Call> theirs;
  };
  auto op = std::make_shared<Operation>(calls[static_cast<size_t>(rank())]);
  auto exchange = std::make_shared<Exchange>();
  exchange->theirs.resize(calls.size());
  exchange->mine = std::move(calls);
  op->then([engine = engine_.get(), &op = *op, exchange] {
    for (int p = 0; p < engine->size(); ++p) {
      if (p == engine->rank()) continue;
      auto i = static_cast<size_t>(p);
      engine->receive(op, p, kCollectiveTag,
                      std::as_writable_bytes(std::span(&exchange->theirs[i], 1)), exchange);
      engine->send(op, p, kCollectiveTag, std::as_bytes(std::span(&exchange->mine[i], 1)),
                   exchange);
    }
  });
  op->then([rank = rank(), exchange] {
    for (int p = 0; p < static_cast<int>(exchange->mine.size()); ++p) {
      if (p == rank) continue;
      auto i = static_cast<size_t>(p);
      if (auto why = mismatch(exchange->mine[i], rank, exchange->theirs[i], p)) {
        throw PeerError(p, *why);
      }
    }
  });
  return op;
}

void DirectCommunicator::add_gather(Operation& op, const Array& send, Arrays recvs) const {
  op.then([engine = engine_.get(), &op, send, recvs] {
    for (int p = 0; p < engine->size(); ++p) {
      const Array& recv = (*recvs)[static_cast<size_t>(p)];
      if (p == engine->rank()) continue;
      engine->receive(op, p, kCollectiveTag, writable_bytes_of(recv), recv.storage());
      engine->send(op, p, kCollectiveTag, bytes_of(send), send.storage());
    }
    copy_bytes(send, (*recvs)[static_cast<size_t>(engine->rank())]);
  });
}

void DirectCommunicator::add_reduce_scatter(Operation& op, Arrays sends, const Array& recv,
                                            ReduceKind kind) const {
  int64_t longest = 0;
  for (const Array& array : *sends) longest = std::max(longest, array.numel());
  auto item = static_cast<int64_t>(item_size(recv.dtype()));
  int64_t peers = std::max(size() - 1, 1);
  int64_t piece = std::min(longest, kScratchBytes / (peers * item));
  auto scratch = std::make_shared<Array>();
  for (int64_t begin = 0; begin < longest; begin += piece) {
    int64_t end = begin + piece;
    op.then([engine = engine_.get(), &op, sends, recv, begin, end, piece, peers, scratch] {
      if (!scratch->defined()) *scratch = Array::empty({peers, piece}, recv.dtype());
      for (int p = 0, row = 0; p < engine->size(); ++p) {
        if (p == engine->rank()) continue;
        const Array& send = (*sends)[static_cast<size_t>(p)];
        Array theirs = part(scratch->select(0, row++), 0, part(recv, begin, end).numel());
        engine->receive(op, p, kCollectiveTag, writable_bytes_of(theirs), theirs.storage());
        engine->send(op, p, kCollectiveTag, bytes_of(part(send, begin, end)), send.storage());
      }
    });
    op.then([rank = rank(), sends, recv, begin, end, scratch, kind] {
      Array ours = part((*sends)[static_cast<size_t>(rank)], begin, end);
      Array out = part(recv, begin, end);
      std::vector<const void*> inputs;
      for (size_t p = 0, row = 0; p < sends->size(); ++p) {
        bool own = p == static_cast<size_t>(rank);
        inputs.push_back(own ? ours.raw() : scratch->select(0, static_cast<int64_t>(row++)).raw());
      }
      reduce_in_order(kind, recv.dtype(), inputs, out.raw(), out.numel());
    });
  }
}

void DirectCommunicator::add_small_all_reduce(Operation& op, const Array& array,
                                              ReduceKind kind) const {
  auto copies = std::make_shared<std::vector<Array>>();
  for (int p = 0; p < size(); ++p) {
    copies->push_back(p == rank() ? array : Array::empty(array.shape(), array.dtype()));
  }
  add_gather(op, array, copies);
  op.then([array, copies, kind] {
    std::vector<const void*> inputs;
    for (const Array& copy : *copies) inputs.push_back(copy.raw());
    reduce_in_order(kind, array.dtype(), inputs, array.raw(), array.numel());
  });
}

Work DirectCommunicator::all_reduce(const Array& array, ReduceKind kind) {
  require(CommOp::all_reduce, array);
  require_kind(CommOp::all_reduce, kind, array.dtype());
  Call call = next_call(CommOp::all_reduce, array.dtype(), array.numel(), {&array, 1});
  call.kind = static_cast<int32_t>(kind);
  auto op = collective(call);
  if (size() > 1 && static_cast<int64_t>(array.nbytes()) * (size() - 1) <= kSmallBytes) {
    add_small_all_reduce(*op, array, kind);
  } else if (size() > 1) {
    // Whole cache lines of f32, so that no two owners write to one.
    constexpr int64_t kLine = 16;
    int64_t slice = ((array.numel() + size() - 1) / size() + kLine - 1) / kLine * kLine;
    auto slices = std::make_shared<std::vector<Array>>();
    for (int64_t p = 0; p < size(); ++p) slices->push_back(part(array, p * slice, (p + 1) * slice));
    Array own = (*slices)[static_cast<size_t>(rank())];
    add_reduce_scatter(*op, slices, own, kind);
    add_gather(*op, own, slices);
  }
  return start(op);
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
  auto op = collective(call);
  add_reduce_scatter(
      *op, std::make_shared<std::vector<Array>>(send_per_rank.begin(), send_per_rank.end()), recv,
      kind);
  return start(op);
}

Work DirectCommunicator::gather_all(CommOp op_name, const Array& send,
                                    std::span<const Array> recv_per_rank) {
  require(op_name, send);
  require_one_per_rank(op_name, recv_per_rank);
  for (const Array& recv : recv_per_rank) require_like(op_name, recv, send.dtype());
  require_same_size(op_name, send, recv_per_rank[static_cast<size_t>(rank())], rank());
  auto op = collective(next_call(op_name, send.dtype(), total(recv_per_rank), recv_per_rank));
  add_gather(*op, send,
             std::make_shared<std::vector<Array>>(recv_per_rank.begin(), recv_per_rank.end()));
  return start(op);
}

Work DirectCommunicator::all_gather(const Array& send, std::span<const Array> recv_per_rank) {
  return gather_all(CommOp::all_gather, send, recv_per_rank);
}

Work DirectCommunicator::broadcast(const Array& array, int root) {
  require(CommOp::broadcast, array);
  require_rank(CommOp::broadcast, root);
  Call call = next_call(CommOp::broadcast, array.dtype(), array.numel(), {&array, 1});
  call.root = root;
  auto op = collective(call);
  op->then([engine = engine_.get(), &op = *op, array, root] {
    if (engine->rank() != root) {
      engine->receive(op, root, kCollectiveTag, writable_bytes_of(array), array.storage());
      return;
    }
    for (int p = 0; p < engine->size(); ++p) {
      if (p != root) engine->send(op, p, kCollectiveTag, bytes_of(array), array.storage());
    }
  });
  return start(op);
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

  std::vector<Call> calls(static_cast<size_t>(size()),
                          next_call(CommOp::all_to_all, dtype, total(send_per_rank)));
  for (size_t p = 0; p < calls.size(); ++p) {
    calls[p].bytes_to_reader = static_cast<int64_t>(send_per_rank[p].nbytes());
    calls[p].bytes_from_reader = static_cast<int64_t>(recv_per_rank[p].nbytes());
  }
  auto op = collective(std::move(calls));
  op->then([engine = engine_.get(), &op = *op,
            sends = std::vector<Array>(send_per_rank.begin(), send_per_rank.end()),
            recvs = std::vector<Array>(recv_per_rank.begin(), recv_per_rank.end())] {
    for (int p = 0; p < engine->size(); ++p) {
      const Array& send = sends[static_cast<size_t>(p)];
      const Array& recv = recvs[static_cast<size_t>(p)];
      if (p == engine->rank()) {
        copy_bytes(send, recv);
        continue;
      }
      engine->receive(op, p, kCollectiveTag, writable_bytes_of(recv), recv.storage());
      engine->send(op, p, kCollectiveTag, bytes_of(send), send.storage());
    }
  });
  return start(op);
}

std::shared_ptr<Operation> DirectCommunicator::rooted(CommOp op_name, const Array& own,
                                                      std::span<const Array> per_rank, int root) {
  require(op_name, own);
  require_rank(op_name, root);
  if (rank() == root) {
    require_one_per_rank(op_name, per_rank);
    for (const Array& array : per_rank) require_like(op_name, array, own.dtype());
    require_same_size(op_name, own, per_rank[static_cast<size_t>(root)], root);
  } else {
    TESSERA_CHECK(per_rank.empty(), "[{}] expected a list of arrays on root {} alone, got {} here",
                  name(op_name), root, per_rank.size());
  }
  Call call = next_call(op_name, own.dtype(), rank() == root ? total(per_rank) : own.numel());
  call.root = root;
  std::vector<Call> calls(static_cast<size_t>(size()), call);
  bool to_root = op_name == CommOp::gather;
  for (size_t p = 0; p < calls.size(); ++p) {
    if (rank() != root && p != static_cast<size_t>(root)) continue;
    bool reads = to_root == (rank() == root);
    int64_t& bytes = reads ? calls[p].bytes_from_reader : calls[p].bytes_to_reader;
    bytes = static_cast<int64_t>((rank() == root ? per_rank[p] : own).nbytes());
  }
  return collective(std::move(calls));
}

Work DirectCommunicator::gather(const Array& send, std::span<const Array> recv_per_rank, int root) {
  auto op = rooted(CommOp::gather, send, recv_per_rank, root);
  op->then([engine = engine_.get(), &op = *op, send, root,
            recvs = std::vector<Array>(recv_per_rank.begin(), recv_per_rank.end())] {
    for (int p = 0; p < static_cast<int>(recvs.size()); ++p) {
      const Array& recv = recvs[static_cast<size_t>(p)];
      if (p == root) copy_bytes(send, recv);
      else engine->receive(op, p, kCollectiveTag, writable_bytes_of(recv), recv.storage());
    }
    if (recvs.empty()) engine->send(op, root, kCollectiveTag, bytes_of(send), send.storage());
  });
  return start(op);
}

Work DirectCommunicator::scatter(std::span<const Array> send_per_rank, const Array& recv,
                                 int root) {
  auto op = rooted(CommOp::scatter, recv, send_per_rank, root);
  op->then([engine = engine_.get(), &op = *op, recv, root,
            sends = std::vector<Array>(send_per_rank.begin(), send_per_rank.end())] {
    for (int p = 0; p < static_cast<int>(sends.size()); ++p) {
      const Array& send = sends[static_cast<size_t>(p)];
      if (p == root) copy_bytes(send, recv);
      else engine->send(op, p, kCollectiveTag, bytes_of(send), send.storage());
    }
    if (sends.empty()) {
      engine->receive(op, root, kCollectiveTag, writable_bytes_of(recv), recv.storage());
    }
  });
  return start(op);
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
      engine->send(op, peer, tag, bytes_of(array), array.storage());
    } else {
      engine->receive(op, peer, tag, std::as_writable_bytes(std::span(&calls->second, 1)), calls);
      engine->receive(op, peer, tag, writable_bytes_of(array), array.storage(), 1);
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
  return start(collective(next_call(CommOp::barrier, DType::u8, 0)));
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
