#include "nn/summary.h"

#include <algorithm>
#include <array>
#include <map>
#include <ostream>

#include "autograd/context.h"
#include "core/meta/meta.h"
#include "nn/type_name.h"

namespace tessera::nn {
namespace detail {

struct DryRun::State {
  explicit State(Module& module_in) : module(module_in), random(context().random) {}

  Module& module;
  NoGrad no_grad;
  RandomState random;
  std::vector<std::pair<Tensor, Array>> data;  // of parameters and buffers, as they were
  std::vector<HookHandle> hooks;
  std::map<const Module*, size_t> row_of;
  std::vector<double> started;  // FLOPs at the start of each call under way
  Summary summary;

  void add_row(const Module& part, size_t depth);
  void watch(Module& part);
};

namespace {

std::string shapes_of(const std::vector<Tensor>& tensors) {
  std::string text;
  for (const Tensor& tensor : tensors) {
    text += (text.empty() ? "" : " ") + (tensor.defined() ? to_string(tensor.shape()) : "none");
  }
  return text.empty() ? "-" : text;
}

}  // namespace

void DryRun::State::add_row(const Module& part, size_t depth) {
  SummaryRow row;
  row.path = part.path();
  row.type = type_name(typeid(part));
  row.depth = depth;
  for (const auto& [name, tensor] : part.named_parameters()) row.parameters += tensor.numel();
  for (const auto& [name, tensor] : part.named_state()) {
    row.bytes += static_cast<int64_t>(tensor.data().nbytes());
  }
  row_of[&part] = summary.rows.size();
  summary.rows.push_back(std::move(row));
  for (const Module* child : part.children()) add_row(*child, depth + 1);
}

void DryRun::State::watch(Module& part) {
  hooks.push_back(part.register_forward_pre_hook(
      [this](const Module&, std::vector<Tensor>&) { started.push_back(meta::stats().flops); }));
  hooks.push_back(part.register_forward_hook(
      [this](const Module& called, const std::vector<Tensor>&, std::vector<Tensor>& outputs) {
        SummaryRow& row = summary.rows[row_of.at(&called)];
        row.output = shapes_of(outputs);
        row.flops += meta::stats().flops - started.back();
        ++row.calls;
        started.pop_back();
      }));
}

DryRun::DryRun(Module& module) : state_(std::make_unique<State>(module)) {
  state_->add_row(module, 0);
  for (Module* part : module.modules()) state_->watch(*part);
  for (const auto& [name, tensor] : module.named_state()) {
    state_->data.emplace_back(tensor, tensor.data());
    tensor.set_data(Array::empty(tensor.shape(), tensor.dtype(), {DeviceType::meta}));
  }
}

DryRun::~DryRun() {
  for (const auto& [tensor, data] : state_->data) tensor.set_data(data);
  for (HookHandle& hook : state_->hooks) hook.remove();
  context().random = state_->random;
}

Summary DryRun::take() { return std::move(state_->summary); }

Tensor on_meta(const Tensor& tensor) {
  return Tensor(Array::empty(tensor.shape(), tensor.dtype(), {DeviceType::meta}));
}

}  // namespace detail

namespace {

using Cells = std::array<std::string, 6>;

// "1,234,567"
std::string grouped(double value) {
  std::string digits = fmt::format("{:.0f}", value);
  for (size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

Cells cells_of(const SummaryRow& row) {
  std::string name = row.path.substr(row.path.rfind('.') + 1);
  return {std::string(2 * row.depth, ' ') + (name.empty() ? "(model)" : name),
          row.type,
          row.calls > 0 ? row.output : "",
          grouped(static_cast<double>(row.parameters)),
          grouped(static_cast<double>(row.bytes)),
          row.calls > 0 ? grouped(row.flops) : ""};
}

}  // namespace

std::string Summary::text() const {
  std::vector<Cells> table{{"module", "type", "output", "parameters", "bytes", "FLOPs"}};
  for (const SummaryRow& row : rows) table.push_back(cells_of(row));
  std::array<size_t, 6> width{};
  for (const Cells& cells : table) {
    for (size_t i = 0; i < cells.size(); ++i) width[i] = std::max(width[i], cells[i].size());
  }
  std::string out;
  for (const Cells& cells : table) {
    std::string line;
    for (size_t i = 0; i < cells.size(); ++i) {
      line += i < 3 ? fmt::format("{:<{}}  ", cells[i], width[i])
                    : fmt::format("{:>{}}  ", cells[i], width[i]);
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

std::ostream& operator<<(std::ostream& out, const Summary& summary) {
  return out << summary.text();
}

}  // namespace tessera::nn
