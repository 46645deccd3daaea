// Sorting and searching. core/kernels.h has the rules for every family.
#pragma once

namespace tessera {

class Array;

// x is (rows, n), row-major, of any dtype; indices are i64. A NaN is larger than every number, and
// of equal elements the one with the lower index comes first, in either direction, so every result
// is the only one possible.
class SortFamily {
 public:
  virtual ~SortFamily() = default;
  // values and indices: (rows, n).
  virtual void sort(const Array& x, bool descending, const Array& values,
                    const Array& indices) const = 0;
  // The k largest or smallest, in that order: values and indices are (rows, k), k at most n.
  virtual void topk(const Array& x, bool largest, const Array& values,
                    const Array& indices) const = 0;
  // The k-th smallest, counted from 0: values and indices are (rows,), k below n.
  virtual void kth(const Array& x, int64_t k, const Array& values, const Array& indices) const = 0;
  // The lower median; the first NaN where there is one, unless NaN are skipped (then the first of
  // nothing but NaN). n is at least 1.
  virtual void median(const Array& x, bool skip_nan, const Array& values,
                      const Array& indices) const = 0;
  // The most frequent element, the smallest of several, and where it is last. n is at least 1.
  virtual void mode(const Array& x, const Array& values, const Array& indices) const = 0;

  // Where each of values (rows, m) goes in the ascending row of sorted (rows or 1, n) that keeps it
  // sorted: before equal elements, or behind them if `right`. One dtype; out is (rows, m).
  virtual void searchsorted(const Array& sorted, const Array& values, bool right,
                            const Array& out) const = 0;
  // out[v] = how often v is in x, or the sum of its weights in the order of x. x is i64 of (n,),
  // each in [0, size of out); weights is undefined and out i64, or both are f32 or f64.
  virtual void bincount(const Array& x, const Array& weights, const Array& out) const = 0;
};

}  // namespace tessera
