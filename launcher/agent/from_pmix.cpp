#include "launcher/agent/from_pmix.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>

#include "launcher/agent/to_pmix.h"
#include "launcher/agent/typed_frames.h"

namespace tessera::agent {
namespace {

std::string digits_of(int64_t number) { return fmt::format("{}", number); }

int read_index(Fields& fields) {
  return static_cast<int>(fields.number("local_index", 0, kMaxWorldSize - 1));
}

int read_rank(Fields& fields) {
  return static_cast<int>(fields.number("rank", 0, kMaxWorldSize - 1));
}

}  // namespace

namespace from_pmix {

std::vector<std::string> Started::fields() const {
  return {digits_of(local_index), digits_of(process)};
}

Started Started::read(Fields& fields) {
  Started out;
  out.local_index = read_index(fields);
  out.process = static_cast<pid_t>(fields.number("pid", 1, std::numeric_limits<pid_t>::max()));
  return out;
}

std::vector<std::string> ExecFailed::fields() const { return {digits_of(local_index), text}; }

ExecFailed ExecFailed::read(Fields& fields) {
  ExecFailed out;
  out.local_index = read_index(fields);
  out.text = fields.bytes("text");
  return out;
}

std::vector<std::string> Connected::fields() const { return {digits_of(rank)}; }
Connected Connected::read(Fields& fields) { return {read_rank(fields)}; }

std::vector<std::string> Finalized::fields() const { return {digits_of(rank)}; }
Finalized Finalized::read(Fields& fields) { return {read_rank(fields)}; }

std::vector<std::string> Aborted::fields() const {
  return {digits_of(rank), digits_of(status), message};
}

Aborted Aborted::read(Fields& fields) {
  Aborted out;
  out.rank = read_rank(fields);
  out.status = fields.status();
  out.message = fields.bytes("message");
  return out;
}

std::vector<std::string> Exited::fields() const {
  return {digits_of(local_index), by_signal ? "signal" : "exit", digits_of(value)};
}

Exited Exited::read(Fields& fields) {
  Exited out;
  out.local_index = read_index(fields);
  std::string how = fields.text("how");
  if (how != "signal" && how != "exit") {
    fields.fail("how", "'exit' or 'signal'", fmt::format("'{}'", how));
  }
  out.by_signal = how == "signal";
  out.value = static_cast<int>(fields.number("value", out.by_signal ? 1 : 0, 255));
  return out;
}

std::vector<std::string> Fence::fields() const {
  return {key, fmt::format("{}", fmt::join(nodes, ",")), data};
}

Fence Fence::read(Fields& fields) {
  Fence out;
  out.key = fields.text("key");
  out.nodes = fields.numbers("nodes", 0, kMaxWorldSize - 1);
  out.data = fields.bytes("data");
  return out;
}

std::vector<std::string> NotServed::fields() const { return {digits_of(rank), call}; }

NotServed NotServed::read(Fields& fields) {
  NotServed out;
  out.rank = read_rank(fields);
  out.call = fields.text("call");
  return out;
}

std::vector<std::string> ModexWanted::fields() const {
  return {digits_of(id), digits_of(owner_node), digits_of(rank)};
}

ModexWanted ModexWanted::read(Fields& fields) {
  ModexWanted out;
  out.id = fields.number("id", 0, std::numeric_limits<int64_t>::max());
  out.owner_node = fields.number("owner_node", 0, kMaxWorldSize - 1);
  out.rank = fields.number("rank", 0, kMaxWorldSize - 1);
  return out;
}

std::vector<std::string> ModexFound::fields() const {
  return {id, digits_of(asking_node), digits_of(status), data};
}

ModexFound ModexFound::read(Fields& fields) {
  ModexFound out;
  out.id = fields.text("id");
  out.asking_node = fields.number("asking_node", 0, kMaxWorldSize - 1);
  out.status = fields.status();
  out.data = fields.bytes("data");
  return out;
}

}  // namespace from_pmix

FromPmix read_from_pmix(Frame frame) { return message_of<FromPmix>(std::move(frame), "a report"); }

}  // namespace tessera::agent
