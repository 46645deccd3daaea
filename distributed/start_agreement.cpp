#include "distributed/start_agreement.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_map>

#include "core/io/checksum.h"
#include "core/io/elements.h"
#include "distributed/agreement.h"
#include "distributed/comm/fake_communicator.h"
#include "distributed/train_step.h"

namespace tessera {
namespace {

constexpr char kEnd = '\n';
constexpr size_t kMostRanks = 8;  // named in an error

// One thing that ranks compare.
struct Item {
  std::string form;    // what it is, in words
  std::string values;  // empty: the form says all
  Tensor tensor = {};  // undefined: a setting
  std::string line() const { return values.empty() ? form : form + ": " + values; }
};

std::string checksum_of_array(const Array& array) {
  Array packed = packed_on_cpu(array.to(Device{}), "[TrainStep]");
  return checksum_of(bytes_of(packed), ChecksumKind::xxh3);
}

std::string describe(const nn::InitialValues& values, const Dims& shape) {
  const nn::Init& init = values.init;
  if (init.kind == nn::Init::Kind::custom) {
    Array made = Array::empty({num_elements(shape)});
    values.fill(0, made);
    return checksum_of_array(made);
  }
  std::string zeros = init.zeros_begin < init.zeros_end
                          ? fmt::format(", zero from {} to {}", init.zeros_begin, init.zeros_end)
                          : "";
  switch (init.kind) {
    case nn::Init::Kind::normal:
      return fmt::format("seed {}, normal {}{}", values.seed, init.value, zeros);
    case nn::Init::Kind::drawn: return fmt::format("seed {}, {}{}", values.seed, init.form, zeros);
    case nn::Init::Kind::uniform:
      return fmt::format("seed {}, uniform {}{}", values.seed, init.value, zeros);
    default: return fmt::format("constant {}{}", init.value, zeros);
  }
}

std::string scaling_in_words(const std::optional<LossScaleOptions>& options) {
  if (!options) return "none";
  if (options->constant) return fmt::format("{}", options->init_scale);
  return fmt::format("from {}, times {} after {} steps, times {}", options->init_scale,
                     options->growth_factor, options->growth_interval, options->backoff_factor);
}

class Items {
 public:
  Items(const nn::Module& module, const optim::Optimizer& optimizer, const StepOptions& options,
        const MeshShape& shape)
      : module_(module), all_rules_(optimizer.describe()) {
    add_settings(optimizer, options, shape);
    for (const optim::ParamGroup& group : optimizer.groups()) {
      for (const Tensor& param : group.params) {
        groups_[param.shared().get()] = &group;
      }
    }
    for (const auto& [name, tensor] : module.named_parameters()) add_parameter(name, tensor);
    for (const auto& [name, tensor] : module.named_buffers()) {
      items_.push_back({fmt::format("buffer '{}', {} {}", name, tensor.dtype(), tensor.shape()),
                        values_of(tensor, false), tensor});
    }
  }

  const std::vector<Item>& list() const { return items_; }
  std::string text() const {
    std::string text;
    for (const Item& item : items_) text += item.line() + kEnd;
    return text;
  }
  std::string forms() const {
    std::string text;
    for (const Item& item : items_) text += item.form + kEnd;
    return text;
  }

 private:
  void add_settings(const optim::Optimizer& optimizer, const StepOptions& o,
                    const MeshShape& shape) {
    auto add = [&](const char* key, auto value) {
      items_.push_back({fmt::format("{} {}", key, value), {}});
    };
    add("leaves", o.leaves);
    add("clip_value", o.clip_value);
    add("clip_norm", o.clip_norm);
    add("strategy", name(o.strategy));
    add("group", shape.group);
    add("ranks_per_node", shape.ranks_per_node);
    add("reduction", name(o.reduction));
    add("bucket_bytes", o.bucket_bytes);
    add("the step's seed", o.seed);
    add("dtype", o.dtype ? std::string(name(*o.dtype)) : "that of the parameters");
    add("loss_scale", scaling_in_words(o.loss_scale));
    add("recompute", o.recompute);
    add("unused", name(o.unused));
    add("start", name(o.start));
    add("optimizer", optimizer.describe());
  }

  void add_parameter(const std::string& name, const Tensor& tensor) {
    std::string role = ", frozen";
    if (tensor.requires_grad()) {
      auto found = groups_.find(tensor.shared().get());
      role = found == groups_.end() ? "" : settings_of(*found->second);
    }
    items_.push_back(
        {fmt::format("parameter '{}', {} {}{}", name, tensor.dtype(), tensor.shape(), role),
         values_of(tensor, true), tensor});
  }

  std::string settings_of(const optim::ParamGroup& group) const {
    std::string text;
    if (group.weight_decay != 0) text += fmt::format(", weight decay {}", group.weight_decay);
    if (group.lr_scale != 1) text += fmt::format(", lr times {}", group.lr_scale);
    std::string rule = group.rule->describe();
    if (rule != all_rules_) text += ", " + rule;
    return text;
  }

  std::string values_of(const Tensor& tensor, bool is_parameter) const {
    if (tensor.device().type != DeviceType::meta) return checksum_of_array(tensor.data());
    if (!is_parameter) return "on meta";
    return describe(module_.initial_values(tensor), tensor.shape());
  }

  const nn::Module& module_;
  std::string all_rules_;
  std::unordered_map<const void*, const optim::ParamGroup*> groups_;
  std::vector<Item> items_;
};

// Whether every rank passes the same text. One exchange.
bool same_on_all(const std::string& text, Communicator& comm) {
  std::string own = checksum_of(std::as_bytes(std::span(text)), ChecksumKind::xxh3);
  auto length = static_cast<int64_t>(own.size());
  std::vector<Array> all;
  for (int rank = 0; rank < comm.size(); ++rank) all.push_back(Array::empty({length}, DType::u8));
  const Array& send = all[static_cast<size_t>(comm.rank())];
  std::memcpy(send.raw(), own.data(), own.size());
  comm.all_gather(send, all).join();
  return std::all_of(all.begin(), all.end(), [&](const Array& other) {
    return std::memcmp(other.raw(), own.data(), own.size()) == 0;
  });
}

// Nobody goes on before all have compared: a rank that fails right after would take the others'
// answer away. Those who are still here then learn of its failure from their next call.
void meet(Communicator& comm) {
  try {
    comm.barrier().join();
  } catch (const CommError&) {
  }
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find(kEnd, begin);
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

std::string name_ranks(const std::vector<size_t>& ranks) {
  auto shown = std::span(ranks).first(std::min(ranks.size(), kMostRanks));
  return fmt::format(
      "rank{} {}{}", ranks.size() == 1 ? "" : "s", fmt::join(shown, ", "),
      ranks.size() > kMostRanks ? fmt::format(" and {} more", ranks.size() - kMostRanks) : "");
}

// What the first lines that are not the same on all ranks are, and whose; empty if there are none.
std::string first_difference(const std::vector<std::string>& texts) {
  std::vector<std::vector<std::string>> lines;
  size_t most = 0;
  for (const std::string& text : texts)
    most = std::max(most, lines.emplace_back(lines_of(text)).size());
  for (size_t i = 0; i < most; ++i) {
    std::map<std::string, std::vector<size_t>> ranks_of;
    for (size_t rank = 0; rank < lines.size(); ++rank) {
      ranks_of[i < lines[rank].size() ? lines[rank][i] : "nothing more"].push_back(rank);
    }
    if (ranks_of.size() == 1) continue;
    std::map<size_t, std::string> groups;  // of ranks that agree, by their first
    for (const auto& [line, ranks] : ranks_of) {
      groups[ranks[0]] =
          fmt::format("{} {}: {}", name_ranks(ranks), ranks.size() == 1 ? "has" : "have", line);
    }
    std::string out;
    for (const auto& [rank, group] : groups) out += (out.empty() ? "" : "; ") + group;
    return out;
  }
  return {};
}

// The tensor's memory becomes rank 0's, by the communicator of its device.
void broadcast(const nn::Module& module, const Tensor& tensor, const Mesh& mesh) {
  Array data = tensor.data();
  if (data.device().type == DeviceType::meta) {
    data = Array::empty(tensor.shape(), tensor.dtype());
    module.initial_values(tensor).fill(0, data.view({data.numel()}));
    tensor.set_data(data);
  }
  Array packed = data.contiguous();
  bool there = packed.device() == mesh.data().device();
  (there ? mesh.data() : mesh.data_control()).broadcast(packed, 0).wait();
  if (packed.storage() != data.storage()) data.copy_(packed);
  data.storage()->mark_changed("TrainStep");
}

}  // namespace

void agree_on_start(const nn::Module& module, const optim::Optimizer& optimizer,
                    const StepOptions& options, const Mesh& mesh) {
  Communicator& comm = mesh.data_control();
  // Nor has one that stands for all ranks of a plan anybody to compare with.
  if (comm.size() == 1 || dynamic_cast<const FakeCommunicator*>(&comm)) return;
  Items items(module, optimizer, options, mesh.shape());
  std::string text = items.text();
  if (same_on_all(text, comm)) return meet(comm);
  std::string forms = first_difference(gather_texts(comm, items.forms()));
  if (!forms.empty()) {
    throw SharedError("[TrainStep] ranks do not train the same thing: " + forms);
  }
  std::vector<std::string> texts = gather_texts(comm, text);
  if (options.start == Start::compare) {
    throw SharedError(fmt::format(
        "[TrainStep] ranks start from different values: {}; Start::broadcast (parallel.start: "
        "broadcast) gives all of them rank 0's",
        first_difference(texts)));
  }
  std::vector<std::vector<std::string>> lines;
  for (const std::string& of_rank : texts) lines.push_back(lines_of(of_rank));
  for (size_t i = 0; i < items.list().size(); ++i) {
    bool same = std::all_of(lines.begin(), lines.end(),
                            [&](const auto& of_rank) { return of_rank[i] == lines[0][i]; });
    if (!same) broadcast(module, items.list()[i].tensor, mesh);
  }
}

}  // namespace tessera
