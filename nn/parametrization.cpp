#include "nn/parametrization.h"

#include <algorithm>

#include "autograd/context.h"
#include "nn/callable.h"
#include "nn/type_name.h"

namespace tessera::nn {
namespace {

constexpr const char* kParametrizations = "parametrizations";

template <class Entries>
auto entry_of(Entries& entries, const std::string& name) {
  return std::find_if(entries.begin(), entries.end(),
                      [&](const auto& entry) { return entry.first == name; });
}

}  // namespace

// ------------------------------------------------------------------------------ values, in calls

// One value in its parameter's place, until it goes.
class MadeParameters::Value {
 public:
  Value(const Tensor& parameter, const Tensor& value) : impl_(parameter.shared()) {
    Edge edge = value.gradient_edge();
    const bool has_history = static_cast<bool>(edge);
    swap({value.data(), std::move(edge.node), edge.output, has_history, value.shared()->inference});
  }
  ~Value() { swap(std::move(before_)); }
  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;

 private:
  struct State {
    Array data;
    NodePtr grad_fn;
    uint32_t output = 0;
    bool requires_grad = false;
    bool inference = false;
  };
  void swap(State state) {
    before_ = {std::exchange(impl_->data, std::move(state.data)),
               std::exchange(impl_->grad_fn, std::move(state.grad_fn)),
               std::exchange(impl_->output, state.output),
               std::exchange(impl_->requires_grad, state.requires_grad),
               std::exchange(impl_->inference, state.inference)};
    impl_->hooks = nullptr;
  }

  std::shared_ptr<Tensor::Impl> impl_;
  State before_;
};

void MadeParameters::make(const Module& module) {
  for (const Module::Made& made : module.made_) {
    Tensor value = made.by->value();
    TESSERA_CHECK(value.shape() == made.tensor.shape(),
                  "[Parametrization] expected a value of {} for '{}', got {}", made.tensor.shape(),
                  module.full_name(made.name), value.shape());
    values_.push_back(std::make_shared<Value>(made.tensor, value));
  }
}

// ---------------------------------------------------------------------- taking a parameter's place

Original Parametrization::original_of(Module& module, const std::string& name) {
  auto found = entry_of(module.parameters_, name);
  bool is_made = std::any_of(module.made_.begin(), module.made_.end(),
                             [&](const auto& made) { return made.name == name; });
  TESSERA_CHECK(!is_made, "[parametrize] something makes '{}' already", module.full_name(name));
  TESSERA_CHECK(found != module.parameters_.end(), "[parametrize] '{}' has no parameter '{}'",
                module.path().empty() ? type_name(typeid(module)) : module.path(), name);
  module.check_unused("is parametrized");
  const Module* root = &module;
  while (root->parent()) root = root->parent();
  NamedTensors all = root->all_named_parameters();
  auto is_it = [&](const auto& entry) { return entry.second.shared() == found->second.shared(); };
  auto at = static_cast<size_t>(found - module.parameters_.begin());
  bool shared =
      module.initial_values_[at].name.empty() || std::count_if(all.begin(), all.end(), is_it) > 1;
  TESSERA_CHECK(!shared,
                "[parametrize] '{}' is a parameter of several modules: calls of one would not make "
                "it for the others",
                module.full_name(name));
  return {found->second, std::make_shared<InitialValues>(module.initial_values_[at])};
}

void Parametrization::put(Module& module, const std::string& name,
                          std::unique_ptr<Parametrization> by) {
  Parametrization& maker = *by;
  const Tensor& parameter = maker.original_.tensor;
  auto found = entry_of(module.parameters_, name);
  TESSERA_CHECK(found != module.parameters_.end() && found->second.shared() == parameter.shared(),
                "[parametrize] expected '{}' to be the original of what makes it",
                module.full_name(name));
  Module* all = module.find(kParametrizations);
  if (!all) all = &module.attach(kParametrizations, std::make_unique<Module>());
  all->attach(name, std::move(by));
  all->train(module.training());
  module.initial_values_.erase(module.initial_values_.begin() +
                               (found - module.parameters_.begin()));
  module.parameters_.erase(found);

  parameter.set_grad({});
  parameter.set_requires_grad(false);
  parameter.shared()->accumulator = {};
  maker.leave_no_value(module, name);
  module.made_.push_back({name, parameter, &maker});
}

void Parametrization::rename(const Module& module, const std::string& name, bool starts_anew) {
  original_.values->name = module.full_name(name);
  leave_no_value(module, name);
  if (!starts_anew) return;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Array& data = parameters_[i].second.data();
    if (data.device().type == DeviceType::meta) continue;
    initial_values_[i].fill(0, data.view({data.numel()}));
  }
  start_anew();
}

void Parametrization::leave_no_value(const Module& module, const std::string& name) const {
  const Tensor& parameter = original_.tensor;
  const Tensor& like = parameters_.empty() ? parameter : parameters_[0].second;
  bool on_meta = like.device().type == DeviceType::meta;
  Array none = Array::empty(parameter.shape(), like.dtype(), on_meta ? Device{} : like.device());
  // What an error says when it is touched.
  none.storage()->drop(std::make_shared<const std::string>(
      fmt::format("'{}' is made anew by each call of its module and", module.full_name(name))));
  parameter.shared()->data = none;
}

void Parametrization::follow_parts(const Module& module) {
  for (const Module* each : module.modules()) {
    for (const Module::Made& made : each->made_) made.by->leave_no_value(*each, made.name);
  }
}

void Parametrization::remove(Module& module, const std::string& name) {
  auto found = std::find_if(module.made_.begin(), module.made_.end(),
                            [&](const auto& made) { return made.name == name; });
  TESSERA_CHECK(found != module.made_.end(), "[remove_parametrization] nothing makes '{}'",
                module.full_name(name));
  module.check_unused("loses a parametrization");
  const Module::Made made = *found;
  std::vector<Tensor> parts = made.by->parameters();
  for (const Tensor& part : parts) {
    TESSERA_CHECK(part.device().type != DeviceType::meta,
                  "[remove_parametrization] '{}' has no values yet", module.full_name(name));
  }
  Array data;
  {
    const NoGrad no_grad;
    data = made.by->value().data().contiguous();
  }
  bool trained = std::any_of(parts.begin(), parts.end(),
                             [](const Tensor& part) { return part.requires_grad(); });
  made.tensor.shared()->data = data;
  made.tensor.set_requires_grad(trained);
  module.parameters_.emplace_back(name, made.tensor);
  module.initial_values_.push_back(*made.by->original_.values);
  module.made_.erase(found);

  // What is destroyed without a parent leaves no trace in it.
  auto release = [](Module& parent, Module* child) {
    std::erase(parent.children_, child);
    child->parent_ = nullptr;
    std::erase_if(parent.owned_, [&](const auto& owned) { return owned.get() == child; });
  };
  Module* all = module.find(kParametrizations);
  release(*all, made.by);
  if (all->children_.empty()) release(module, all);
}

// ------------------------------------------------------------------------------------- its parts

Parametrization::Parametrization(const Original& original) : original_(original) {}

Tensor Parametrization::add_original(std::string name) {
  const Tensor& whole = original_.tensor;
  return add_part(
      std::move(name), whole.shape(),
      [values = original_.values](int64_t first, const Array& out) { values->fill(first, out); },
      [&] { return whole.data(); });
}

Tensor Parametrization::add_part(std::string name, const Dims& shape, Init::Fill fill,
                                 const std::function<Array()>& now) {
  const DeferInit later;
  Tensor part = add_parameter(std::move(name), shape, Init::custom(std::move(fill)));
  const Tensor& whole = original_.tensor;
  if (whole.device().type == DeviceType::meta) {
    part.set_data_of_dtype(without_memory(shape, whole.dtype()));
  } else if (original_.values->are_in(whole.data())) {
    Array first = Array::empty(shape, whole.dtype(), whole.device());
    initial_values_.back().fill(0, first.view({first.numel()}));
    part.set_data_of_dtype(first);
  } else {
    part.set_data_of_dtype(now().to(whole.device()).to(whole.dtype()).contiguous());
  }
  part.set_requires_grad(whole.requires_grad());
  return part;
}

}  // namespace tessera::nn
