#include "distributed/comm/direct/collective_steps.h"

#include <algorithm>
#include <cstring>

#include "distributed/comm/direct/tags.h"
#include "distributed/comm/reduce_arrays.h"

namespace tessera {
namespace {

// Peers' pieces of one round of a reduction; a round of a few MiB hides its latency.
constexpr int64_t kScratchBytes = int64_t{16} << 20;
// Up to here all ranks send each other the whole array and reduce it themselves: more bytes, but
// one exchange fewer.
constexpr int64_t kSmallBytes = int64_t{16} << 10;

using Arrays = std::vector<Array>;

void copy_bytes(const Array& from, const Array& to) {
  if (from.raw() != to.raw() && from.numel() > 0) std::memcpy(to.raw(), from.raw(), from.nbytes());
}

// One for each rank, which reduces it for all.
Arrays slices_of(const Array& array, int num_ranks) {
  // Whole cache lines of f32, so that no two owners write to one.
  constexpr int64_t kLine = 16;
  int64_t slice = ((array.numel() + num_ranks - 1) / num_ranks + kLine - 1) / kLine * kLine;
  Arrays slices;
  for (int64_t p = 0; p < num_ranks; ++p) {
    slices.push_back(slice_of(array, p * slice, (p + 1) * slice));
  }
  return slices;
}

// sends[p] goes to rank p and recvs[p] comes from it; what this rank has for itself is copied.
void exchange_messages(Engine& engine, Operation& op, const Arrays& sends, const Arrays& recvs) {
  for (int p = 0; p < engine.size(); ++p) {
    const Array& send = sends[static_cast<size_t>(p)];
    const Array& recv = recvs[static_cast<size_t>(p)];
    if (p == engine.rank()) {
      copy_bytes(send, recv);
      continue;
    }
    receive_array(engine, op, p, kDataTag, recv);
    send_array(engine, op, p, kDataTag, send);
  }
}

// A reduction of `recv.numel()` elements, round by round, so that the peers' pieces need little
// memory. sends[p] is rank p's, by messages alone where there is no exchange.
struct Rounds {
  std::shared_ptr<Exchange> exchange;
  Engine& engine;
  Arrays sends;
  Array recv;
  ReduceKind kind;
  int64_t longest = 0;
  int64_t piece = 1;
  Array scratch;                    // (peers, piece), when it is needed
  std::vector<const void*> inputs;  // of this round, in rank order

  Rounds(std::shared_ptr<Exchange> how, Engine& with, Arrays from, Array to, ReduceKind what)
      : exchange(std::move(how)),
        engine(with),
        sends(std::move(from)),
        recv(std::move(to)),
        kind(what) {
    for (const Array& array : sends) longest = std::max(longest, array.numel());
    auto item = static_cast<int64_t>(item_size(recv.dtype()));
    piece = std::max<int64_t>(std::min(longest, kScratchBytes / (peers() * item)), 1);
  }

  int64_t peers() const { return std::max(engine.size() - 1, 1); }

  void begin(Operation& op, int64_t first) {
    inputs.clear();
    for (int p = 0, row = 0; p < engine.size(); ++p) {
      Array send = slice_of(sends[static_cast<size_t>(p)], first, first + piece);
      if (p == engine.rank()) {
        inputs.push_back(send.raw());
        continue;
      }
      if (!exchange || !exchange->reads_in_place(p)) send_array(engine, op, p, kDataTag, send);
      if (const std::byte* there = exchange ? exchange->reach(p, recv.nbytes()) : nullptr) {
        inputs.push_back(there + first * static_cast<int64_t>(item_size(recv.dtype())));
        continue;
      }
      if (!scratch.defined()) scratch = Array::empty({peers(), piece}, recv.dtype());
      Array theirs =
          slice_of(scratch.select(0, row++), 0, slice_of(recv, first, first + piece).numel());
      receive_array(engine, op, p, kDataTag, theirs);
      inputs.push_back(theirs.raw());
    }
  }
  void end(int64_t first) const {
    Array out = slice_of(recv, first, first + piece);
    reduce_in_order(kind, recv.dtype(), inputs, out.raw(), out.numel());
  }
};

void add_rounds(Operation& op, const std::shared_ptr<Rounds>& rounds) {
  for (int64_t first = 0; first < rounds->longest; first += rounds->piece) {
    op.then([&op, rounds, first] { rounds->begin(op, first); });
    op.then([rounds, first] { rounds->end(first); });
  }
}

// Every rank reduces its slice of all ranks' arrays where they lie, and writes it to all of them.
void all_reduce_in_place(const Exchange& exchange, const Array& array, ReduceKind kind) {
  const Engine& engine = exchange.engine();
  Array own = slices_of(array, engine.size())[static_cast<size_t>(engine.rank())];
  auto offset = static_cast<const std::byte*>(own.raw()) - static_cast<std::byte*>(array.raw());
  std::vector<void*> slices;
  for (int p = 0; p < engine.size(); ++p) {
    bool ours = p == engine.rank();
    slices.push_back(ours ? own.raw() : exchange.reach(p, array.nbytes()) + offset);
  }
  std::vector<const void*> inputs(slices.begin(), slices.end());
  reduce_in_order(kind, array.dtype(), inputs, slices, own.numel());
}

// Every rank reduces the arrays that came with the calls.
void reduce_carried(const Exchange& exchange, const Array& array, ReduceKind kind) {
  std::vector<const void*> inputs;
  for (int p = 0; p < exchange.engine().size(); ++p) {
    bool ours = p == exchange.engine().rank();
    inputs.push_back(ours ? array.raw() : exchange.carried(p));
  }
  reduce_in_order(kind, array.dtype(), inputs, array.raw(), array.numel());
}

void add_small_all_reduce(Engine& engine, Operation& op, const Array& array, ReduceKind kind) {
  Arrays copies;
  for (int p = 0; p < engine.size(); ++p) {
    copies.push_back(p == engine.rank() ? array : Array::empty(array.shape(), array.dtype()));
  }
  exchange_messages(engine, op, Arrays(copies.size(), array), copies);
  op.then([array, copies, kind] {
    std::vector<const void*> inputs;
    for (const Array& copy : copies) inputs.push_back(copy.raw());
    reduce_in_order(kind, array.dtype(), inputs, array.raw(), array.numel());
  });
}

void add_all_reduce_by_messages(Engine& engine, Operation& op, const Array& array,
                                ReduceKind kind) {
  if (static_cast<int64_t>(array.nbytes()) * (engine.size() - 1) <= kSmallBytes) {
    add_small_all_reduce(engine, op, array, kind);
    return;
  }
  Arrays slices = slices_of(array, engine.size());
  Array own = slices[static_cast<size_t>(engine.rank())];
  add_rounds(op, std::make_shared<Rounds>(nullptr, engine, slices, own, kind));
  op.then([&engine, &op, slices, own] {
    exchange_messages(engine, op, Arrays(slices.size(), own), slices);
  });
}

}  // namespace

Array slice_of(const Array& array, int64_t begin, int64_t end) {
  return array.view({array.numel()}).slice(0, begin, end);
}

void send_array(Engine& engine, Operation& op, int peer, int tag, const Array& array) {
  engine.send(op, peer, tag, {static_cast<const std::byte*>(array.raw()), array.nbytes()},
              array.storage());
}

void receive_array(Engine& engine, Operation& op, int peer, int tag, const Array& array,
                   size_t later) {
  engine.receive(op, peer, tag, {static_cast<std::byte*>(array.raw()), array.nbytes()},
                 array.storage(), later);
}

void add_move(const Collective& collective, std::vector<Array> recvs) {
  recvs.resize(static_cast<size_t>(collective.exchange->engine().size()));
  collective.op->then([&op = *collective.op, x = collective.exchange, recvs = std::move(recvs)] {
    Engine& engine = x->engine();
    for (int p = 0; p < engine.size(); ++p) {
      const Array& recv = recvs[static_cast<size_t>(p)];
      const Array& offer = x->offer(p);
      if (p == engine.rank()) {
        if (offer.defined() && recv.defined()) copy_bytes(offer, recv);
        continue;
      }
      if (recv.defined()) {
        const std::byte* there = x->reach(p, recv.nbytes());
        if (there) std::memcpy(recv.raw(), there, recv.nbytes());
        else receive_array(engine, op, p, kDataTag, recv);
      }
      if (offer.defined() && !x->reads_in_place(p)) send_array(engine, op, p, kDataTag, offer);
    }
    x->take(op);
  });
}

void add_reduce_scatter(const Collective& collective, const Array& recv, ReduceKind kind) {
  auto& [op, exchange] = collective;
  add_rounds(
      *op, std::make_shared<Rounds>(exchange, exchange->engine(), exchange->offers(), recv, kind));
  op->then([&op = *op, x = exchange] { x->take(op); });
}

void add_all_reduce(const Collective& collective, const Array& array, ReduceKind kind) {
  collective.op->then([&op = *collective.op, x = collective.exchange, array, kind] {
    if (x->engine().size() == 1) return;
    bool in_place = x->carries() || x->all_in_reach();
    if (x->carries()) reduce_carried(*x, array, kind);
    else if (in_place) all_reduce_in_place(*x, array, kind);
    x->take(op);
    if (!in_place) add_all_reduce_by_messages(x->engine(), op, array, kind);
  });
}

}  // namespace tessera
