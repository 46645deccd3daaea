// Module: named parameters in a tree of named parts.
#pragma once

#include <concepts>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/tensor.h"
#include "core/call_place.h"

namespace tessera::nn {

// How a parameter starts. The values are a function of (seed, name, element) alone.
struct Init {
  // out, a flat array, becomes the elements from `first` on, the same ones however they are cut.
  using Fill = std::function<void(int64_t first, const Array& out)>;

  enum class Kind { constant, normal, uniform, custom };
  Kind kind = Kind::constant;
  double value = 0;  // the constant, the standard deviation, or the bound of (-bound, bound)
  Fill fill = {};    // of a custom one
  // Elements [zeros_begin, zeros_end), row-major, start at zero all the same: a padding row.
  int64_t zeros_begin = 0;
  int64_t zeros_end = 0;

  static Init constant(double value) { return {Kind::constant, value}; }
  static Init normal(double std) { return {Kind::normal, std}; }
  static Init uniform(double bound) { return {Kind::uniform, bound}; }
  static Init custom(Fill fill) { return {Kind::custom, 0, std::move(fill)}; }
  Init with_zeros(int64_t begin, int64_t end) && {
    zeros_begin = begin;
    zeros_end = end;
    return std::move(*this);
  }
};

// The first values of a parameter, any run of which can be made by itself.
struct InitialValues {
  std::string name;  // full
  uint64_t seed = 0;
  Init init;
  // out, a flat array, becomes the elements from `first` on.
  void fill(int64_t first, const Array& out) const;
};

// While one lives, parameters are made without memory, on the device meta: whoever needs their
// values, or a shard of them, makes them by initial_values(). So a constructor says how parameters
// start by Init or set_initial_values(); writing to one that has no memory is an error.
class DeferInit {
 public:
  DeferInit();
  ~DeferInit();
  DeferInit(const DeferInit&) = delete;
  DeferInit& operator=(const DeferInit&) = delete;

 private:
  bool before_;
};

class Module;

// Takes what is no Wanted. Constructors of parts that begin with one are deleted, so that the
// compiler's message about `Linear fc{"fc", 4, 2}` says by this name what is missing.
template <class Wanted>
class PartsBeginWithThisAndAName {
 public:
  template <class T>
  requires(!std::convertible_to<T, Wanted>) PartsBeginWithThisAndAName(T&&);
};
using NotThis = PartsBeginWithThisAndAName<Module*>;
using NotAName = PartsBeginWithThisAndAName<std::string>;

class BlockRunner;
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
  // A part of `parent`, which must outlive it. Names hold no dot or slash and are
  // unique in their parent.
  Module(Module* parent, std::string name);
  template <class... Rest>
  Module(NotThis, Rest&&...) = delete;
  template <class... Rest>
  Module(Module*, NotAName, Rest&&...) = delete;
  virtual ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // "blocks.0.attn"; empty for a root.
  const std::string& path() const { return path_; }

  // Depth first, a module's own before its parts', each in the order of construction; names are
  // full paths. A tensor that several parts share appears once, under its first name.
  NamedTensors named_parameters() const;
  // The same with shared tensors under each of their names.
  NamedTensors all_named_parameters() const;
  // How a parameter of this module or its parts started. An Error for another tensor, and for one
  // that was changed in place before it had memory.
  const InitialValues& initial_values(const Tensor& parameter) const;
  // A parameter of this module or its parts starts otherwise: it gets those values now, or where it
  // was made under DeferInit, when it gets its memory. An Error for another tensor.
  void set_initial_values(const Tensor& parameter, Init init);
  // Gives parameters that were made under DeferInit their memory and values.
  void materialize();
  // Tensors that are saved and loaded with the parameters, but not trained: running statistics.
  NamedTensors named_buffers() const;
  std::vector<Tensor> parameters() const;
  int64_t num_parameters() const;

  // Parameters and buffers, a module's own parameters before its own buffers.
  NamedTensors named_state() const { return collect_once(Kind::all); }
  // The data of parameters and buffers, a module's own parameters before its own buffers; it shares
  // their memory.
  StateDict state_dict() const;
  // Copies values in. Names missing or unknown, wrong shapes and dtypes are errors, and then
  // nothing has been changed.
  void load_state_dict(const StateDict& state);

  // Makes this module a block (nn/block.h), unless it is part of one.
  void make_block() { is_block_ = true; }
  // The outermost blocks, in the order of named_parameters.
  std::vector<const Module*> blocks() const;
  // Who runs the blocks below this module, which outlives its last run or is taken away by nullptr.
  void set_block_runner(BlockRunner* runner) { block_runner_ = runner; }
  // The runner of this block; null where it runs as any module: no runner is set, or it is part of
  // another block.
  BlockRunner* block_runner() const;

  // Training mode (the start) or evaluation, for this module and its parts.
  void train(bool training = true);
  void eval() { train(false); }
  bool training() const { return training_; }
  // Drops all gradients.
  void zero_grad();

 protected:
  // A new parameter of f32.
  Tensor add_parameter(std::string name, const Dims& shape, Init init);
  // A parameter of another module under a name of this one: tied weights.
  void share_parameter(std::string name, const Tensor& parameter);
  // A new buffer with these first values, of any dtype.
  Tensor add_buffer(std::string name, const Array& data);

 private:
  void check_name(const std::string& name) const;
  std::string full_name(const std::string& name) const;
  enum class Kind { parameters, buffers, all };
  void collect(Kind kind, NamedTensors& out) const;
  void collect_blocks(std::vector<const Module*>& out) const;
  InitialValues* find_initial_values(const Tensor& parameter);
  NamedTensors collect_once(Kind kind) const;

  Module* parent_ = nullptr;
  std::string name_;
  std::string path_;
  NamedTensors parameters_;
  std::vector<InitialValues> initial_values_;  // of parameters_
  NamedTensors buffers_;
  std::vector<Module*> parts_;
  bool training_ = true;
  bool is_block_ = false;
  BlockRunner* block_runner_ = nullptr;
};

// While one lives, random numbers are drawn as `module`'s, and errors name it.
class ModuleScope {
 public:
  explicit ModuleScope(const Module& module);
  ~ModuleScope();
  ModuleScope(const ModuleScope&) = delete;
  ModuleScope& operator=(const ModuleScope&) = delete;

 private:
  std::shared_ptr<const std::string> before_;
  InModule here_;
};

// Parts of one kind, named "0", "1", ....
template <class T>
class ModuleList : public Module {
 public:
  using Module::Module;
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
