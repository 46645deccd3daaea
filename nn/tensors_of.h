// The tensors that a value holds: how hooks and blocks see the arguments and results of a module's
// forward, whatever its signature.
#pragma once

#include <array>
#include <concepts>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "autograd/tensor.h"

namespace tessera::nn {

// A struct of the program's own says which tensors it has:
//
//   struct Output {
//     Tensor logits, hidden;
//     template <class F> void visit_tensors(F&& f) { f(logits), f(hidden); }
//   };
template <class T>
concept VisitsTensors = requires(T& value, void (*f)(Tensor&)) {
  value.visit_tensors(f);
};

namespace detail {

template <class T>
struct ElementsOf : std::false_type {};
template <class T, class A>
struct ElementsOf<std::vector<T, A>> : std::true_type {};
template <class T, size_t N>
struct ElementsOf<std::array<T, N>> : std::true_type {};

template <class T>
struct MembersOf : std::false_type {};
template <class... Ts>
struct MembersOf<std::tuple<Ts...>> : std::true_type {};
template <class A, class B>
struct MembersOf<std::pair<A, B>> : std::true_type {};

template <class T>
struct MaybeOf : std::false_type {};
template <class T>
struct MaybeOf<std::optional<T>> : std::true_type {};

}  // namespace detail

// Whether tensors_of sees all tensors in a T: tensors, numbers, enums, strings, vectors, arrays,
// tuples, pairs and optionals of such, and what VisitsTensors.
template <class T>
constexpr bool knows_tensors_of() {
  if constexpr (std::same_as<T, Tensor> || VisitsTensors<T> || std::is_arithmetic_v<T> ||
                std::is_enum_v<T> || std::convertible_to<T, std::string_view>) {
    return true;
  } else if constexpr (detail::ElementsOf<T>::value || detail::MaybeOf<T>::value) {
    return knows_tensors_of<typename T::value_type>();
  } else if constexpr (detail::MembersOf<T>::value) {
    return []<size_t... I>(std::index_sequence<I...>) {
      return (knows_tensors_of<std::tuple_element_t<I, T>>() && ...);
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
  } else {
    return false;
  }
}

// f(Tensor&) for every tensor of the value, in order; none of a value that is not known.
template <class T, class F>
void visit_tensors(T& value, F&& f) {
  if constexpr (std::same_as<T, Tensor>) {
    f(value);
  } else if constexpr (VisitsTensors<T>) {
    value.visit_tensors(f);
  } else if constexpr (detail::ElementsOf<T>::value) {
    if constexpr (!std::is_arithmetic_v<typename T::value_type>) {
      for (auto& element : value) visit_tensors(element, f);
    }
  } else if constexpr (detail::MaybeOf<T>::value) {
    if (value) visit_tensors(*value, f);
  } else if constexpr (detail::MembersOf<T>::value) {
    std::apply([&](auto&... members) { (visit_tensors(members, f), ...); }, value);
  }
}

template <class T>
std::vector<Tensor> tensors_of(T& value) {
  std::vector<Tensor> out;
  visit_tensors(value, [&](Tensor& tensor) { out.push_back(tensor); });
  return out;
}

}  // namespace tessera::nn
