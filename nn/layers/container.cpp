#include "nn/layers/container.h"

#include "autograd/ops/shape.h"

namespace tessera::nn {

Tensor Sequential::forward(const Tensor& x) const {
  // Each layer starts from the place of this call, and one of the user's own has places of its own.
  const CallSite site = call_place.site;
  const NotComposed users;
  Tensor y = x;
  for (const auto& layer : layers_) y = (*layer)(y, site);
  return y;
}

Tensor ParameterList::append(const Dims& shape, Init init) {
  items_.push_back(add_parameter(std::to_string(items_.size()), shape, std::move(init)));
  return items_.back();
}

const Tensor& ParameterList::operator[](size_t i) const {
  TESSERA_CHECK(i < items_.size(), "[ParameterList] expected an index below {}, got {}",
                items_.size(), i);
  return items_[i];
}

Tensor ParameterDict::emplace(std::string name, const Dims& shape, Init init) {
  Tensor parameter = add_parameter(name, shape, std::move(init));
  items_.emplace_back(std::move(name), parameter);
  return parameter;
}

std::vector<std::string> ParameterDict::keys() const {
  std::vector<std::string> out;
  for (const auto& [name, parameter] : items_) out.push_back(name);
  return out;
}

const Tensor* ParameterDict::find_item(std::string_view name) const {
  for (const auto& [known, parameter] : items_) {
    if (known == name) return &parameter;
  }
  return nullptr;
}

const Tensor& ParameterDict::operator[](std::string_view name) const {
  const Tensor* found = find_item(name);
  TESSERA_CHECK(found, "[ParameterDict] there is no parameter '{}' in '{}'", name, path());
  return *found;
}

Tensor Flatten::forward(const Tensor& x) const { return flatten(x, start_, end_); }

Tensor Unflatten::forward(const Tensor& x) const { return unflatten(x, dim_, sizes_); }

}  // namespace tessera::nn
