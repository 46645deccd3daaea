// The names of the elementwise functions: a row of core/formulas gives each its name, its formula
// and its kind.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera {

enum class FormulaKind : uint8_t {
  vector,     // cheap enough to be written on vectors, without a branch
  scalar,     // element by element: it branches, or calls a library
  into_bool,  // element by element, and bool whatever the operands are
};

enum class UnaryOp : uint8_t {
#define TESSERA_FORMULA(op, Formula, kind) op,
#include "core/formulas/unary.inc"
#undef TESSERA_FORMULA
};

enum class BinaryOp : uint8_t {
#define TESSERA_FORMULA(op, Formula, kind) op,
#include "core/formulas/binary.inc"
#undef TESSERA_FORMULA
};

// By the number of the op.
inline constexpr FormulaKind kUnaryKinds[] = {
#define TESSERA_FORMULA(op, Formula, kind) FormulaKind::kind,
#include "core/formulas/unary.inc"
#undef TESSERA_FORMULA
};
inline constexpr FormulaKind kBinaryKinds[] = {
#define TESSERA_FORMULA(op, Formula, kind) FormulaKind::kind,
#include "core/formulas/binary.inc"
#undef TESSERA_FORMULA
};

// Whether the result is bool whatever the operands are.
inline bool gives_bool(UnaryOp op) {
  return kUnaryKinds[static_cast<size_t>(op)] == FormulaKind::into_bool;
}
inline bool gives_bool(BinaryOp op) {
  return kBinaryKinds[static_cast<size_t>(op)] == FormulaKind::into_bool;
}

}  // namespace tessera
