// "Did you mean ...?": the known word that a mistyped one is closest to.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tessera::experiment {

// The fewest insertions, deletions, replacements and swaps of neighbours that turn a into b, where
// no part is edited twice (the "optimal string alignment" distance). In bytes.
size_t edit_distance(std::string_view a, std::string_view b);

// The word of known nearest to word, the first of several; none if all are further away than a
// third of word's length, rounded up, or have nothing in common with it.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known);

// "; did you mean 'layers'?" where a known word is near enough, otherwise "; LIST_INTRO a, b, c".
std::string suggestion(std::string_view word, std::span<const std::string> known,
                       std::string_view list_intro);

}  // namespace tessera::experiment
