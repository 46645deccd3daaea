#include "nn/optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_set>

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/creation.h"
#include "autograd/ops/where.h"
#include "core/finite.h"
#include "core/kernels.h"
#include "core/kernels/reduce.h"
#include "core/kernels/unary.h"

namespace tessera::optim {
namespace {

constexpr int64_t kChunk = 256;
constexpr const char* kStep = "step";

Array flat(const Array& x) { return x.view({x.numel()}); }
int64_t chunks_of(const Array& x) { return (x.numel() + kChunk - 1) / kChunk; }

std::string key(std::string_view state, std::string_view param) {
  return fmt::format("{}/{}", state, param);
}

}  // namespace

Optimizer::Optimizer(std::vector<ParamGroup> groups, const RulePtr& rule)
    : groups_(std::move(groups)) {
  std::unordered_set<const void*> seen;
  std::unordered_set<std::string> names;
  bool any_trained = false;
  for (ParamGroup& group : groups_) {
    if (!group.rule) group.rule = rule;
    TESSERA_CHECK(group.rule || group.params.empty(), "[Optimizer] expected a rule for each group");
    TESSERA_CHECK(group.names.empty() || group.names.size() == group.params.size(),
                  "[Optimizer] expected a name for each of {} parameters, got {}",
                  group.params.size(), group.names.size());
    TESSERA_CHECK(std::isfinite(group.lr_scale) && std::isfinite(group.weight_decay),
                  "[Optimizer] expected a finite lr_scale and weight_decay, got {} and {}",
                  group.lr_scale, group.weight_decay);
    for (const Tensor& param : group.params) {
      TESSERA_CHECK(param.is_leaf(), "[Optimizer] expected leaves, got the result of an operation");
      TESSERA_CHECK(seen.insert(param.shared().get()).second,
                    "[Optimizer] a parameter is listed twice");
      any_trained = any_trained || param.requires_grad();
    }
    add_items(static_cast<size_t>(&group - groups_.data()), names);
  }
  TESSERA_CHECK(any_trained || seen.empty(),
                "[Optimizer] expected parameters that require a gradient, and none of {} does",
                seen.size());
  check_closure_rule();
}

void Optimizer::add_items(size_t index, std::unordered_set<std::string>& names) {
  const ParamGroup& group = groups_[index];
  for (size_t i = 0; i < group.params.size(); ++i) {
    const Tensor& param = group.params[i];
    std::string name = group.names.empty() ? std::to_string(items_.size()) : group.names[i];
    std::vector<StateInfo> infos = group.rule->states(param.shape());
    TESSERA_CHECK(names.insert(name).second, "[Optimizer] two parameters are named '{}'", name);
    std::set<std::string> states;
    for (const StateInfo& info : infos) {
      TESSERA_CHECK(states.insert(info.name).second && info.name != kStep,
                    "[Optimizer] a rule has two states '{}': {}", info.name,
                    group.rule->describe());
      bool fits = group.rule->cut() == Cut::whole_parameter || info.shape == param.shape();
      TESSERA_CHECK(fits, "[Optimizer] a rule for any cut has state '{}' of shape {} for {}",
                    info.name, info.shape, param.shape());
    }
    items_.push_back({std::move(name), index, param, std::move(infos)});
  }
}

std::string Optimizer::describe() const {
  std::vector<std::string> texts;
  for (const ParamGroup& group : groups_) {
    if (!group.rule) continue;
    std::string text = group.rule->describe();
    if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
  }
  return fmt::format("{}", fmt::join(texts, "; "));
}

bool Optimizer::step(double lr) { return step(lr, Array::scalar(1.0, DType::f64)); }

// What is not finite of a step's numbers; empty: all are.
std::string Optimizer::nonfinite(double lr, const Array& grad_scale) const {
  if (!std::isfinite(lr)) return fmt::format("the learning rate is {}", lr);
  for (size_t i = 0; i < items_.size(); ++i) {
    const Tensor& param = items_[i].param;
    if (!param.requires_grad() || !param.grad().defined()) continue;
    int64_t count = count_nonfinite(param.grad().data());
    if (count == 0) continue;
    return fmt::format(
        "the gradient of parameter {}, of shape {}, is NaN or infinite in {} of {} elements", i + 1,
        param.shape(), count, param.numel());
  }
  if (all_finite(grad_scale)) return {};
  return fmt::format("the gradients' scale is {}", grad_scale.item<double>());
}

bool Optimizer::step(double lr, const Array& grad_scale) {
  check_trains("step");
  if (on_nonfinite_ != NonFinite::take) {
    std::string reason = nonfinite(lr, grad_scale);
    TESSERA_CHECK(reason.empty() || on_nonfinite_ == NonFinite::skip,
                  "[Optimizer] {}; nothing was updated", reason);
    if (!reason.empty()) return false;
  }
  Array scale = grad_scale;  // on the device of the parameter at hand
  for (Item& item : items_) {
    if (!item.param.requires_grad() || !item.param.grad().defined()) continue;
    scale = scale.to(item.param.device());
    update(item, lr, scale);
  }
  return true;
}

// As before the first step, where there is none.
void Optimizer::make_state(Item& item) const {
  const Array& param = item.param.data();
  TESSERA_CHECK(param.dtype() == DType::f32 || param.dtype() == DType::f64,
                "[Optimizer] expected parameters of f32 or f64, got {} for '{}'", param.dtype(),
                item.name);
  std::vector<Array>& arrays = item.state.arrays;
  auto point = groups_[item.group].rule->evaluation_point();
  for (size_t i = arrays.size(); i < item.infos.size(); ++i) {
    arrays.push_back(Array::zeros(item.infos[i].shape, param.dtype(), param.device()));
    if (point && point->state == i) arrays.back().copy_(param);
  }
}

void Optimizer::update(Item& item, double lr, const Array& grad_scale) {
  const ParamGroup& group = groups_[item.group];
  const Array& param = item.param.data();
  make_state(item);
  Array grad = item.param.grad().data().contiguous();
  State& state = item.state;
  Slice slice{param, grad, state.arrays};
  if (group.rule->cut() == Cut::anywhere) {
    slice = {flat(param), flat(grad), {}};
    for (const Array& array : state.arrays) slice.state.push_back(flat(array));
  }
  group.rule->update(slice, grad_scale, {lr * group.lr_scale, group.weight_decay, ++state.steps});
  param.storage()->mark_changed("Optimizer::step");
}

void Optimizer::zero_grad() {
  for (const Item& item : items_) item.param.set_grad({});
}

void Optimizer::eval() {
  if (!evaluates_) exchange_points("Optimizer::eval");
  evaluates_ = true;
}

void Optimizer::train() {
  if (evaluates_) exchange_points("Optimizer::train");
  evaluates_ = false;
}

void Optimizer::exchange_points(const char* op) {
  for (Item& item : items_) {
    auto point = groups_[item.group].rule->evaluation_point();
    if (!point || item.state.steps == 0) continue;
    const Array& param = item.param.data();
    const Array& other = item.state.arrays[point->state];
    Array before = param.clone();
    param.copy_(other);
    other.copy_(before);
    param.storage()->mark_changed(op);
  }
}

void Optimizer::check_trains(const char* op) const {
  TESSERA_CHECK(!evaluates_,
                "[Optimizer::{}] the parameters are what they are to be used at, not "
                "what is trained: train() comes first",
                op);
}

nn::StateDict Optimizer::state_dict() const {
  check_trains("state_dict");
  nn::StateDict state;
  for (const Item& item : items_) {
    if (item.state.steps == 0) continue;
    state.emplace_back(key(kStep, item.name),
                       Array::scalar(static_cast<double>(item.state.steps), DType::i64));
    for (size_t i = 0; i < item.infos.size(); ++i) {
      state.emplace_back(key(item.infos[i].name, item.name), item.state.arrays[i]);
    }
  }
  return state;
}

// What `given` has for the item, which is taken out of it; else what is wrong is added.
Optimizer::State Optimizer::take_state(const Item& item, std::map<std::string, Array>& given,
                                       std::vector<std::string>& wrong) {
  State state;
  auto steps = given.extract(key(kStep, item.name));
  size_t found = 0;
  for (const StateInfo& info : item.infos) {
    auto entry = given.extract(key(info.name, item.name));
    if (entry.empty()) continue;
    ++found;
    const Array& value = entry.mapped();
    DType dtype = item.param.dtype();
    if (value.shape() == info.shape && value.dtype() == dtype) {
      state.arrays.push_back(value.to(item.param.device()).clone());
    } else {
      wrong.push_back(fmt::format("'{}': expected {} {}, got {} {}", entry.key(), dtype, info.shape,
                                  value.dtype(), value.shape()));
    }
  }
  if (steps.empty() && found == 0) return state;
  if (steps.empty() || found < item.infos.size()) {
    wrong.push_back(fmt::format("of '{}' only a part is there", item.name));
    return state;
  }
  const Array& count = steps.mapped();
  bool counts = count.dim() == 0 && count.dtype() == DType::i64;
  if (counts) state.steps = count.item<int64_t>();
  if (state.steps < 1) {
    wrong.push_back(
        fmt::format("'{}': expected a number of steps, i64 () of at least 1", steps.key()));
  }
  return state;
}

void Optimizer::load_state_dict(const nn::StateDict& state) {
  check_trains("load_state_dict");
  std::map<std::string, Array> given(state.begin(), state.end());
  std::vector<std::string> wrong;
  if (given.size() != state.size()) wrong.emplace_back("a name is there twice");
  std::vector<State> loaded;
  for (const Item& item : items_) {
    loaded.push_back(take_state(item, given, wrong));
  }
  for (const auto& [name, value] : given) {
    wrong.push_back(fmt::format("the optimizer has no '{}'", name));
  }
  TESSERA_CHECK(wrong.empty(), "[Optimizer::load_state_dict] {}", fmt::join(wrong, "; "));
  for (size_t i = 0; i < items_.size(); ++i) items_[i].state = std::move(loaded[i]);
}

void clip_grad_value(const std::vector<Tensor>& params, double max_value) {
  TESSERA_CHECK(max_value > 0, "[clip_grad_value] expected a value above 0, got {}", max_value);
  for (const Tensor& param : params) {
    if (!param.grad().defined()) continue;
    const Array& grad = param.grad().data();
    kernels(grad.device()).unary().run(UnaryOp::clamp, grad, grad, {-max_value, max_value});
    grad.storage()->mark_changed("clip_grad_value");
  }
}

Array clip_grad_norm(const std::vector<Tensor>& params, double max_norm, double* norm) {
  TESSERA_CHECK(max_norm > 0, "[clip_grad_norm] expected a norm above 0, got {}", max_norm);
  std::vector<Array> grads;
  int64_t num_chunks = 0;
  for (const Tensor& param : params) {
    if (!param.grad().defined()) continue;
    grads.push_back(flat(param.grad().data()));
    num_chunks += chunks_of(grads.back());
  }
  Device device = grads.empty() ? Device{} : grads[0].device();
  Array sums = Array::empty({num_chunks}, DType::f64, device);
  int64_t filled = 0;
  for (const Array& grad : grads) {
    int64_t end = filled + chunks_of(grad);
    Array own = sums.slice(0, filled, end);
    if (grad.device() != device) own = Array::empty(own.shape(), DType::f64, grad.device());
    kernels(grad.device()).reduce().chunk_square_sums(grad, own);
    if (grad.device() != device) sums.slice(0, filled, end).copy_(own);
    filled = end;
  }
  Array squares = Array::empty({}, DType::f64, device);
  kernels(device).reduce().tree_sum(sums, squares);
  NoGrad no_grad;
  Tensor total = sqrt(Tensor(squares));
  if (norm) *norm = total.item<double>();
  // A NaN stays one and reaches the parameters, where it is seen.
  return minimum(max_norm / (total + 1e-6), full_like(total, 1)).data();
}

}  // namespace tessera::optim
