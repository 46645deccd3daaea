// Module: named parameters in a tree of named children.
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include "autograd/ops/shape.h"
#include "autograd/tensor.h"
#include "core/call_place.h"
#include "nn/hooks.h"
#include "nn/init.h"

namespace tessera::nn {

class BlockRunner;
class Module;
class Parametrization;

// Takes what is no Wanted. Constructors of children that begin with one are deleted, so that the
// compiler's message about `Linear fc{"fc", 4, 2}` says by this name what is missing.
template <class Wanted>
class ChildrenBeginWithThisAndAName {
 public:
  template <class T>
  requires(!std::convertible_to<T, Wanted>) ChildrenBeginWithThisAndAName(T&&);
};
using NotThis = ChildrenBeginWithThisAndAName<Module*>;
using NotAName = ChildrenBeginWithThisAndAName<std::string>;

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;
using StateDict = std::vector<std::pair<std::string, Array>>;

// For calls of which nobody says where they are made.
inline constexpr CallSite kNowhere{nullptr, 0};

struct LoadOptions {
  // Whether names that are missing, or that the module has not, are an error.
  bool strict = true;
};

// What load_state_dict did not find, and had no use for; by name.
struct LoadResult {
  std::vector<std::string> missing;
  std::vector<std::string> unexpected;
};

// Children are members that are given `this` and their name; forward, of any signature, says what
// a module computes, and it is called as a function (nn/callable.h):
//
//   struct Net : nn::Callable<Net> {
//     nn::Linear fc1{this, "fc1", 784, 128};
//     nn::Linear fc2{this, "fc2", 128, 10};
//     Tensor forward(const Tensor& x) { return fc2(relu(fc1(x))); }
//   };
//   Net net;
//   Tensor logits = net(images);
//
// A child may also be made by itself, by nullptr in the place of `this` or make<T>(...), and
// attached later: its parameters get their full names then, and those that were not changed since
// they were made start anew, as if they had been made there.
//
// A module neither moves nor is copied, so that its children can point to it.
class Module {
 public:
  Module() = default;  // a root
  // A child of `parent`, which must outlive it; null: a root, to be attached. Names hold no dot or
  // slash and are unique in their parent.
  Module(Module* parent, std::string name);
  template <class... Rest>
  Module(NotThis, Rest&&...) = delete;
  template <class... Rest>
  Module(Module*, NotAName, Rest&&...) = delete;
  virtual ~Module();
  Module(const Module&) = delete;             // modules are not copied: hold a std::unique_ptr
  Module& operator=(const Module&) = delete;  // modules neither move nor are copied

  // How a module that is no Callable answers a call.
  template <class... Args>
  void operator()(Args&&...) const {
    static_assert(sizeof...(Args) > 1000,
                  "a module is called through its base: struct Net : nn::Callable<Net> with a "
                  "public forward(...), or nn::Layer, or nn::Model");
  }

  // ------------------------------------------------------------------------------------ the tree

  // "blocks.0.attn"; empty for a root.
  const std::string& path() const { return *path_; }
  // What its parent calls it; empty for a root.
  const std::string& name() const { return name_; }
  Module* parent() const { return parent_; }
  // In the order of construction, those that were attached last.
  std::vector<Module*> children() const;
  // This module and all below it, depth first.
  std::vector<Module*> modules();
  std::vector<const Module*> modules() const;
  // By its path from here, "" being this one; null if there is none.
  Module* find(std::string_view path);
  const Module* find(std::string_view path) const;
  // The same as an M; an Error that names the children there are, or the type that it has.
  template <class M>
  M& get(std::string_view path);

  // Makes a module without a parent a child of this one, which keeps it. An Error for a name that
  // is taken, for a module that has a parent or is above this one, and while a TrainStep has the
  // model.
  template <class M>
  M& attach(std::string name, std::unique_ptr<M> child) {
    M* added = child.get();
    attach_owned(std::move(name), std::move(child));
    return *added;
  }
  // The same for one that somebody else keeps, as long as this one lives.
  void attach(std::string name, Module& child);
  // Puts a module without a parent in the place of the one at `path`: calls of that one reach it,
  // and its parameters stand where the other's stood; it is a block if that was one. The one that
  // is replaced leaves the tree, but not the memory: the other's forward may call it (and inside a
  // checkpoint() of its own its forward, by this name). An Error as of attach, and where calls of
  // the one would not fit the other: a Layer takes a Layer's place.
  template <class M>
  M& replace(std::string_view path, std::unique_ptr<M> other) {
    M* added = other.get();
    replace_by(path, std::move(other));
    return *added;
  }

  // fn(module) for all below this module and then itself.
  void apply(const std::function<void(Module&)>& fn);

  // -------------------------------------------------------------------------- parameters and state

  // Depth first, a module's own before its children's, each in the order of construction; names are
  // full paths. A tensor that several modules share appears once, under its first name.
  NamedTensors named_parameters() const;
  // The same with shared tensors under each of their names.
  NamedTensors all_named_parameters() const;
  // How a parameter of this module or below started. An Error for another tensor, and for one that
  // was changed in place before it had memory.
  const InitialValues& initial_values(const Tensor& parameter) const;
  // A parameter of this module or below starts otherwise: it gets those values now, or where it was
  // made without memory, when it gets that. An Error for another tensor.
  void set_initial_values(const Tensor& parameter, Init init);
  // Gives parameters that were made under DeferInit their memory and values.
  void materialize(Device device = {});
  // Tensors that are saved and loaded with the parameters, but not trained: running statistics.
  NamedTensors named_buffers() const;
  std::vector<Tensor> parameters() const;
  int64_t num_parameters() const;

  // Parameters and buffers, a module's own parameters before its own buffers.
  NamedTensors named_state() const { return collect_once(Kind::all); }
  // The data of parameters and buffers, a module's own parameters before its own buffers; it shares
  // their memory.
  StateDict state_dict() const;
  // Copies values in. An Error lists every name that is missing, unknown or there twice, and every
  // wrong shape and dtype; then nothing has been changed. Not strict: names may be missing or
  // unknown, and are returned.
  LoadResult load_state_dict(const StateDict& state, LoadOptions options = {});

  // Parameters, their gradients and buffers are on that device now; those without memory get it
  // there. On meta parameters lose their values, and materialize() makes their first ones; buffers
  // have theirs again when they leave it. An Error while a TrainStep has the model.
  void to(Device device);
  // Floating parameters, their gradients and buffers are of that floating dtype now, rounded. An
  // Error while a TrainStep has the model.
  void to(DType dtype);
  // Of all parameters.
  void requires_grad_(bool wanted = true);
  // Drops all gradients.
  void zero_grad();

  // --------------------------------------------------------------------------------- being called

  // Training mode (the start) or evaluation, for this module and those below.
  void train(bool training = true);
  void eval() { train(false); }
  bool training() const { return training_; }

  // Around each call of this module, on the outside of what a block's runner does.
  HookHandle register_forward_pre_hook(ForwardPreHook hook);
  HookHandle register_forward_hook(ForwardHook hook);

  // Makes this module a block, unless it is part of one: it is gathered, released and recomputed as
  // a whole (nn/block.h). What goes in and out of it goes through forward's arguments and result,
  // its parameters are used inside forward only, and forward uses no tensor with a history from
  // elsewhere.
  void make_block() { is_block_ = true; }
  // The outermost blocks, in the order of named_parameters.
  std::vector<const Module*> blocks() const;
  // Who runs the blocks below this module, which outlives its last run or is taken away by nullptr.
  void set_block_runner(BlockRunner* runner) { block_runner_ = runner; }
  BlockRunner* own_block_runner() const { return block_runner_; }
  // The runner of this block; null where it runs as any module: no runner is set, or it is part of
  // another block.
  BlockRunner* block_runner() const;

 protected:
  // The function of tensors, which the members of this name would hide from a forward.
  static Tensor to(TensorArg x, DType dtype) { return tessera::to(x, dtype); }

  // A new parameter of f32.
  Tensor add_parameter(std::string name, const Dims& shape, Init init);
  // A parameter of another module under a name of this one: tied weights.
  void share_parameter(std::string name, const Tensor& parameter);
  // A new buffer with these first values, of any dtype.
  Tensor add_buffer(std::string name, const Array& data);

  // To its users this module is one operation: errors inside of it name the line of their call.
  void keep_callers_place() { keeps_callers_place_ = true; }

  // Whether `other` may be called where this module is.
  virtual bool can_be_replaced_by(const Module& other) const;
  // The module that is called in the place of one that was replaced, unless it is that which calls;
  // null: itself.
  static Module* called_instead(const Module& module);
  const ForwardHooks* hooks() const { return hooks_ && !hooks_->empty() ? hooks_.get() : nullptr; }
  void run_pre_hooks(std::vector<Tensor>& inputs) const;
  void run_hooks(const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) const;

 private:
  friend class ModuleScope;
  friend class CallScope;
  friend class MadeParameters;
  friend class Parametrization;
  enum class Kind { parameters, buffers, all };

  void check_name(const std::string& name) const;
  void check_children() const;
  void check_attachable(const Module& child) const;
  // An Error where a runner is set here or above: the model's parts are somebody's.
  void check_unused(const char* what) const;
  std::string full_name(const std::string& name) const;
  void attach_owned(std::string name, std::unique_ptr<Module> child);
  void replace_by(std::string_view path, std::unique_ptr<Module> other);
  // Full names of this module and those below, from the parent's on, and the values that go with
  // them.
  void resolve_names();
  // A parameter that calls make anew, of others (nn/parametrization.h).
  struct Made {
    std::string name;
    Tensor tensor;
    Parametrization* by;
  };
  // What the parameter is made of starts as it does under the name that it has now.
  void rename_made(const Made& made) const;
  [[noreturn]] void throw_not_found(std::string_view path) const;
  [[noreturn]] void throw_of_type(std::string_view path, const std::type_info& wanted) const;

  void collect(Kind kind, NamedTensors& out) const;
  void collect_blocks(std::vector<const Module*>& out) const;
  InitialValues* find_initial_values(const Tensor& parameter);
  NamedTensors collect_once(Kind kind) const;
  template <class Change>
  void change_data(const Change& change);
  void put_buffers_aside();
  void take_buffers_back();

  Module* parent_ = nullptr;
  std::string name_;
  std::shared_ptr<const std::string> path_ = no_path();
  NamedTensors parameters_;
  std::vector<InitialValues> initial_values_;  // of parameters_
  std::vector<Made> made_;
  NamedTensors buffers_;
  std::vector<Array> buffers_aside_;  // of buffers_, while the module is on meta
  std::vector<Module*> children_;
  std::vector<std::string> lost_;               // children that are gone
  std::vector<std::unique_ptr<Module>> owned_;  // those that were attached
  Module* replacement_ = nullptr;
  Module* replaced_ = nullptr;  // the one in whose place this is
  bool training_ = true;
  bool is_block_ = false;
  bool keeps_callers_place_ = false;
  BlockRunner* block_runner_ = nullptr;
  std::shared_ptr<ForwardHooks> hooks_;

  static std::shared_ptr<const std::string> no_path();
};

template <class M>
M& Module::get(std::string_view path) {
  Module* found = find(path);
  if (!found) throw_not_found(path);
  auto* wanted = dynamic_cast<M*>(found);
  if (!wanted) found->throw_of_type(path, typeid(M));
  return *wanted;
}

// A module without a parent, to be attached: make<Linear>(784, 128).
template <class M, class... Args>
std::unique_ptr<M> make(Args&&... args) {
  return std::make_unique<M>(nullptr, std::string(), std::forward<Args>(args)...);
}

// While one lives, random numbers are drawn as `module`'s, and graph nodes and errors name it.
class ModuleScope {
 public:
  explicit ModuleScope(const Module& module);
  ~ModuleScope();
  ModuleScope(const ModuleScope&) = delete;
  ModuleScope& operator=(const ModuleScope&) = delete;
  // Whether the thread is inside of it.
  static bool is_in(const Module& module);

 private:
  static const ModuleScope*& innermost();

  const Module& module_;
  const ModuleScope* outer_;
  std::shared_ptr<const std::string> path_before_;
  InModule here_;
};

// Modules of one kind, named "0", "1", ....
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
  const T& operator[](size_t i) const { return *items_[i]; }

 private:
  std::vector<std::unique_ptr<T>> items_;
};

}  // namespace tessera::nn
