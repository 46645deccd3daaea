// Rows of a table by index. core/kernels.h has the rules for every family.
#pragma once

namespace tessera {

class Array;

class GatherFamily {
 public:
  virtual ~GatherFamily() = default;
  // out[i, :] = table[index[i], :]; index is i64 of (rows,), an entry outside the table is an
  // error naming it. table (N, cols) and out (rows, cols) are row-major.
  virtual void rows(const Array& table, const Array& index, const Array& out) const = 0;
  // table[index[i], :] += source[i, :], in the order of i for each row of the table.
  virtual void scatter_add_rows(const Array& source, const Array& index,
                                const Array& table) const = 0;
};

}  // namespace tessera
