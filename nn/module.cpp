#include "nn/module.h"

#include <algorithm>
#include <exception>
#include <unordered_set>

#include "autograd/context.h"
#include "nn/callable.h"
#include "nn/parametrization.h"
#include "nn/type_name.h"

namespace tessera::nn {

// ---------------------------------------------------------------------------------------- the tree

std::shared_ptr<const std::string> Module::no_path() {
  static const auto none = std::make_shared<const std::string>();
  return none;
}

Module::Module(Module* parent, std::string name) {
  if (!parent) return;
  parent->check_name(name);
  parent->check_unused("gets a child");
  parent_ = parent;
  name_ = std::move(name);
  path_ = std::make_shared<const std::string>(parent->full_name(name_));
  std::erase(parent->lost_, name_);
  parent->children_.push_back(this);
}

Module::~Module() {
  for (Module* child : children_) child->parent_ = nullptr;  // those that outlive it
  if (parent_) {
    std::erase(parent_->children_, this);
    // One whose constructor failed, or that goes down with it, was never there.
    if (std::uncaught_exceptions() == 0) parent_->lost_.push_back(name_);
  }
  if (replacement_) replacement_->replaced_ = nullptr;
  if (replaced_) replaced_->replacement_ = nullptr;
}

// A child's destructor cannot tell a parent that is being destroyed from one that lives on; only
// the latter is asked for anything afterwards.
void Module::check_children() const {
  TESSERA_CHECK(lost_.empty(),
                "[Module] '{}' was destroyed before its parent: children live as long as it, and "
                "others take their place by replace()",
                full_name(lost_.front()));
}

void Module::check_name(const std::string& name) const {
  TESSERA_CHECK(!name.empty() && name.find_first_of("./") == std::string::npos,
                "[Module] expected a name without a dot or a slash, got '{}'", name);
  auto named = [&](const auto& entry) { return entry.first == name; };
  bool taken = std::any_of(children_.begin(), children_.end(),
                           [&](auto* child) { return child->name_ == name; }) ||
               std::any_of(parameters_.begin(), parameters_.end(), named) ||
               std::any_of(buffers_.begin(), buffers_.end(), named);
  TESSERA_CHECK(!taken, "[Module] '{}' is there twice", full_name(name));
}

std::string Module::full_name(const std::string& name) const {
  return path().empty() ? name : path() + "." + name;
}

std::vector<Module*> Module::children() const {
  check_children();
  return children_;
}

std::vector<Module*> Module::modules() {
  std::vector<Module*> all{this};
  for (Module* child : children()) {
    std::vector<Module*> below = child->modules();
    all.insert(all.end(), below.begin(), below.end());
  }
  return all;
}

std::vector<const Module*> Module::modules() const {
  std::vector<Module*> all = const_cast<Module*>(this)->modules();  // which changes nothing
  return {all.begin(), all.end()};
}

Module* Module::find(std::string_view path) {
  Module* here = this;
  bool more = !path.empty();
  while (here && more) {
    std::string_view name = path.substr(0, path.find('.'));
    more = name.size() < path.size();
    path.remove_prefix(std::min(path.size(), name.size() + 1));
    const std::vector<Module*>& all = here->children_;
    auto found =
        std::find_if(all.begin(), all.end(), [&](Module* child) { return child->name_ == name; });
    here = found == all.end() ? nullptr : *found;
  }
  return here;
}

const Module* Module::find(std::string_view path) const {
  return const_cast<Module*>(this)->find(path);  // which changes nothing
}

void Module::throw_not_found(std::string_view path) const {
  const Module* deepest = this;
  for (size_t end = path.find('.'); end != std::string_view::npos; end = path.find('.', end + 1)) {
    const Module* next = find(path.substr(0, end));
    if (!next) break;
    deepest = next;
  }
  std::string names;
  for (const Module* child : deepest->children_) {
    names += (names.empty() ? "'" : ", '") + child->name_ + "'";
  }
  throw_error(fmt::format("[Module] there is no '{}' in '{}'; the children of '{}' are {}", path,
                          this->path(), deepest->path(), names.empty() ? "none" : names));
}

void Module::throw_of_type(std::string_view path, const std::type_info& wanted) const {
  throw_error(fmt::format("[Module] '{}' is a {}, not a {}", path, type_name(typeid(*this)),
                          type_name(wanted)));
}

// --------------------------------------------------------------------------- attaching, replacing

void Module::check_attachable(const Module& child) const {
  TESSERA_CHECK(!child.parent_,
                "[Module] expected a module without a parent, got '{}': a module has one place",
                child.path());
  TESSERA_CHECK(!child.block_runner_, "[Module] expected a module that no TrainStep has");
  for (const Module* above = this; above; above = above->parent_) {
    TESSERA_CHECK(above != &child, "[Module] a module cannot be attached below itself, at '{}'",
                  path());
  }
  check_unused("changes");
}

void Module::check_unused(const char* what) const {
  for (const Module* above = this; above; above = above->parent_) {
    TESSERA_CHECK(!above->block_runner_,
                  "[Module] '{}' {} while a TrainStep has the model: before it is made is the time",
                  path(), what);
  }
}

void Module::attach(std::string name, Module& child) {
  check_attachable(child);
  check_name(name);
  children_.push_back(&child);
  child.parent_ = this;
  child.name_ = std::move(name);
  try {
    child.resolve_names();
  } catch (...) {
    children_.pop_back();
    child.parent_ = nullptr;
    throw;
  }
  std::erase(lost_, child.name_);
}

void Module::attach_owned(std::string name, std::unique_ptr<Module> child) {
  TESSERA_CHECK(child, "[Module] expected a module to attach as '{}', got none", name);
  attach(std::move(name), *child);
  owned_.push_back(std::move(child));
}

bool Module::can_be_replaced_by(const Module&) const { return false; }

void Module::replace_by(std::string_view path, std::unique_ptr<Module> other) {
  Module* old = find(path);
  if (!old) throw_not_found(path);
  TESSERA_CHECK(other, "[Module] expected a module to put in the place of '{}', got none", path);
  TESSERA_CHECK(old->parent_, "[Module] '{}' has no parent, in which it could be replaced", path);
  Module& parent = *old->parent_;
  const Module& instead = *other;
  parent.check_attachable(instead);
  TESSERA_CHECK(old->can_be_replaced_by(instead),
                "[Module] '{}' is a {}: a {} cannot be called in its place", path,
                type_name(typeid(*old)), type_name(typeid(instead)));
  std::replace(parent.children_.begin(), parent.children_.end(), old, other.get());
  other->parent_ = &parent;
  other->name_ = old->name_;
  other->is_block_ = other->is_block_ || old->is_block_;
  other->replaced_ = old;
  old->replacement_ = other.get();
  old->parent_ = nullptr;
  other->resolve_names();
  parent.owned_.push_back(std::move(other));
}

Module* Module::called_instead(const Module& module) {
  Module* instead = nullptr;
  for (Module* next = module.replacement_; next && !ModuleScope::is_in(*next);) {
    instead = next;
    next = next->replacement_;
  }
  return instead;
}

namespace {

Array flat(const Array& array) { return array.view({array.numel()}); }

}  // namespace

void Module::resolve_names() {
  path_ = std::make_shared<const std::string>(parent_->full_name(name_));
  for (size_t i = 0; i < parameters_.size(); ++i) {
    InitialValues& values = initial_values_[i];
    if (values.name.empty()) continue;  // somebody else's
    const auto& [name, parameter] = parameters_[i];
    bool starts_anew = values.are_in(parameter.data());
    values.name = full_name(name);
    if (starts_anew) values.fill(0, flat(parameter.data()));
  }
  for (const Made& made : made_) rename_made(made);
  for (Module* child : children_) child->resolve_names();
}

void Module::rename_made(const Made& made) const {
  const Module& by = *made.by;
  bool starts_anew = true;  // those that have values
  for (size_t i = 0; i < by.parameters_.size(); ++i) {
    const Tensor& part = by.parameters_[i].second;
    bool is_there = part.device().type != DeviceType::meta;
    if (is_there && !by.initial_values_[i].are_in(part.data())) starts_anew = false;
  }
  made.by->rename(*this, made.name, starts_anew);
}

void Module::apply(const std::function<void(Module&)>& fn) {
  for (Module* child : children()) child->apply(fn);
  fn(*this);
}

// --------------------------------------------------------------------------- parameters and
// buffers

Tensor Module::add_parameter(std::string name, const Dims& shape, Init init) {
  check_name(name);
  InitialValues& values = initial_values_.emplace_back(
      InitialValues{full_name(name), context().init_seed, std::move(init)});
  bool deferred = context().defer_init;
  Array data = deferred ? without_memory(shape, InitialValues::kDType)
                        : Array::empty(shape, InitialValues::kDType);
  if (!deferred) values.fill(0, flat(data));
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
  check_children();
  auto take = [&](const NamedTensors& own) {
    for (const auto& [name, tensor] : own) out.emplace_back(full_name(name), tensor);
  };
  if (kind != Kind::buffers) take(parameters_);
  if (kind != Kind::parameters) take(buffers_);
  for (const Module* child : children_) child->collect(kind, out);
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
  for (Module* child : children_) {
    if (InitialValues* found = child->find_initial_values(parameter)) return found;
  }
  // A module that took another's place may go on with its parameters.
  return replaced_ ? replaced_->find_initial_values(parameter) : nullptr;
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
  values->fill(0, flat(data));
  data.storage()->mark_changed("set_initial_values");
}

void Module::materialize(Device device) {
  for (const Tensor& parameter : parameters()) {
    if (parameter.device().type != DeviceType::meta) continue;
    Array data = Array::empty(parameter.shape(), parameter.dtype(), device);
    initial_values(parameter).fill(0, flat(data));
    parameter.set_data(data);
  }
  Parametrization::follow_parts(*this);
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

// ------------------------------------------------------------------------------------ being called

HookHandle Module::register_forward_pre_hook(ForwardPreHook hook) {
  if (!hooks_) hooks_ = std::make_shared<ForwardHooks>();
  uint64_t id = hooks_->before.add(std::move(hook));
  return HookHandle([hooks = std::weak_ptr(hooks_), id] {
    if (auto alive = hooks.lock()) alive->before.remove(id);
  });
}

HookHandle Module::register_forward_hook(ForwardHook hook) {
  if (!hooks_) hooks_ = std::make_shared<ForwardHooks>();
  uint64_t id = hooks_->after.add(std::move(hook));
  return HookHandle([hooks = std::weak_ptr(hooks_), id] {
    if (auto alive = hooks.lock()) alive->after.remove(id);
  });
}

void Module::run_pre_hooks(std::vector<Tensor>& inputs) const {
  if (!hooks_) return;
  size_t count = inputs.size();
  for (const auto& hook : hooks_->before.all()) (*hook)(*this, inputs);
  TESSERA_CHECK(inputs.size() == count,
                "[Module] a hook before '{}' made {} inputs of {}: it may replace them only",
                path(), inputs.size(), count);
}

void Module::run_hooks(const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) const {
  if (!hooks_) return;
  size_t count = outputs.size();
  for (const auto& hook : hooks_->after.all()) (*hook)(*this, inputs, outputs);
  TESSERA_CHECK(outputs.size() == count,
                "[Module] a hook after '{}' made {} outputs of {}: it may replace them only",
                path(), outputs.size(), count);
}

void Module::collect_blocks(std::vector<const Module*>& out) const {
  if (is_block_) return out.push_back(this);
  for (const Module* child : children_) child->collect_blocks(out);
}

std::vector<const Module*> Module::blocks() const {
  std::vector<const Module*> out;
  collect_blocks(out);
  return out;
}

BlockRunner* Module::block_runner() const {
  if (!is_block_) return nullptr;
  BlockRunner* runner = block_runner_;
  for (const Module* above = parent_; above && !runner; above = above->parent_) {
    if (above->is_block_) return nullptr;
    runner = above->block_runner_;
  }
  return runner;
}

void Module::train(bool training) {
  training_ = training;
  for (Module* child : children()) child->train(training);
}

// ------------------------------------------------------------------------------------------ scopes

// One for each thread, and no part of the Context: a second run of a block's forward enters anew
// what it needs.
const ModuleScope*& ModuleScope::innermost() {
  static thread_local const ModuleScope* scope = nullptr;
  return scope;
}

ModuleScope::ModuleScope(const Module& module)
    : module_(module),
      outer_(std::exchange(innermost(), this)),
      path_before_(std::exchange(context().module_path, module.path_)),
      here_(*module.path_) {}

ModuleScope::~ModuleScope() {
  context().module_path = std::move(path_before_);
  innermost() = outer_;
}

bool ModuleScope::is_in(const Module& module) {
  const ModuleScope* scope = innermost();
  while (scope && &scope->module_ != &module) scope = scope->outer_;
  return scope != nullptr;
}

CallScope::CallScope(const Module& module, CallSite site) : scope_(module) {
  module.check_children();
  if (site.file) noted_.emplace(site);
  if (module.keeps_callers_place_) composed_.emplace();
}

}  // namespace tessera::nn
