// Between frames and the types that they stand for: one type for each frame, one variant for each
// direction (to_pmix.h, from_pmix.h).
//
// A type T of frame has
//   static constexpr FrameType kType;
//   std::vector<std::string> fields() const;     what goes over the wire
//   static T read(Fields& fields);               the same back; throws Error
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "core/error.h"
#include "launcher/agent/fields.h"

namespace tessera::agent {

template <class... T>
Frame frame_of(const std::variant<T...>& message) {
  return std::visit(
      [](const auto& any) {
        return Frame{std::decay_t<decltype(any)>::kType, any.fields()};
      },
      message);
}

namespace detail {

template <class Variant, size_t... index>
std::optional<Variant> read_any(Fields& fields, std::index_sequence<index...>) {
  std::optional<Variant> out;
  auto read = [&]<class T>(std::in_place_type_t<T>) {
    if (fields.type() == T::kType) out.emplace(T::read(fields));
  };
  (read(std::in_place_type<std::variant_alternative_t<index, Variant>>), ...);
  return out;
}

}  // namespace detail

// Throws Error for a frame of no type of the variant, and for fields that are not such a frame's.
// expected: "an order", "a report".
template <class Variant>
Variant message_of(Frame frame, std::string_view expected) {
  Fields fields(std::move(frame));
  auto out =
      detail::read_any<Variant>(fields, std::make_index_sequence<std::variant_size_v<Variant>>());
  if (!out) throw Error(fmt::format("[{}] expected {}", name_of(fields.type()), expected));
  fields.end();
  return std::move(*out);
}

}  // namespace tessera::agent
