#include "nn/module.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include "autograd/context.h"
#include "core/kernels.h"
#include "core/meta/meta.h"

namespace tessera::nn {
namespace {

// On meta, and not counted there either: this is not what a device would have to keep.
Array without_memory(const Dims& shape) {
  auto bytes = static_cast<size_t>(num_elements(shape)) * item_size(DType::f32);
  auto storage = Storage::wrap(nullptr, bytes, {DeviceType::meta}, nullptr);
  storage->mark_changed(meta::kDeferred);
  return {std::move(storage), DType::f32, shape, contiguous_strides(shape), 0};
}

}  // namespace

void InitialValues::fill(int64_t first, const Array& out) const {
  RandomStream stream = parameter_stream(seed, name);
  const RandomFamily& random = kernels(out.device()).random();
  switch (init.kind) {
    case Init::Kind::constant: out.fill_(init.value); break;
    case Init::Kind::normal: random.normal(stream, first, 0, init.value, out); break;
    case Init::Kind::uniform: random.uniform(stream, first, -init.value, init.value, out); break;
    case Init::Kind::custom: init.fill(first, out); break;
  }
  int64_t begin = std::max(init.zeros_begin - first, int64_t{0});
  int64_t end = std::min(init.zeros_end - first, out.numel());
  if (begin < end) out.slice(0, begin, end).fill_(0);
}

DeferInit::DeferInit() : before_(std::exchange(context().defer_init, true)) {}
DeferInit::~DeferInit() { context().defer_init = before_; }

Module::Module(Module* parent, std::string name) : parent_(parent), name_(std::move(name)) {
  TESSERA_CHECK(parent, "[Module] part '{}' has no parent", name_);
  parent->check_name(name_);
  path_ = parent->full_name(name_);
  parent->parts_.push_back(this);
}

Module::~Module() {
  if (parent_) std::erase(parent_->parts_, this);
}

void Module::check_name(const std::string& name) const {
  TESSERA_CHECK(!name.empty() && name.find_first_of("./") == std::string::npos,
                "[Module] expected a name without a dot or a slash, got '{}'", name);
  auto named = [&](const auto& entry) { return entry.first == name; };
  bool taken =
      std::any_of(parts_.begin(), parts_.end(), [&](auto* part) { return part->name_ == name; }) ||
      std::any_of(parameters_.begin(), parameters_.end(), named) ||
      std::any_of(buffers_.begin(), buffers_.end(), named);
  TESSERA_CHECK(!taken, "[Module] '{}' is there twice", full_name(name));
}

std::string Module::full_name(const std::string& name) const {
  return path_.empty() ? name : path_ + "." + name;
}

Tensor Module::add_parameter(std::string name, const Dims& shape, Init init) {
  check_name(name);
  InitialValues& values = initial_values_.emplace_back(
      InitialValues{full_name(name), context().init_seed, std::move(init)});
  bool deferred = context().defer_init;
  Array data = deferred ? without_memory(shape) : Array::empty(shape);
  if (!deferred) values.fill(0, data.view({data.numel()}));
  Tensor parameter(data, /*requires_grad=*/true);
  parameters_.emplace_back(std::move(name), parameter);
  return parameter;
}

void Module::share_parameter(std::string name, const Tensor& parameter) {
  check_name(name);
  parameters_.emplace_back(std::move(name), parameter);
  initial_values_.emplace_back();  // its owner has them
}

Tensor Module::add_buffer(std::string name, const Array& data) {
  check_name(name);
  Tensor buffer(data);
  buffers_.emplace_back(std::move(name), buffer);
  return buffer;
}

void Module::collect(Kind kind, NamedTensors& out) const {
  auto take = [&](const NamedTensors& own) {
    for (const auto& [name, tensor] : own) out.emplace_back(full_name(name), tensor);
  };
  if (kind != Kind::buffers) take(parameters_);
  if (kind != Kind::parameters) take(buffers_);
  for (const Module* part : parts_) part->collect(kind, out);
}

NamedTensors Module::collect_once(Kind kind) const {
  NamedTensors all;
  collect(kind, all);
  std::unordered_set<const void*> seen;
  std::erase_if(
      all, [&](const auto& entry) { return !seen.insert(entry.second.shared().get()).second; });
  return all;
}

NamedTensors Module::named_parameters() const { return collect_once(Kind::parameters); }

NamedTensors Module::named_buffers() const { return collect_once(Kind::buffers); }

NamedTensors Module::all_named_parameters() const {
  NamedTensors all;
  collect(Kind::parameters, all);
  return all;
}

InitialValues* Module::find_initial_values(const Tensor& parameter) {
  for (size_t i = 0; i < initial_values_.size(); ++i) {
    bool owned = !initial_values_[i].name.empty();
    if (owned && parameters_[i].second.shared() == parameter.shared()) return &initial_values_[i];
  }
  for (Module* part : parts_) {
    if (InitialValues* found = part->find_initial_values(parameter)) return found;
  }
  return nullptr;
}

const InitialValues& Module::initial_values(const Tensor& parameter) const {
  // The search changes nothing.
  const InitialValues* found = const_cast<Module*>(this)->find_initial_values(parameter);
  TESSERA_CHECK(found, "[initial_values] the tensor is no parameter of the module");
  // One without memory was marked once when it was made.
  bool changed = parameter.device().type == DeviceType::meta && parameter.version() > 1;
  TESSERA_CHECK(!changed,
                "[initial_values] '{}' was changed by {} before it had memory (nn::DeferInit): a "
                "model says how it starts by Init or set_initial_values()",
                found->name, parameter.data().storage()->changed_by());
  return *found;
}

void Module::set_initial_values(const Tensor& parameter, Init init) {
  InitialValues* values = find_initial_values(parameter);
  TESSERA_CHECK(values, "[set_initial_values] the tensor is no parameter of the module");
  values->init = std::move(init);
  const Array& data = parameter.data();
  if (data.device().type == DeviceType::meta) return;
  TESSERA_CHECK(data.is_contiguous(), "[set_initial_values] '{}' is not contiguous", values->name);
  values->fill(0, data.view({data.numel()}));
  data.storage()->mark_changed("set_initial_values");
}

void Module::materialize() {
  for (const Tensor& parameter : parameters()) {
    if (parameter.device().type != DeviceType::meta) continue;
    Array data = Array::empty(parameter.shape(), parameter.dtype());
    initial_values(parameter).fill(0, data.view({data.numel()}));
    parameter.set_data(data);
  }
}

void Module::collect_blocks(std::vector<const Module*>& out) const {
  if (is_block_) return out.push_back(this);
  for (const Module* part : parts_) part->collect_blocks(out);
}

std::vector<const Module*> Module::blocks() const {
  std::vector<const Module*> out;
  collect_blocks(out);
  return out;
}

BlockRunner* Module::block_runner() const {
  BlockRunner* runner = block_runner_;
  for (const Module* above = parent_; above && !runner; above = above->parent_) {
    if (above->is_block_) return nullptr;
    runner = above->block_runner_;
  }
  return runner;
}

std::vector<Tensor> Module::parameters() const {
  std::vector<Tensor> out;
  for (auto& [name, tensor] : named_parameters()) out.push_back(tensor);
  return out;
}

int64_t Module::num_parameters() const {
  int64_t count = 0;
  for (const Tensor& parameter : parameters()) count += parameter.numel();
  return count;
}

StateDict Module::state_dict() const {
  StateDict state;
  for (const auto& [name, tensor] : collect_once(Kind::all))
    state.emplace_back(name, tensor.data());
  return state;
}

void Module::load_state_dict(const StateDict& state) {
  std::map<std::string, Array> given;
  for (const auto& [name, value] : state) {
    TESSERA_CHECK(given.emplace(name, value).second, "[load_state_dict] '{}' is there twice", name);
  }
  NamedTensors own = collect_once(Kind::all);
  for (const auto& [name, tensor] : own) {
    auto found = given.find(name);
    TESSERA_CHECK(found != given.end(), "[load_state_dict] '{}' is missing", name);
    const Array& value = found->second;
    TESSERA_CHECK(value.shape() == tensor.shape() && value.dtype() == tensor.dtype(),
                  "[load_state_dict] '{}': expected {} {}, got {} {}", name, tensor.dtype(),
                  tensor.shape(), value.dtype(), value.shape());
  }
  for (const auto& [name, value] : state) {
    bool known = std::any_of(own.begin(), own.end(),
                             [&, &key = name](const auto& entry) { return entry.first == key; });
    TESSERA_CHECK(known, "[load_state_dict] the module has no '{}'", name);
  }
  for (const auto& [name, tensor] : own) tensor.data().copy_(given.at(name));
}

void Module::train(bool training) {
  training_ = training;
  for (Module* part : parts_) part->train(training);
}

void Module::zero_grad() {
  for (const Tensor& parameter : parameters()) parameter.set_grad({});
}

ModuleScope::ModuleScope(const Module& module)
    : before_(
          std::exchange(context().module_path, std::make_shared<const std::string>(module.path()))),
      here_(module.path()) {}

ModuleScope::~ModuleScope() { context().module_path = std::move(before_); }

}  // namespace tessera::nn
