#include "launcher/agent/user_messages.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/printable.h"
#include "launcher/rendezvous/ending.h"

namespace tessera::agent {

void UserMessages::say(const std::string& text) {
  output_.say("tessera launch: " + printable_lines(text));
}

void UserMessages::say_error(const std::string& text) {
  output_.say("tessera: " + printable_lines(text));
}

void UserMessages::tell(const v1::Order& order) {
  bool is_news = !order.reason().empty() && order.reason() != told_;
  if (!is_news || order.kind() == v1::Order::KIND_FINISH) return;
  told_ = order.reason();
  // Where nothing comes after it, the job's end says the same.
  if (order.kind() == v1::Order::KIND_END && tells_ends_ && told_ != rendezvous::kAllEnded) {
    say(fmt::format("generation {} ends: {}", order.generation(), told_));
  }
  if (order.kind() == v1::Order::KIND_WAIT && order.generation() > 0) say(told_);
}

void UserMessages::tell_end(const v1::Order& order) {
  if (!order.has_failure()) {
    if (order.exit_code() != 0) say(order.reason());
    return;
  }
  const v1::Failure& failure = order.failure();
  say_error(failure.text());
  // What ranks of this node have said is here already.
  if (failure.stderr_tail().empty() || failure.host() == host_) return;
  output_.say("The end of its standard error:");
  const std::string& tail = failure.stderr_tail();
  for (size_t begin = 0; begin < tail.size();) {
    size_t end = std::min(tail.find('\n', begin), tail.size());
    output_.say("  " + tail.substr(begin, end - begin));
    begin = end + 1;
  }
}

}  // namespace tessera::agent
