// Module: named parameters in a tree of named parts.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "autograd/tensor.h"

namespace tessera::nn {

// How a parameter starts. The values are a function of (seed, name, element) alone.
struct Init {
  enum class Kind { constant, normal, uniform };
  Kind kind = Kind::constant;
  double value = 0;  // the constant, the standard deviation, or the bound of (-bound, bound)
  static Init constant(double value) { return {Kind::constant, value}; }
  static Init normal(double std) { return {Kind::normal, std}; }
  static Init uniform(double bound) { return {Kind::uniform, bound}; }
};

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;
using StateDict = std::vector<std::pair<std::string, Array>>;

// Parts are members that are given `this` and their name:
//
//   struct Net : nn::Module {
//     nn::Linear fc1{this, "fc1", 784, 128};
//     nn::Linear fc2{this, "fc2", 128, 10};
//     Tensor forward(const Tensor& x) { return fc2(relu(fc1(x))); }
//   };
//
// A module neither moves nor is copied, so that its parts can point to it.
class Module {
 public:
  Module() = default;  // a root
  // A part of `parent`, which must outlive it. Names hold no dot and are unique in their parent.
  Module(Module* parent, std::string name);
  virtual ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // "blocks.0.attn"; empty for a root.
  const std::string& path() const { return path_; }

  // Depth first, a module's own before its parts', each in the order of construction; names are
  // full paths. A tensor that several parts share appears once, under its first name.
  NamedTensors named_parameters() const;
  // Tensors that are saved and loaded with the parameters, but not trained: running statistics.
  NamedTensors named_buffers() const;
  std::vector<Tensor> parameters() const;
  int64_t num_parameters() const;

  // The data of parameters and buffers, a module's own parameters before its own buffers; it shares
  // their memory.
  StateDict state_dict() const;
  // Copies values in. Names missing or unknown, wrong shapes and dtypes are errors, and then
  // nothing has been changed.
  void load_state_dict(const StateDict& state);

  // Training mode (the start) or evaluation, for this module and its parts.
  void train(bool training = true);
  void eval() { train(false); }
  bool training() const { return training_; }
  // Drops all gradients.
  void zero_grad();

 protected:
  // A new parameter of f32.
  Tensor add_parameter(std::string name, const Dims& shape, Init init);
  // A new buffer with these first values, of any dtype.
  Tensor add_buffer(std::string name, const Array& data);

 private:
  void check_name(const std::string& name) const;
  std::string full_name(const std::string& name) const;
  enum class Kind { parameters, buffers, all };
  void collect(Kind kind, NamedTensors& out) const;
  NamedTensors collect_once(Kind kind) const;

  Module* parent_ = nullptr;
  std::string name_;
  std::string path_;
  NamedTensors parameters_;
  NamedTensors buffers_;
  std::vector<Module*> parts_;
  bool training_ = true;
};

// While one lives, random numbers are drawn as `module`'s.
class ModuleScope {
 public:
  explicit ModuleScope(const Module& module);
  ~ModuleScope();
  ModuleScope(const ModuleScope&) = delete;
  ModuleScope& operator=(const ModuleScope&) = delete;

 private:
  std::shared_ptr<const std::string> before_;
};

// Parts of one kind, named "0", "1", ....
template <class T>
class ModuleList : public Module {
 public:
  ModuleList(Module* parent, std::string name) : Module(parent, std::move(name)) {}
  // Makes T(this, index, args...).
  template <class... Args>
  T& emplace_back(Args&&... args) {
    items_.push_back(
        std::make_unique<T>(this, std::to_string(items_.size()), std::forward<Args>(args)...));
    return *items_.back();
  }
  size_t size() const { return items_.size(); }
  T& operator[](size_t i) { return *items_[i]; }

 private:
  std::vector<std::unique_ptr<T>> items_;
};

}  // namespace tessera::nn
