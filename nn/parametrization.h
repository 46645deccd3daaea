// Parametrization: a parameter of a module that each call makes anew, of other parameters.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "nn/module.h"

namespace tessera::nn {

// What a parameter is before something else makes it.
struct Original {
  Tensor tensor;                          // on meta where it has no values yet
  std::shared_ptr<InitialValues> values;  // how it starts; their name follows the module's
};

// Makes a parameter NAME of a module, whenever that is called, inside of what its block gathers and
// computes again. It is the module "parametrizations.NAME" below that one, and its own parameters
// are trained in the place of NAME, which is in no state any more: outside of calls NAME has its
// shape, but to touch its elements is an error that says so, and value() has them.
//
//   struct Positive : nn::Parametrization {
//     explicit Positive(const nn::Original& original)
//         : Parametrization(original), original(add_original("original")) {}
//     Tensor value() const override { return softplus(original); }
//     Tensor original;
//   };
//   nn::parametrize<Positive>(model.get<nn::Linear>("fc"), "weight");
//
// A call writes the value where the parameter stands, so calls of one such module are made one
// after the other: two threads that call it at once would race, in evaluation too.
class Parametrization : public Module {
 public:
  // The parameter with its history, of the shape that it had.
  virtual Tensor value() const = 0;

  // An Error where the module has no parameter of that name, or something makes it already; where
  // another module has it too (tied weights); and while a TrainStep has the model.
  static Original original_of(Module& module, const std::string& name);
  // `by` makes the parameter that it was given as its original.
  static void put(Module& module, const std::string& name, std::unique_ptr<Parametrization> by);
  static void remove(Module& module, const std::string& name);
  // For whoever gives parameters another dtype or device: what is made of them, in `module` and
  // below, is of these outside of calls too.
  static void follow_parts(const Module& module);

 protected:
  explicit Parametrization(const Original& original);
  // A parameter that starts as the original does, and has its values now.
  Tensor add_original(std::string name);
  // One that starts as `fill` says. Where the original has values it has those of `fill` if they
  // are the first ones, and else `now`. It is of the original's dtype, on its device, and trained
  // if that was.
  Tensor add_part(std::string name, const Dims& shape, Init::Fill fill,
                  const std::function<Array()>& now);
  const Original& original() const { return original_; }

 private:
  friend class Module;
  // The original starts anew, as another name says, and so have the parts.
  virtual void start_anew() {}
  // The parameter is module's `name`. Whether its parts start anew.
  void rename(const Module& module, const std::string& name, bool starts_anew);
  // Outside of calls.
  void leave_no_value(const Module& module, const std::string& name) const;

  Original original_;
};

// module's parameter `name` is made by a P(original, args...) from now on.
template <class P, class... Args>
P& parametrize(Module& module, const std::string& name, Args&&... args) {
  auto made =
      std::make_unique<P>(Parametrization::original_of(module, name), std::forward<Args>(args)...);
  P& by = *made;
  Parametrization::put(module, name, std::move(made));
  return by;
}

// The value that the parameter has now is the parameter again, the last of the module's own. An
// Error where nothing makes it, where its parts have no values here, and while a TrainStep has the
// model.
inline void remove_parametrization(Module& module, const std::string& name) {
  Parametrization::remove(module, name);
}

}  // namespace tessera::nn
