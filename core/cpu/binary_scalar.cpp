#include "core/cpu/loops.h"
#include "core/cpu/scalar_math.h"

namespace tessera::cpu {
namespace {

template <class T, class Out, auto Fn>
void each(const void* const* in, void* out, size_t count, const double*) {
  const T* a = static_cast<const T*>(in[0]);
  const T* b = static_cast<const T*>(in[1]);
  Out* y = static_cast<Out*>(out);
  for (size_t i = 0; i < count; ++i) y[i] = static_cast<Out>(Fn(a[i], b[i]));
}

template <class T, class Formula>
T by_formula(T a, T b) {
  return Formula::apply(scalar::ScalarMath<T>(), a, b);
}

template <class T>
Loop compare(BinaryOp op) {
  switch (op) {
    case BinaryOp::eq: return each<T, bool, [](T a, T b) { return a == b; }>;
    case BinaryOp::ne: return each<T, bool, [](T a, T b) { return a != b; }>;
    case BinaryOp::lt: return each<T, bool, [](T a, T b) { return a < b; }>;
    case BinaryOp::le: return each<T, bool, [](T a, T b) { return a <= b; }>;
    case BinaryOp::gt: return each<T, bool, [](T a, T b) { return (a > b); }>;
    case BinaryOp::ge: return each<T, bool, [](T a, T b) { return (a >= b); }>;
    case BinaryOp::logical_and: return each<T, bool, [](T a, T b) { return a != 0 && b != 0; }>;
    case BinaryOp::logical_or: return each<T, bool, [](T a, T b) { return a != 0 || b != 0; }>;
    case BinaryOp::logical_xor: return each<T, bool, [](T a, T b) { return (a != 0) != (b != 0); }>;
    default: return nullptr;
  }
}

template <class T>
Loop floating(BinaryOp op) {
  Loop loop = nullptr;
  scalar::visit_library_binary(
      op, [&](auto formula) { loop = each<T, T, by_formula<T, decltype(formula)>>; });
  return loop ? loop : compare<T>(op);
}

// Unsigned arithmetic wraps around where signed arithmetic is undefined.
using Int = int64_t;
using Bits = uint64_t;
constexpr Int kBits = 64;

constexpr const char* name_of(BinaryOp op) {
  switch (op) {
    case BinaryOp::fmod: return "fmod";
    case BinaryOp::remainder: return "remainder";
    case BinaryOp::floor_divide: return "floor_divide";
    default: return "trunc_divide";
  }
}
template <BinaryOp kOp>
Int checked(Int divisor) {
  TESSERA_CHECK(divisor != 0, "[{}] expected integers other than 0 as divisors, got 0",
                name_of(kOp));
  return divisor;
}
template <BinaryOp kOp>
Int truncated(Int a, Int b) {
  return checked<kOp>(b) == -1 ? static_cast<Int>(0 - static_cast<Bits>(a)) : a / b;
}
template <BinaryOp kOp>
Int rest(Int a, Int b) {
  return checked<kOp>(b) == -1 ? 0 : a % b;
}
bool other_side(Int r, Int b) { return r != 0 && (r < 0) != (b < 0); }
Int power(Int a, Int b) {
  TESSERA_CHECK(b >= 0, "[pow] expected powers of integers that are not negative, got {}", b);
  Bits result = 1;
  for (Bits base = static_cast<Bits>(a); b > 0; b >>= 1, base *= base) {
    if (b & 1) result *= base;
  }
  return static_cast<Int>(result);
}
// Beyond the width all bits are gone, as in PyTorch.
Int left(Int a, Int b) { return b < 0 || b >= kBits ? 0 : static_cast<Int>(Bits(a) << b); }
Int right(Int a, Int b) { return a >> (b < 0 || b >= kBits ? kBits - 1 : b); }

Loop integer(BinaryOp op) {
  switch (op) {
    case BinaryOp::add: return each<Int, Int, [](Int a, Int b) { return Int(Bits(a) + Bits(b)); }>;
    case BinaryOp::sub: return each<Int, Int, [](Int a, Int b) { return Int(Bits(a) - Bits(b)); }>;
    case BinaryOp::mul: return each<Int, Int, [](Int a, Int b) { return Int(Bits(a) * Bits(b)); }>;
    case BinaryOp::fmax:
    case BinaryOp::maximum: return each<Int, Int, [](Int a, Int b) { return a < b ? b : a; }>;
    case BinaryOp::fmin:
    case BinaryOp::minimum: return each<Int, Int, [](Int a, Int b) { return b < a ? b : a; }>;
    case BinaryOp::pow: return each<Int, Int, power>;
    case BinaryOp::fmod: return each<Int, Int, rest<BinaryOp::fmod>>;
    case BinaryOp::remainder:
      return each<Int, Int, [](Int a, Int b) {
        Int r = rest<BinaryOp::remainder>(a, b);
        return other_side(r, b) ? r + b : r;
      }>;
    case BinaryOp::floor_divide:
      return each<Int, Int, [](Int a, Int b) {
        constexpr BinaryOp kOp = BinaryOp::floor_divide;
        Int q = truncated<kOp>(a, b);
        return other_side(rest<kOp>(a, b), b) ? q - 1 : q;
      }>;
    case BinaryOp::trunc_divide: return each<Int, Int, truncated<BinaryOp::trunc_divide>>;
    case BinaryOp::bitwise_and: return each<Int, Int, [](Int a, Int b) { return a & b; }>;
    case BinaryOp::bitwise_or: return each<Int, Int, [](Int a, Int b) { return a | b; }>;
    case BinaryOp::bitwise_xor: return each<Int, Int, [](Int a, Int b) { return a ^ b; }>;
    case BinaryOp::shift_left: return each<Int, Int, left>;
    case BinaryOp::shift_right: return each<Int, Int, right>;
    default: return compare<Int>(op);
  }
}

}  // namespace

Loop scalar_loop(BinaryOp op, DType compute) {
  if (compute == DType::f32) return floating<float>(op);
  return compute == DType::f64 ? floating<double>(op) : integer(op);
}

}  // namespace tessera::cpu
