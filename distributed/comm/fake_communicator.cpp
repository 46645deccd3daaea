#include "distributed/comm/fake_communicator.h"

#include "distributed/comm/reduce_arrays.h"

namespace tessera {
namespace {

bool has_data(const Array& array) { return array.device().type == DeviceType::cpu; }

// The reduction of `size` copies.
void reduce_copies(const Array& from, const Array& to, int size, ReduceKind kind) {
  if (!has_data(from) || from.numel() == 0) return;
  std::vector<const void*> inputs(static_cast<size_t>(size), from.raw());
  reduce_in_order(kind, from.dtype(), inputs, to.raw(), from.numel());
}

void arrive(const Array& like, const Array& at) {
  if (!has_data(at)) return;
  bool same = like.defined() && like.numel() == at.numel();
  if (!same) at.fill_(0);
  else if (like.raw() != at.raw()) at.view({at.numel()}).copy_(like.view({like.numel()}));
}

// What a transfer keeps alive until it is done, which here is when somebody waits for it: no real
// one is later.
class Transfer final : public Work::State {
 public:
  Transfer(std::vector<Array> sends, std::vector<Array> recvs)
      : sends_(std::move(sends)), recvs_(std::move(recvs)) {}
  void order_stream() override {
    sends_.clear();
    recvs_.clear();
  }
  void join(std::chrono::milliseconds) override { order_stream(); }
  std::chrono::milliseconds default_timeout() const override { return {}; }

 private:
  std::vector<Array> sends_;
  std::vector<Array> recvs_;
};

Work transfer(std::vector<Array> sends, std::vector<Array> recvs) {
  return Work(std::make_shared<Transfer>(std::move(sends), std::move(recvs)));
}

}  // namespace

FakeCommunicator::FakeCommunicator(int rank, int size, Device device)
    : rank_(rank), size_(size), device_(device), log_(std::make_shared<Log>()) {
  TESSERA_CHECK(size >= 1 && rank >= 0 && rank < size,
                "[FakeCommunicator] expected a rank in [0, {}), got {}", size, rank);
}

FakeCommunicator::FakeCommunicator(int rank, std::vector<int> ranks, Device device,
                                   std::shared_ptr<Log> log)
    : rank_(rank),
      size_(static_cast<int>(ranks.size())),
      ranks_(std::move(ranks)),
      device_(device),
      log_(std::move(log)) {
  // FNV-1a.
  group_ = 14695981039346656037U;
  for (int member : ranks_) group_ = (group_ ^ static_cast<uint64_t>(member)) * 1099511628211U;
}

Array FakeCommunicator::allocate(Dims shape, DType dtype) {
  return Array::empty(std::move(shape), dtype, device_);
}

void FakeCommunicator::note(const Call& call) {
  if (!aborted_.empty())
    throw CommError(std::string(name(call.op)), call.sequence, rank_, -1, aborted_);
  log_->calls.push_back(call);
  log_->groups.push_back(group_);
}

Work FakeCommunicator::move(Calls calls, Arrays sends, Arrays recvs) {
  note(calls[static_cast<size_t>(rank_)]);
  const Array& own = sends[static_cast<size_t>(rank_)];
  for (int p = 0; p < size_; ++p) {
    const Array& send = sends[static_cast<size_t>(p)];
    const Array& recv = recvs[static_cast<size_t>(p)];
    if (p != rank_ && send.defined()) log_->sent_bytes += static_cast<int64_t>(send.nbytes());
    // Who receives from root alone has nothing of his own: it stays as it is.
    if (recv.defined() && own.defined()) arrive(own, recv);
  }
  return transfer(std::move(sends), std::move(recvs));
}

// Every peer's shard goes to it.
Work FakeCommunicator::reduce_to_shards(Calls calls, Arrays sends, const Array& recv,
                                        ReduceKind kind) {
  note(calls[static_cast<size_t>(rank_)]);
  for (int p = 0; p < size_; ++p) {
    const Array& send = sends[static_cast<size_t>(p)];
    if (p != rank_) log_->sent_bytes += static_cast<int64_t>(send.nbytes());
    else reduce_copies(send, recv, size_, kind);
  }
  return transfer(std::move(sends), {recv});
}

// All but an own slice goes to its owners, and that slice's sum to all the others.
Work FakeCommunicator::reduce_for_all(Calls calls, const Array& array, ReduceKind kind) {
  note(calls[static_cast<size_t>(rank_)]);
  auto bytes = static_cast<int64_t>(array.nbytes());
  int64_t slice = (bytes + size_ - 1) / size_;
  log_->sent_bytes += bytes - slice + slice * (size_ - 1);
  reduce_copies(array, array, size_, kind);
  return transfer({array}, {});
}

Work FakeCommunicator::point_to_point(const Call& call, const Array& array, int peer, int) {
  note(call);
  if (call.op == CommOp::recv) arrive(Array(), array);
  else if (peer != rank_) log_->sent_bytes += static_cast<int64_t>(array.nbytes());
  return Work();
}

std::unique_ptr<Communicator> FakeCommunicator::split(int color, int, CallSite) {
  TESSERA_CHECK(color >= -1, "[split] expected a color of at least -1, got {}", color);
  TESSERA_CHECK(size_ == 1 || color == -1,
                "[split] one rank cannot know the colors of the others it stands for");
  if (color == -1) return nullptr;
  int self = ranks_.empty() ? rank_ : ranks_[static_cast<size_t>(rank_)];
  return std::unique_ptr<Communicator>(new FakeCommunicator(0, {self}, device_, log_));
}

std::unique_ptr<Communicator> FakeCommunicator::subgroup(std::span<const int> members, CallSite) {
  auto own = std::find(members.begin(), members.end(), rank_);
  TESSERA_CHECK(own != members.end(), "[subgroup] rank {} is not among the members it names",
                rank_);
  std::vector<int> ranks;
  for (int member : members) {
    ranks.push_back(ranks_.empty() ? member : ranks_[static_cast<size_t>(member)]);
  }
  return std::unique_ptr<Communicator>(new FakeCommunicator(static_cast<int>(own - members.begin()),
                                                            std::move(ranks), device_, log_));
}

void FakeCommunicator::abort(const std::string& message) {
  aborted_ = fmt::format("aborted by rank {}: {}", rank_, message);
}

}  // namespace tessera
