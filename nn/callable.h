// Callable: the one place where modules are called.
#pragma once

#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
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

namespace detail {

// What a packed call keeps of an argument: a copy, unless it is to be written to or has none.
template <class A>
struct Kept {
  using Value = std::remove_cvref_t<A>;
  static constexpr bool kWritten =
      std::is_lvalue_reference_v<A> && !std::is_const_v<std::remove_reference_t<A>>;
  static constexpr bool kCopied = std::is_copy_constructible_v<Value> && !std::is_array_v<Value> &&
                                  (!kWritten || knows_tensors_of<Value>());
  using type = std::conditional_t<kCopied, Value, A&&>;
};

// A call as a function of tensors, for hooks and block runners: the tensors among its arguments are
// taken out, and put back in each time it runs.
template <class M, class Result, class... Args>
class PackedCall {
 public:
  // Whether it may run when the caller's arguments are gone.
  static constexpr bool kKeepsAll = (Kept<Args>::kCopied && ...);

  PackedCall(M& module, CallSite site, Args&&... args)
      : module_(module), site_(site), args_(std::forward<Args>(args)...) {
    each_argument([&](auto& arg) {
      visit_tensors(arg, [&](Tensor& tensor) { inputs_.push_back(std::exchange(tensor, {})); });
    });
  }

  std::vector<Tensor>& inputs() { return inputs_; }

  std::vector<Tensor> run(const std::vector<Tensor>& inputs) {
    const CallScope scope(module_, site_);
    return run_on(inputs, std::index_sequence_for<Args...>());
  }

  // The result with these tensors in it.
  Result result(const std::vector<Tensor>& outputs) {
    if constexpr (!std::is_void_v<Result>) {
      Result out = std::move(*result_);
      fill(out, outputs, "results");
      return out;
    }
  }

 private:
  template <class F>
  void each_argument(const F& f) {
    std::apply([&](auto&... args) { (take(args, f), ...); }, args_);
  }
  // What is not copied is not looked into.
  template <class T, class F>
  static void take(T& arg, const F& f) {
    if constexpr (!std::is_const_v<T>) f(arg);
  }

  template <class T>
  void fill(T& value, const std::vector<Tensor>& tensors, const char* what) const {
    size_t next = 0;
    visit_tensors(value, [&](Tensor& tensor) {
      if (next < tensors.size()) tensor = tensors[next];
      ++next;
    });
    TESSERA_CHECK(next == tensors.size(), "[{}] expected {} tensors among the {}, got {}",
                  module_.path(), next, what, tensors.size());
  }

  template <size_t... I>
  std::vector<Tensor> run_on(const std::vector<Tensor>& inputs, std::index_sequence<I...>) {
    std::tuple<typename Kept<Args>::type...> args = args_copy();
    size_t next = 0;
    auto put = [&](auto& arg) {
      visit_tensors(arg, [&](Tensor& tensor) {
        if (next < inputs.size()) tensor = inputs[next];
        ++next;
      });
    };
    (take(std::get<I>(args), put), ...);
    TESSERA_CHECK(next == inputs.size(), "[{}] expected {} tensors among the arguments, got {}",
                  module_.path(), next, inputs.size());
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
  std::tuple<typename Kept<Args>::type...> args_copy() {
    return std::apply(
        [](auto&... args) {
          return std::tuple<typename Kept<Args>::type...>(
              static_cast<std::conditional_t<Kept<Args>::kCopied, const std::remove_cvref_t<Args>&,
                                             Args&&>>(args)...);
        },
        args_);
  }

  struct Nothing {};
  M& module_;
  CallSite site_;
  std::tuple<typename Kept<Args>::type...> args_;
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
template <class Derived>
class Callable : public Module {
 public:
  using Module::Module;

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
      return static_cast<Result>(module.forward(std::forward<Args>(args)...));
    }
    return call_around<M, Result, Args...>(module, site, runner, std::forward<Args>(args)...);
  }

  bool can_be_replaced_by(const Module& other) const override {
    return dynamic_cast<const Derived*>(&other) != nullptr;
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
