#include "launcher/rendezvous/orders.h"

#include "launcher/job/exit_codes.h"

namespace tessera::rendezvous {
namespace {

void fill_finish(const v1::Record::Finished& finished, v1::Order& order) {
  order.set_kind(v1::Order::KIND_FINISH);
  order.set_exit_code(finished.exit_code());
  order.set_reason(finished.reason());
  if (finished.has_failure()) *order.mutable_failure() = finished.failure();
}

void fill_end(const v1::Record::Ending& ending, v1::Order& order) {
  order.set_kind(v1::Order::KIND_END);
  order.set_graceful(ending.graceful());
  order.set_reason(ending.reason());
}

// The others go on; for this node the job has stopped with a checkpoint.
void fill_farewell(v1::Order& order) {
  order.set_kind(v1::Order::KIND_FINISH);
  order.set_exit_code(job::exit_codes::kStopped);
  order.set_reason("this node has left");
}

}  // namespace

bool needs_plan(State state, const Addressee& to) {
  return state == State::preparing && to.in_plan && !to.has_plan;
}

v1::Order order_for(const Standing& standing, const Addressee& to) {
  v1::Order order;
  order.set_acknowledged(to.sequence);
  order.set_generation(standing.generation);
  if (standing.state == State::finished) {
    fill_finish(standing.finished, order);
  } else if (standing.state == State::ending && to.in_plan) {
    fill_end(standing.ending, order);
  } else if (to.leaving && (!to.in_plan || standing.state == State::gathering)) {
    fill_farewell(order);
  } else if (standing.state == State::running && to.in_plan) {
    order.set_kind(v1::Order::KIND_START);
  } else if (needs_plan(standing.state, to)) {
    order.set_kind(v1::Order::KIND_PREPARE);
  } else {
    order.set_kind(v1::Order::KIND_WAIT);
    order.set_reason(standing.waiting);
  }
  return order;
}

v1::Order fencing_order(const v1::Beat& beat, int64_t generation) {
  v1::Order order;
  order.set_kind(v1::Order::KIND_FENCED);
  order.set_acknowledged(beat.sequence());
  order.set_generation(generation);
  order.set_reason("not a member of this job, or not any more");
  return order;
}

}  // namespace tessera::rendezvous
