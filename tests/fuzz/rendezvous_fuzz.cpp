// Every message handler of the rendezvous: the input is a list of messages, each with a byte for
// its kind, one for its length and one for the time since the last. After each of them the
// coordinator must come back from its own snapshot.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "launcher/rendezvous/coordinator.h"

namespace {

using namespace tessera::rendezvous;  // NOLINT(google-build-using-namespace)

// A member that fuzzed messages can speak for.
const char* const kSecret = "0123456789abcdef";

v1::JoinRequest honest_join() {
  v1::JoinRequest request;
  request.mutable_node()->set_host("a");
  request.mutable_node()->set_address("a");
  request.mutable_node()->set_slots(1);
  request.mutable_node()->set_node_rank(-1);
  request.mutable_job()->set_min_nodes(1);
  request.mutable_job()->set_max_nodes(3);
  request.mutable_job()->set_max_restarts(5);
  request.set_secret(kSecret);
  return request;
}

template <class Message>
Message parsed(const uint8_t* data, size_t size) {
  Message message;
  message.ParsePartialFromArray(data, static_cast<int>(size));
  return message;
}

template <class Message>
Message from_member(const uint8_t* data, size_t size) {
  auto message = parsed<Message>(data, size);
  if (message.secret().empty()) message.set_secret(kSecret);
  if (message.member() == 0) message.set_member(1);
  return message;
}

Input input_of(int kind, const uint8_t* data, size_t size) {
  switch (kind % 8) {
    case 0: return BeatCall{1, from_member<v1::Beat>(data, size)};
    case 1: return JoinCall{2, parsed<v1::JoinRequest>(data, size)};
    case 2: return LeaveCall{3, from_member<v1::LeaveRequest>(data, size)};
    case 3: return FenceCall{4, from_member<v1::FenceRequest>(data, size)};
    case 4: return PutCall{5, parsed<v1::PutRequest>(data, size)};
    case 5: return GetCall{6, parsed<v1::GetRequest>(data, size)};
    case 6: return DrainCall{7, parsed<v1::DrainRequest>(data, size)};
    default: return Tick{};
  }
}

void check_restores(const Coordinator& coordinator, Millis now) {
  Coordinator other({}, {}, now);
  other.restore(coordinator.snapshot(), now);
  bool same = other.generation() == coordinator.generation() &&
              other.num_members() == coordinator.num_members();
  if (!same) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Coordinator coordinator({}, {}, 0);
  Millis now = 0;
  coordinator.step(now, JoinCall{1, honest_join()});
  while (size >= 3) {
    int kind = data[0];
    size_t length = data[1] < size - 3 ? data[1] : size - 3;
    now += data[2] * 10;
    coordinator.step(now, input_of(kind, data + 3, length));
    coordinator.step(now, Tick{});
    data += 3 + length;
    size -= 3 + length;
  }
  check_restores(coordinator, now);
  return 0;
}
