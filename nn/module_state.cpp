// What of a module is saved, loaded and moved.
#include <algorithm>
#include <map>
#include <utility>

#include "nn/module.h"
#include "nn/parametrization.h"

namespace tessera::nn {
namespace {

// Collects what is wrong, for one error about all of it.
class Complaints {
 public:
  void add(std::string text) { texts_.push_back(std::move(text)); }
  void check(std::string_view op) const {
    if (texts_.empty()) return;
    std::string all;
    for (const std::string& text : texts_) all += (all.empty() ? "" : "; ") + text;
    throw_error(fmt::format("[{}] {}", op, all));
  }

 private:
  std::vector<std::string> texts_;
};

}  // namespace

StateDict Module::state_dict() const {
  StateDict state;
  for (const auto& [name, tensor] : named_state()) state.emplace_back(name, tensor.data());
  return state;
}

LoadResult Module::load_state_dict(const StateDict& state, LoadOptions options) {
  Complaints complaints;
  LoadResult result;
  std::map<std::string, Array> given;
  for (const auto& [name, value] : state) {
    if (!given.emplace(name, value).second)
      complaints.add(fmt::format("'{}' is there twice", name));
  }
  NamedTensors own = named_state();
  std::map<std::string, Array> unused = given;
  for (const auto& [name, tensor] : own) {
    auto found = given.find(name);
    unused.erase(name);
    if (found == given.end()) {
      result.missing.push_back(name);
      if (options.strict) complaints.add(fmt::format("'{}' is missing", name));
      continue;
    }
    const Array& value = found->second;
    bool has_values = value.device().type != DeviceType::meta && !value.storage()->dropped();
    bool has_memory =
        tensor.device().type != DeviceType::meta && !tensor.data().storage()->dropped();
    if (!has_values) complaints.add(fmt::format("the values of '{}' are not there", name));
    if (!has_memory)
      complaints.add(fmt::format("'{}' would be written to before it has memory", name));
    if (value.shape() == tensor.shape() && value.dtype() == tensor.dtype()) continue;
    complaints.add(fmt::format("'{}': expected {} {}, got {} {}", name, tensor.dtype(),
                               tensor.shape(), value.dtype(), value.shape()));
  }
  for (const auto& [name, value] : unused) {
    result.unexpected.push_back(name);
    if (options.strict) complaints.add(fmt::format("the module has no '{}'", name));
  }
  complaints.check("load_state_dict");
  for (const auto& [name, tensor] : own) {
    auto found = given.find(name);
    if (found == given.end()) continue;
    tensor.data().copy_(found->second);
    tensor.data().storage()->mark_changed("load_state_dict");
  }
  return result;
}

// Each tensor that change(data) gives another array for has that one now, its gradient likewise.
template <class Change>
void Module::change_data(const Change& change) {
  for (const auto& [name, tensor] : named_state()) {
    Array data = change(tensor.data());
    if (data.storage() == tensor.data().storage()) continue;
    Tensor grad = tensor.grad();
    tensor.set_grad({});
    if (data.dtype() == tensor.dtype()) tensor.set_data(data);
    else tensor.set_data_of_dtype(data);
    if (grad.defined()) tensor.set_grad(Tensor(change(grad.data())));
  }
}

void Module::put_buffers_aside() {
  buffers_aside_.resize(buffers_.size());
  for (size_t i = 0; i < buffers_.size(); ++i) {
    const Array& data = buffers_[i].second.data();
    if (data.device().type != DeviceType::meta) buffers_aside_[i] = data;
  }
  for (Module* child : children_) child->put_buffers_aside();
}

void Module::take_buffers_back() {
  for (size_t i = 0; i < buffers_aside_.size(); ++i) {
    const Tensor& buffer = buffers_[i].second;
    bool away = buffer.device().type == DeviceType::meta && buffers_aside_[i].defined();
    if (away) buffer.set_data(buffers_aside_[i].to(buffer.dtype()));
  }
  buffers_aside_.clear();
  for (Module* child : children_) child->take_buffers_back();
}

void Module::to(Device device) {
  for (const Module* part : std::as_const(*this).modules()) part->check_unused("moves");
  if (device.type == DeviceType::meta) {
    zero_grad();
    put_buffers_aside();
    change_data([](const Array& data) {
      bool there = data.device().type == DeviceType::meta;
      return there ? data : without_memory(data.shape(), data.dtype());
    });
  } else {
    take_buffers_back();
    materialize(device);
    change_data([&](const Array& data) { return data.to(device); });
  }
  Parametrization::follow_parts(*this);
}

void Module::to(DType dtype) {
  TESSERA_CHECK(is_floating(dtype), "[Module::to] expected a floating dtype, got {}", dtype);
  for (const Module* part : std::as_const(*this).modules()) part->check_unused("changes its dtype");
  change_data([&](const Array& data) {
    if (!is_floating(data.dtype()) || data.dtype() == dtype) return data;
    bool deferred = data.device().type == DeviceType::meta;
    return deferred ? without_memory(data.shape(), dtype) : data.to(dtype);
  });
  Parametrization::follow_parts(*this);
}

void Module::requires_grad_(bool wanted) {
  for (const Tensor& parameter : parameters()) parameter.set_requires_grad(wanted);
}

void Module::zero_grad() {
  for (const Tensor& parameter : parameters()) parameter.set_grad({});
}

}  // namespace tessera::nn
