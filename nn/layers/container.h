// Sequential, dictionaries and lists of modules and parameters (ModuleList is in nn/module.h), and
// the layers that only rearrange.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nn/layers/layer.h"

namespace tessera::nn {

// Layers one after the other, named "0", "1", ...:
//
//   nn::Sequential net{this, "net"};
//   net.add<nn::Linear>(784, 128).add<nn::Relu>().add<nn::Linear>(128, 10);
class Sequential : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Sequential(Module* parent, std::string name) : OwnLayer({parent, std::move(name)}) {}
  // Makes L(this, index, args...) at the end.
  template <class L, class... Args>
  Sequential& add(Args&&... args) {
    layers_.push_back(
        std::make_unique<L>(this, std::to_string(layers_.size()), std::forward<Args>(args)...));
    return *this;
  }
  Tensor forward(const Tensor& x) const override;

  size_t size() const { return layers_.size(); }
  Layer& operator[](size_t i) { return *layers_[i]; }

 private:
  std::vector<std::unique_ptr<Layer>> layers_;
};

// Modules of one kind by their names, in the order in which they were made. What it holds is called
// through it: dict["relu"](x).
template <class T>
class ModuleDict : public Module {
 public:
  using Module::Module;
  ModuleDict(Module* parent, std::string name) : Module(parent, std::move(name)) {}
  // Makes L(this, name, args...), a T. An Error for a name that is taken.
  template <class L = T, class... Args>
  L& emplace(std::string name, Args&&... args) {
    auto made = std::make_unique<L>(this, std::move(name), std::forward<Args>(args)...);
    L& added = *made;
    items_.push_back(std::move(made));
    return added;
  }
  size_t size() const { return items_.size(); }
  bool contains(std::string_view name) const { return position(name) < items_.size(); }
  std::vector<std::string> keys() const {
    std::vector<std::string> out;
    for (const auto& item : items_) out.push_back(item->name());
    return out;
  }
  // An Error for a name that it has not.
  T& operator[](std::string_view name) { return *items_[checked(name)]; }
  const T& operator[](std::string_view name) const { return *items_[checked(name)]; }

 private:
  size_t position(std::string_view name) const {
    size_t i = 0;
    while (i < items_.size() && items_[i]->name() != name) ++i;
    return i;
  }
  size_t checked(std::string_view name) const {
    size_t i = position(name);
    TESSERA_CHECK(i < items_.size(), "[ModuleDict] there is no module '{}' in '{}'", name, path());
    return i;
  }

  std::vector<std::unique_ptr<T>> items_;
};

// Parameters named "0", "1", ....
class ParameterList : public Module {
 public:
  using Module::Module;
  ParameterList(Module* parent, std::string name) : Module(parent, std::move(name)) {}
  // A new parameter at the end.
  Tensor append(const Dims& shape, Init init);
  size_t size() const { return items_.size(); }
  const Tensor& operator[](size_t i) const;

 private:
  std::vector<Tensor> items_;
};

// Parameters by their names, in the order in which they were made.
class ParameterDict : public Module {
 public:
  using Module::Module;
  ParameterDict(Module* parent, std::string name) : Module(parent, std::move(name)) {}
  // A new parameter. An Error for a name that is taken.
  Tensor emplace(std::string name, const Dims& shape, Init init);
  size_t size() const { return items_.size(); }
  bool contains(std::string_view name) const { return find_item(name) != nullptr; }
  std::vector<std::string> keys() const;
  // An Error for a name that it has not.
  const Tensor& operator[](std::string_view name) const;

 private:
  const Tensor* find_item(std::string_view name) const;

  NamedTensors items_;
};

// Dims start to end (included) as one.
class Flatten : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Flatten(Module* parent, std::string name, int64_t start = 1, int64_t end = -1)
      : OwnLayer({parent, std::move(name)}), start_(start), end_(end) {}
  Tensor forward(const Tensor& x) const override;

 private:
  int64_t start_;
  int64_t end_;
};

// Dim `dim` as dims of these sizes, one of which may be -1.
class Unflatten : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Unflatten(Module* parent, std::string name, int64_t dim, const Dims& sizes)
      : OwnLayer({parent, std::move(name)}), dim_(dim), sizes_(sizes) {}
  Unflatten(NotThis, int64_t dim, const Dims& sizes) = delete;
  Tensor forward(const Tensor& x) const override;

 private:
  int64_t dim_;
  Dims sizes_;
};

class Identity : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Identity(Module* parent, std::string name) : OwnLayer({parent, std::move(name)}) {}
  Tensor forward(const Tensor& x) const override { return x; }
};

}  // namespace tessera::nn
