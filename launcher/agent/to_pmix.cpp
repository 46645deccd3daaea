#include "launcher/agent/to_pmix.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <csignal>
#include <limits>

#include "launcher/agent/typed_frames.h"

namespace tessera::agent {
namespace {

constexpr int64_t kMaxId = std::numeric_limits<int64_t>::max();

std::string text_of(int64_t number) { return fmt::format("{}", number); }

void append(std::vector<std::string>& fields, const std::vector<std::string>& more) {
  fields.insert(fields.end(), more.begin(), more.end());
}

}  // namespace

namespace to_pmix {

std::vector<std::string> Prepare::fields() const {
  std::vector<std::string> places;
  places.reserve(ranks.size());
  for (const auto& of_node : ranks) places.push_back(fmt::format("{}", fmt::join(of_node, ",")));
  return {nspace,
          fmt::format("{}", fmt::join(nodes, ",")),
          fmt::format("{}", fmt::join(places, ";")),
          text_of(world_size),
          text_of(first_rank),
          text_of(node_index)};
}

Prepare Prepare::read(Fields& fields) {
  Prepare out;
  out.nspace = fields.text("nspace");
  std::string nodes = fields.text("nodes");
  for (std::string_view name : split(nodes, ',')) out.nodes.emplace_back(name);
  std::string map = fields.text("ranks");
  for (std::string_view node : split(map, ';')) {
    std::vector<int64_t>& ranks = out.ranks.emplace_back();
    for (std::string_view rank : split(node, ',')) {
      ranks.push_back(fields.number_in(rank, "ranks", 0, kMaxWorldSize - 1));
    }
  }
  out.world_size = fields.number("world_size", 1, kMaxWorldSize);
  out.first_rank = fields.number("first_rank", 0, kMaxWorldSize - 1);
  out.node_index = fields.number("node_index", 0, kMaxWorldSize - 1);
  return out;
}

std::vector<std::string> Program::fields() const {
  std::vector<std::string> out{folder, fmt::format("{}", arguments.size())};
  append(out, arguments);
  append(out, environment);
  return out;
}

Program Program::read(Fields& fields) {
  Program out;
  out.folder = fields.text("cwd");
  int64_t num_arguments = fields.number("argc", 1, std::numeric_limits<int32_t>::max());
  out.arguments = fields.texts("arguments", static_cast<size_t>(num_arguments));
  out.environment = fields.environment();
  return out;
}

std::vector<std::string> Rank::fields() const {
  std::vector<std::string> out{text_of(local_index), fmt::format("{}", fmt::join(cpus, ","))};
  append(out, environment);
  return out;
}

Rank Rank::read(Fields& fields) {
  Rank out;
  out.local_index = fields.number("local_index", 0, kMaxWorldSize - 1);
  out.cpus = fields.numbers("cpus", 0, kMaxCpus - 1);
  out.environment = fields.environment();
  return out;
}

std::vector<std::string> FenceDone::fields() const { return {key, text_of(status), data}; }

FenceDone FenceDone::read(Fields& fields) {
  FenceDone out;
  out.key = fields.text("key");
  out.status = fields.status();
  out.data = fields.bytes("data");
  return out;
}

std::vector<std::string> Signal::fields() const { return {text_of(number)}; }

Signal Signal::read(Fields& fields) {
  return {static_cast<int>(fields.number("number", 1, NSIG - 1))};
}

std::vector<std::string> Lease::fields() const { return {text_of(deadline_ms)}; }

Lease Lease::read(Fields& fields) { return {fields.number("deadline", 0, kMaxId)}; }

std::vector<std::string> LookUp::fields() const {
  return {id, text_of(asking_node), text_of(rank)};
}

LookUp LookUp::read(Fields& fields) {
  LookUp out;
  out.id = fields.text("id");
  out.asking_node = fields.number("asking_node", 0, kMaxWorldSize - 1);
  out.rank = fields.number("rank", 0, kMaxWorldSize - 1);
  return out;
}

std::vector<std::string> ModexDone::fields() const { return {text_of(id), text_of(status), data}; }

ModexDone ModexDone::read(Fields& fields) {
  ModexDone out;
  out.id = fields.number("id", 0, kMaxId);
  out.status = fields.status();
  out.data = fields.bytes("data");
  return out;
}

}  // namespace to_pmix

ToPmix read_to_pmix(Frame frame) { return message_of<ToPmix>(std::move(frame), "an order"); }

}  // namespace tessera::agent
