#include "distributed/comm/checked_communicator.h"

#include <numeric>

namespace tessera {
namespace {

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

std::vector<Array> list(std::span<const Array> arrays) { return {arrays.begin(), arrays.end()}; }

}  // namespace

void CheckedCommunicator::require(CommOp op, const Array& array) const {
  TESSERA_CHECK(array.defined(), "[{}] expected an array, got an undefined one", name(op));
  TESSERA_CHECK(takes(array.device()),
                "[{}] expected an array of the communicator's device, {}, got one of {}", name(op),
                device(), array.device());
  TESSERA_CHECK(array.is_contiguous(),
                "[{}] expected a contiguous array, got shape {} with strides {}", name(op),
                array.shape(), array.strides());
}

void CheckedCommunicator::require_like(CommOp op, const Array& array, DType dtype) const {
  require(op, array);
  TESSERA_CHECK(array.dtype() == dtype, "[{}] expected arrays of one dtype, got {} and {}",
                name(op), dtype, array.dtype());
}

Call CheckedCommunicator::next_call(CommOp op, DType dtype, int64_t elements,
                                    std::span<const Array> same_shapes) {
  Call call;
  call.sequence = num_collectives_++;
  call.op = op;
  call.dtype = static_cast<int32_t>(dtype);
  call.elements = elements;
  call.sizes_hash = hash_shapes(same_shapes);
  set_place(call, site_, where_ ? where_() : std::string_view());
  if (on_call_) on_call_(fmt::format("{} at {}", describe(call), call.place.data()));
  return call;
}

void CheckedCommunicator::require_rank(CommOp op, int rank) const {
  TESSERA_CHECK(rank >= 0 && rank < size(), "[{}] expected a rank in [0, {}), got {}", name(op),
                size(), rank);
}

void CheckedCommunicator::require_one_per_rank(CommOp op, std::span<const Array> arrays) const {
  TESSERA_CHECK(arrays.size() == static_cast<size_t>(size()),
                "[{}] expected one array per rank, {}, got {}", name(op), size(), arrays.size());
}

Work CheckedCommunicator::all_reduce(const Array& array, ReduceKind kind, CallSite site) {
  site_ = site;
  require(CommOp::all_reduce, array);
  require_kind(CommOp::all_reduce, kind, array.dtype());
  Call call = next_call(CommOp::all_reduce, array.dtype(), array.numel(), {&array, 1});
  call.kind = static_cast<int32_t>(kind);
  return reduce_for_all(same_for_all(call), array, kind);
}

Work CheckedCommunicator::reduce_scatter(std::span<const Array> send_per_rank, const Array& recv,
                                         ReduceKind kind, CallSite site) {
  site_ = site;
  require(CommOp::reduce_scatter, recv);
  require_kind(CommOp::reduce_scatter, kind, recv.dtype());
  require_one_per_rank(CommOp::reduce_scatter, send_per_rank);
  for (const Array& send : send_per_rank) require_like(CommOp::reduce_scatter, send, recv.dtype());
  require_same_size(CommOp::reduce_scatter, recv, send_per_rank[static_cast<size_t>(rank())],
                    rank());
  Call call = next_call(CommOp::reduce_scatter, recv.dtype(), total(send_per_rank), send_per_rank);
  call.kind = static_cast<int32_t>(kind);
  return reduce_to_shards(same_for_all(call), list(send_per_rank), recv, kind);
}

Work CheckedCommunicator::gather_for_all(CommOp op_name, const Array& send,
                                         std::span<const Array> recv_per_rank, CallSite site) {
  site_ = site;
  require(op_name, send);
  require_one_per_rank(op_name, recv_per_rank);
  for (const Array& recv : recv_per_rank) require_like(op_name, recv, send.dtype());
  require_same_size(op_name, send, recv_per_rank[static_cast<size_t>(rank())], rank());
  Call call = next_call(op_name, send.dtype(), total(recv_per_rank), recv_per_rank);
  return move(same_for_all(call), same_for_all(send), list(recv_per_rank));
}

Work CheckedCommunicator::all_gather(const Array& send, std::span<const Array> recv_per_rank,
                                     CallSite site) {
  return gather_for_all(CommOp::all_gather, send, recv_per_rank, site);
}

Work CheckedCommunicator::broadcast(const Array& array, int root, CallSite site) {
  site_ = site;
  require(CommOp::broadcast, array);
  require_rank(CommOp::broadcast, root);
  Call call = next_call(CommOp::broadcast, array.dtype(), array.numel(), {&array, 1});
  call.root = root;
  if (rank() == root) return move(same_for_all(call), same_for_all(array), same_for_all(Array()));
  return move(same_for_all(call), same_for_all(Array()), only_at(root, array));
}

CheckedCommunicator::Arrays CheckedCommunicator::only_at(int rank, const Array& array) const {
  Arrays arrays(static_cast<size_t>(size()));
  arrays[static_cast<size_t>(rank)] = array;
  return arrays;
}

Work CheckedCommunicator::all_to_all(std::span<const Array> send_per_rank,
                                     std::span<const Array> recv_per_rank, CallSite site) {
  site_ = site;
  require_one_per_rank(CommOp::all_to_all, send_per_rank);
  require_one_per_rank(CommOp::all_to_all, recv_per_rank);
  require(CommOp::all_to_all, send_per_rank[0]);
  DType dtype = send_per_rank[0].dtype();
  for (const Array& send : send_per_rank) require_like(CommOp::all_to_all, send, dtype);
  for (const Array& recv : recv_per_rank) require_like(CommOp::all_to_all, recv, dtype);
  auto own = static_cast<size_t>(rank());
  require_same_size(CommOp::all_to_all, send_per_rank[own], recv_per_rank[own], rank());

  Calls calls = same_for_all(next_call(CommOp::all_to_all, dtype, total(send_per_rank)));
  for (size_t p = 0; p < calls.size(); ++p) {
    calls[p].bytes_to_reader = static_cast<int64_t>(send_per_rank[p].nbytes());
    calls[p].bytes_from_reader = static_cast<int64_t>(recv_per_rank[p].nbytes());
  }
  return move(std::move(calls), list(send_per_rank), list(recv_per_rank));
}

CheckedCommunicator::Calls CheckedCommunicator::rooted_calls(CommOp op_name, const Array& own,
                                                             std::span<const Array> per_rank,
                                                             int root) {
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
  Calls calls = same_for_all(call);
  bool sends = is_root == (op_name == CommOp::scatter);
  for (size_t p = 0; p < calls.size(); ++p) {
    if (!is_root && p != static_cast<size_t>(root)) continue;
    int64_t& bytes = sends ? calls[p].bytes_to_reader : calls[p].bytes_from_reader;
    bytes = static_cast<int64_t>((is_root ? per_rank[p] : own).nbytes());
  }
  return calls;
}

Work CheckedCommunicator::gather(const Array& send, std::span<const Array> recv_per_rank, int root,
                                 CallSite site) {
  site_ = site;
  auto calls = rooted_calls(CommOp::gather, send, recv_per_rank, root);
  Arrays recvs = rank() == root ? list(recv_per_rank) : same_for_all(Array());
  return move(std::move(calls), only_at(root, send), std::move(recvs));
}

Work CheckedCommunicator::scatter(std::span<const Array> send_per_rank, const Array& recv, int root,
                                  CallSite site) {
  site_ = site;
  auto calls = rooted_calls(CommOp::scatter, recv, send_per_rank, root);
  Arrays sends = rank() == root ? list(send_per_rank) : same_for_all(Array());
  return move(std::move(calls), std::move(sends), only_at(root, recv));
}

Work CheckedCommunicator::to_or_from(CommOp op, const Array& array, int peer, int tag) {
  require(op, array);
  require_rank(op, peer);
  TESSERA_CHECK(tag >= 0 && tag <= kMaxTag, "[{}] expected a tag in [0, {}], got {}", name(op),
                kMaxTag, tag);
  Call call;
  call.sequence = num_point_to_point_++;
  set_place(call, site_, where_ ? where_() : std::string_view());
  call.op = op;
  call.dtype = static_cast<int32_t>(array.dtype());
  call.elements = array.numel();
  return point_to_point(call, array, peer, tag);
}

Work CheckedCommunicator::send(const Array& array, int peer, int tag, CallSite site) {
  site_ = site;
  return to_or_from(CommOp::send, array, peer, tag);
}

Work CheckedCommunicator::recv(const Array& array, int peer, int tag, CallSite site) {
  site_ = site;
  return to_or_from(CommOp::recv, array, peer, tag);
}

Work CheckedCommunicator::barrier(CallSite site) {
  site_ = site;
  return move(same_for_all(next_call(CommOp::barrier, DType::u8, 0)), same_for_all(Array()),
              same_for_all(Array()));
}

}  // namespace tessera
