// What collectives are made of, once their exchange has taken place: functions that append steps to
// an operation. Offers in reach are read and written where they lie, others travel as messages.
#pragma once

#include "distributed/comm/direct/exchange.h"

namespace tessera {

// A collective under way, and how it began. Steps hold the exchange.
struct Collective {
  std::shared_ptr<Operation> op;
  std::shared_ptr<Exchange> exchange;
};

// Elements [begin, end) of an array seen flat, as far as it has them.
Array slice_of(const Array& array, int64_t begin, int64_t end);
void send_array(Engine& engine, Operation& op, int peer, int tag, const Array& array);
void receive_array(Engine& engine, Operation& op, int peer, int tag, const Array& array,
                   size_t later = 0);

// recvs[p] = rank p's offer, where recvs[p] is defined. All that most collectives do.
void add_move(const Collective& collective, std::vector<Array> recvs);

// recv = reduction, in rank order, of what all ranks offer this one. Takes up to 16 MiB of scratch
// memory where messages are needed.
void add_reduce_scatter(const Collective& collective, const Array& recv, ReduceKind kind);

// array = reduction, in rank order, of every rank's array, which each offers to all.
void add_all_reduce(const Collective& collective, const Array& array, ReduceKind kind);

}  // namespace tessera
