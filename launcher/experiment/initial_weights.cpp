#include "launcher/experiment/initial_weights.h"

#include <algorithm>
#include <map>
#include <optional>

#include "core/io/checksum.h"
#include "core/printable.h"
#include "distributed/checkpoint/checkpoint_reader.h"
#include "distributed/checkpoint/manifest.h"
#include "launcher/experiment/formats/model_source.h"

namespace tessera::experiment {
namespace {

constexpr size_t kMostNames = 5;

struct Rule {
  std::string before;
  std::string after;
  bool fits = false;  // some tensor
};

std::vector<Rule> parse_map(const std::string& text) {
  std::vector<Rule> rules;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find(',', begin), text.size());
    std::string rule = text.substr(begin, end - begin);
    size_t equals = rule.find('=');
    if (equals == std::string::npos) {
      throw ConfigError(fmt::format("init.map: expected OLD=NEW, got {}", job::in_quotes(rule)));
    }
    rules.push_back({rule.substr(0, equals), rule.substr(equals + 1), false});
    begin = end + 1;
  }
  return rules;
}

// The first rule that fits decides; nothing: the tensor is not wanted.
std::optional<std::string> mapped(std::vector<Rule>& rules, const std::string& name) {
  for (Rule& rule : rules) {
    if (!name.starts_with(rule.before)) continue;
    rule.fits = true;
    if (rule.after == "-") return std::nullopt;
    return rule.after + name.substr(rule.before.size());
  }
  return name;
}

std::string list(const std::vector<std::string>& names) {
  auto shown = std::span(names).first(std::min(names.size(), kMostNames));
  return fmt::format(
      "{}{}", printable(fmt::format("{}", fmt::join(shown, ", "))),
      names.size() > kMostNames ? fmt::format(" and {} more", names.size() - kMostNames) : "");
}

void fill(const TensorSource& source, const TensorInfo& info, const HeldTensor& held) {
  bool same = info.dtype == held.data.dtype();
  Array data = same ? held.data : Array::empty(held.data.shape(), info.dtype);
  ReadTarget target{info.name, held.held, data};
  source.read(std::span(&target, 1));
  if (!same) held.data.copy_(data);
}

constexpr uint64_t kReadBytes = uint64_t{8} << 20;

void add_file(Checksum& checksum, const std::string& path) {
  auto file = FileSystem::real().open(path);
  std::vector<std::byte> buffer(std::min(file->size(), kReadBytes));
  for (uint64_t at = 0; at < file->size(); at += buffer.size()) {
    auto bytes = std::span(buffer).first(std::min<uint64_t>(buffer.size(), file->size() - at));
    file->read(at, bytes);
    checksum.update(bytes);
  }
}

}  // namespace

std::string fingerprint_of_source(const std::string& path) {
  FileSystem& files = FileSystem::real();
  std::string resolved = resolve_checkpoint(path);
  Checksum checksum(ChecksumKind::xxh3);
  if (!files.is_directory(resolved)) {
    add_file(checksum, resolved);
  } else if (is_checkpoint(resolved)) {
    // Its manifest has the checksums of everything else.
    add_file(checksum, resolved + "/" + kManifestName);
  } else {
    for (const std::string& name : files.list(resolved)) {
      std::string file = fmt::format("{}/{}", resolved, name);
      if (files.kind(file) == FileKind::file) add_file(checksum, file);
    }
  }
  return checksum.text();
}

InitReport take_initial_weights(const InitConfig& config, const nn::Module& module,
                                std::span<const HeldTensor> state) {
  auto source = open_tensors(*config.from);
  std::vector<Rule> rules = parse_map(config.map);
  std::map<std::string, TensorInfo> given;
  for (const TensorInfo& tensor : source->tensors()) {
    if (is_state_name(tensor.name)) continue;
    if (auto name = mapped(rules, tensor.name)) {
      TESSERA_CHECK(given.emplace(*name, tensor).second, "init.map: two tensors of {} become '{}'",
                    source->path(), *name);
    }
  }
  for (const Rule& rule : rules) {
    TESSERA_CHECK(rule.fits,
                  "init.map: {}={}: {} has no tensor that it would be for, or an "
                  "earlier rule takes them all",
                  rule.before, rule.after, source->path());
  }
  InitReport report;
  std::vector<std::string> fresh;
  int64_t elements = 0;
  std::map<std::string, TensorInfo> taken;
  for (const auto& [name, tensor] : module.named_state()) {
    auto found = given.extract(name);
    if (found.empty()) {
      fresh.push_back(name);
      continue;
    }
    TESSERA_CHECK(
        found.mapped().shape == tensor.shape(),
        "init.from: {}: '{}' has the shape {}, and here '{}' has {}; init.map: {}=- leaves "
        "it out",
        source->path(), found.mapped().name, found.mapped().shape, name, tensor.shape(),
        found.mapped().name);
    elements += tensor.numel();
    taken.insert(std::move(found));
  }
  TESSERA_CHECK(!taken.empty(), "init.from: {}: it has no tensor that this model has",
                source->path());
  for (const HeldTensor& held : state) {
    auto found = taken.find(held.name);
    if (found != taken.end()) fill(*source, found->second, held);
  }
  report.push_back(fmt::format("init: {} tensor{} with {} elements from {}", taken.size(),
                               taken.size() == 1 ? "" : "s", elements, source->path()));
  if (!fresh.empty()) {
    report.push_back(fmt::format("init: {} start{} new: {}", fresh.size(),
                                 fresh.size() == 1 ? "s" : "", list(fresh)));
  }
  std::vector<std::string> unused;
  for (const auto& [name, info] : given) unused.push_back(info.name);
  if (!unused.empty()) {
    report.push_back(fmt::format("init: {} of the file {} not used: {}", unused.size(),
                                 unused.size() == 1 ? "is" : "are", list(unused)));
  }
  return report;
}

}  // namespace tessera::experiment
