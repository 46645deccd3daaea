// Callable: the one place where modules are called.
#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "nn/block.h"
#include "nn/module.h"
#include "nn/summary.h"
#include "nn/tensors_of.h"

namespace tessera::nn {

// While one lives, a call of `module` is under way.
class CallScope {
 public:
  CallScope(const Module& module, CallSite site);

 private:
  std::optional<NotedCall> noted_;
  std::optional<Composed> composed_;
  ModuleScope scope_;
};

// While one lives, the parameters that calls of the module make anew are there.
class MadeParameters {
 public:
  explicit MadeParameters(const Module& module) {
    if (!module.made_.empty()) [[unlikely]]
      make(module);
  }

 private:
  class Value;
  void make(const Module& module);

  std::vector<std::shared_ptr<Value>> values_;
};

namespace detail {

// Whether copies of a T can be made, of all that it holds too.
template <class T>
constexpr bool is_copyable() {
  if constexpr (requires { typename T::value_type; }) {
    if constexpr (!std::same_as<typename T::value_type, T>) {
      return std::is_copy_constructible_v<T> && is_copyable<typename T::value_type>();
    }
  }
  return std::is_copy_constructible_v<T>;
}

template <class M, class... Args>
concept ForwardTakes = requires(M& module, Args&&... args) {
  module.forward(std::forward<Args>(args)...);
};

// What a packed call of M's forward keeps of its I-th argument: a copy, unless forward writes to
// it, or it has no copies.
template <size_t I, class M, class... Args>
struct Kept {
  using A = std::tuple_element_t<I, std::tuple<Args...>>;
  using Value = std::remove_cvref_t<A>;

  template <size_t... J>
  static constexpr bool can_be_const(std::index_sequence<J...>) {
    return ForwardTakes<M, std::conditional_t<J == I, const Value&, Args>...>;
  }
  static constexpr bool kWritten = std::is_lvalue_reference_v<A> &&
                                   !std::is_const_v<std::remove_reference_t<A>> &&
                                   !can_be_const(std::index_sequence_for<Args...>());
  static constexpr bool kCopied =
      is_copyable<Value>() && !std::is_array_v<Value> && !std::is_polymorphic_v<Value> && !kWritten;
  // A literal outlives every call.
  static constexpr bool kOutlives = kCopied || std::is_array_v<Value>;
  using type = std::conditional_t<kCopied, Value, A&&>;
};

// A call as a function of tensors, for hooks and block runners: the tensors among its arguments are
// taken out, and put back in each time it runs.
template <class M, class Result, class... Args>
class PackedCall {
 public:
  // Whether it may run when the caller's arguments are gone.
  static constexpr bool kKeepsAll = []<size_t... I>(std::index_sequence<I...>) {
    return (Kept<I, M, Args...>::kOutlives && ...);
  }
  (std::index_sequence_for<Args...>());

  PackedCall(M& module, CallSite site, Args&&... args)
      : module_(module), site_(site), args_(std::forward<Args>(args)...) {
    each_tensor(args_, All(),
                [&](Tensor& tensor) { inputs_.push_back(std::exchange(tensor, {})); });
  }

  std::vector<Tensor>& inputs() { return inputs_; }

  std::vector<Tensor> run(const std::vector<Tensor>& inputs) {
    const CallScope scope(module_, site_);
    const MadeParameters made(module_);
    return run_on(inputs, All());
  }

  // The result with these tensors in it.
  Result result(const std::vector<Tensor>& outputs) {
    if constexpr (!std::is_void_v<Result>) {
      TESSERA_CHECK(result_, "the runner of block '{}' has not run it", module_.path());
      Result out = std::move(*result_);
      size_t next = 0;
      visit_tensors(out, [&](Tensor& tensor) {
        if (next < outputs.size()) tensor = outputs[next];
        ++next;
      });
      check_count("results", next, outputs.size());
      return out;
    }
  }

 private:
  using All = std::index_sequence_for<Args...>;
  template <class Indices>
  struct KeptArgs;
  template <size_t... I>
  struct KeptArgs<std::index_sequence<I...>> {
    using type = std::tuple<typename Kept<I, M, Args...>::type...>;
  };
  using Tuple = typename KeptArgs<All>::type;

  // Of copies: what is not copied is not looked into.
  template <size_t... I, class F>
  static void each_tensor(Tuple& args, std::index_sequence<I...>, const F& f) {
    auto take = [&]<size_t K>(std::integral_constant<size_t, K>) {
      if constexpr (Kept<K, M, Args...>::kCopied) visit_tensors(std::get<K>(args), f);
    };
    (take(std::integral_constant<size_t, I>()), ...);
  }

  void check_count(const char* what, size_t expected, size_t got) const {
    const Module& module = module_;
    TESSERA_CHECK(expected == got, "[{}] expected {} tensors among the {}, got {}", module.path(),
                  expected, what, got);
  }

  // Copies of what is copied, references to the rest.
  template <size_t... I>
  Tuple copy_of_args(std::index_sequence<I...>) {
    return Tuple(static_cast<std::conditional_t<Kept<I, M, Args...>::kCopied,
                                                const std::remove_cvref_t<Args>&, Args&&>>(
        std::get<I>(args_))...);
  }

  template <size_t... I>
  std::vector<Tensor> run_on(const std::vector<Tensor>& inputs, std::index_sequence<I...>) {
    Tuple args = copy_of_args(All());
    size_t next = 0;
    each_tensor(args, All(), [&](Tensor& tensor) {
      if (next < inputs.size()) tensor = inputs[next];
      ++next;
    });
    check_count("arguments", next, inputs.size());
    if constexpr (std::is_void_v<Result>) {
      module_.forward(std::forward<Args>(std::get<I>(args))...);
      return {};
    } else {
      result_.emplace(module_.forward(std::forward<Args>(std::get<I>(args))...));
      std::vector<Tensor> outputs;
      // It outlives the graph of a block that runs again, so nothing stays in it.
      visit_tensors(*result_, [&](Tensor& t) { outputs.push_back(std::exchange(t, {})); });
      return outputs;
    }
  }

  struct Nothing {};
  M& module_;
  CallSite site_;
  Tuple args_;
  std::vector<Tensor> inputs_;
  std::optional<std::conditional_t<std::is_void_v<Result>, Nothing, Result>> result_;
};

}  // namespace detail

// Base of a module with a forward of any signature, public and not overloaded beyond what a call
// can tell apart; Derived is the module itself. Calling it as a function enters its scope (path in
// errors, graph nodes and mismatches of collectives; random numbers), runs its hooks and, where it
// is a block, the block runner, and gives what forward returns, by value. forward called by its
// name does none of this.
//
// A block's arguments and results hold their tensors as nn/tensors_of.h describes: one whose result
// hides tensors from that is refused by the runner, as is one that is given something to write to.
// Hooks do not see the tensors in what forward writes to, nor in what cannot be copied.
//
// A class that derives from Derived in turn is called by Derived's forward. Where that is virtual,
// the class says so, static constexpr bool kForwardIsVirtual = true: then others of its kind may
// take its place (Module::replace). An abstract one need not.
template <class Derived>
class Callable : public Module {
 public:
  using Module::Module;
  Callable() = default;
  Callable(const Callable&) = delete;  // modules are not copied: hold a std::unique_ptr
  Callable& operator=(const Callable&) = delete;

  template <class... Args>
  auto operator()(Args&&... args) {
    return call(static_cast<Derived&>(*this), kNowhere, std::forward<Args>(args)...);
  }
  template <class... Args>
  auto operator()(Args&&... args) const {
    return call(static_cast<const Derived&>(*this), kNowhere, std::forward<Args>(args)...);
  }

  // A table of what a call with these arguments makes (nn/summary.h).
  template <class... Args>
  Summary summary(const Args&... args) {
    return summarize(static_cast<Derived&>(*this), args...);
  }

 protected:
  // For bases that know the place of their call.
  template <class M, class... Args>
  static auto call(M& called, CallSite site, Args&&... args) {
    static_assert(
        requires { called.forward(std::forward<Args>(args)...); },
        "this module's forward(...) does not take these arguments, or is not public");
    using Result = std::decay_t<decltype(called.forward(std::forward<Args>(args)...))>;
    Module* other = called_instead(called);
    M& module = other ? dynamic_cast<M&>(*other) : called;
    const Callable& self = module;
    const ForwardHooks* hooks = self.hooks();
    BlockRunner* runner = self.block_runner();
    const CallScope scope(module, site);
    if (!hooks && !runner) {
      const MadeParameters made(module);
      return static_cast<Result>(module.forward(std::forward<Args>(args)...));
    }
    return call_around<M, Result, Args...>(module, site, runner, std::forward<Args>(args)...);
  }

  bool can_be_replaced_by(const Module& other) const override {
    bool may_differ = std::is_abstract_v<Derived> || requires { Derived::kForwardIsVirtual; };
    bool fits = dynamic_cast<const Derived*>(&other) != nullptr;
    return fits && (may_differ || typeid(other) == typeid(Derived));
  }

 private:
  template <class M, class Result, class... Args>
  static Result call_around(M& module, CallSite site, BlockRunner* runner, Args&&... args) {
    using Call = detail::PackedCall<M, Result, Args...>;
    const Callable& self = module;
    if (runner) {
      TESSERA_CHECK((std::is_void_v<Result> || knows_tensors_of<Result>()),
                    "block '{}' returns a type whose tensors are not known: give it visit_tensors "
                    "(nn/tensors_of.h)",
                    self.path());
      TESSERA_CHECK(Call::kKeepsAll,
                    "block '{}' takes an argument by a reference that it may write to, or one "
                    "that has no copies: it could not run again for backward",
                    self.path());
    }
    auto packed = std::make_shared<Call>(module, site, std::forward<Args>(args)...);
    std::vector<Tensor> inputs = std::move(packed->inputs());
    self.run_pre_hooks(inputs);
    std::vector<Tensor> outputs;
    if (runner) {
      outputs = runner->run(
          self, [packed](const std::vector<Tensor>& given) { return packed->run(given); }, inputs);
    } else {
      outputs = packed->run(inputs);
    }
    self.run_hooks(inputs, outputs);
    return packed->result(outputs);
  }
};

}  // namespace tessera::nn
