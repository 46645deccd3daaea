#include "autograd/ops/indexing.h"

#include "autograd/in_place.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/index.h"
#include "autograd/ops/shape.h"
#include "core/creation.h"
#include "core/index.h"
#include "core/promotion.h"

namespace tessera {
namespace {

// x after integers, slices and new axes, which give views; and what is left to be done by index.
struct Plan {
  Tensor view;
  std::vector<Array> indices;  // index arrays, without masks
  Dims dims;                   // of view, one for each of indices
};

// How many dims of x an item stands for.
int64_t dims_of(const char* op, const IndexItem& item) {
  if (item.get<Ellipsis>() || item.get<NewAxis>()) return 0;
  const auto* tensor = item.get<Tensor>();
  TESSERA_CHECK(!tensor || tensor->defined(), "[{}] expected index tensors, got an undefined one",
                op);
  if (tensor && tensor->dtype() == DType::boolean) return static_cast<int64_t>(tensor->dim());
  return 1;
}

// How many dims the ellipsis (or the end of the list) stands for.
int64_t rest_of(const char* op, const Tensor& x, const IndexItems& items) {
  int64_t named = 0;
  int64_t num_ellipses = 0;
  for (const IndexItem& item : items) {
    named += dims_of(op, item);
    num_ellipses += item.get<Ellipsis>() != nullptr;
  }
  TESSERA_CHECK(num_ellipses <= 1, "[{}] expected at most one ellipsis, got {}", op, num_ellipses);
  TESSERA_CHECK(named <= static_cast<int64_t>(x.dim()),
                "[{}] expected at most {} indices for shape {}, got {}", op, x.dim(), x.shape(),
                named);
  return static_cast<int64_t>(x.dim()) - named;
}

class Planner {
 public:
  Planner(const char* op, const Tensor& x, const IndexItems& items)
      : op_(op), rest_(rest_of(op, x, items)) {
    plan_.view = x;
    for (const IndexItem& item : items) {
      apply(item);
      ++number_;
    }
  }
  Plan take() { return std::move(plan_); }

 private:
  void apply(const IndexItem& item) {
    if (const auto* i = item.get<int64_t>()) {
      int64_t size = plan_.view.size(dim_);
      TESSERA_CHECK(*i >= -size && *i < size,
                    "[{}] expected an index in [{}, {}) as item {}, got {}", op_, -size, size,
                    number_, *i);
      plan_.view = select(plan_.view, dim_, *i);
    } else if (const auto* s = item.get<Slice>()) {
      TESSERA_CHECK(s->step > 0, "[{}] expected a step of at least 1 in item {}, got {}", op_,
                    number_, s->step);
      if (s->start || s->stop || s->step != 1) {
        plan_.view =
            slice(plan_.view, dim_, s->start.value_or(0), s->stop.value_or(INT64_MAX), s->step);
      }
      ++dim_;
    } else if (item.get<Ellipsis>()) {
      dim_ += rest_;
    } else if (item.get<NewAxis>()) {
      plan_.view = unsqueeze(plan_.view, dim_++);
    } else {
      apply(*item.get<Tensor>());
    }
  }

  void apply(const Tensor& tensor) {
    Array at = tensor.data();
    if (at.dtype() != DType::boolean) {
      TESSERA_CHECK(at.dtype() == DType::i64 || at.dtype() == DType::i32,
                    "[{}] expected item {} to be of i64, i32 or bool, got {}", op_, number_,
                    at.dtype());
      add(at);
      return;
    }
    if (at.dim() == 0) {
      // One mask for the whole rest: a new dim of size 1, taken or not.
      plan_.view = unsqueeze(plan_.view, dim_);
      add(arrays::nonzero(at.unsqueeze(0)).select(1, 0));
      return;
    }
    for (size_t d = 0; d < at.dim(); ++d) {
      int64_t size = plan_.view.size(dim_ + static_cast<int64_t>(d));
      TESSERA_CHECK(at.shape()[d] == size,
                    "[{}] expected the mask of item {} to have size {} in dim {}, got shape {}",
                    op_, number_, size, d, at.shape());
    }
    Array found = arrays::nonzero(at);
    for (int64_t d = 0; d < static_cast<int64_t>(at.dim()); ++d) add(found.select(1, d));
  }

  void add(const Array& index) {
    plan_.indices.push_back(index);
    plan_.dims.push_back(dim_++);
  }

  const char* op_;
  int64_t rest_;
  int64_t dim_ = 0;  // of the view, where the next item stands
  size_t number_ = 0;
  Plan plan_;
};

// The order of the view's dims with those that are indexed in front.
Dims front_order(const Plan& plan) {
  Dims order = plan.dims;
  for (int64_t d = 0; d < static_cast<int64_t>(plan.view.dim()); ++d) {
    if (std::find(plan.dims.begin(), plan.dims.end(), d) == plan.dims.end()) order.push_back(d);
  }
  return order;
}

// The number of dims that the indices select, all in front in what take gives.
size_t num_selected(const Plan& plan, const char* op) {
  Dims shape;
  for (const Array& index : plan.indices) shape = broadcast_shapes(shape, index.shape(), op);
  return shape.size();
}

// Which place each dim of take's result has in the result of the whole: the selected dims stand
// where the first index stood if all stand side by side, else in front.
Dims result_order(const Plan& plan, const char* op) {
  auto selected = static_cast<int64_t>(num_selected(plan, op));
  auto count = static_cast<int64_t>(plan.dims.size());
  auto rank = static_cast<int64_t>(plan.view.dim()) - count + selected;
  bool together = plan.dims.back() - plan.dims[0] == count - 1;
  int64_t before = together ? plan.dims[0] : 0;
  Dims order;
  for (int64_t d = 0; d < before; ++d) order.push_back(selected + d);
  for (int64_t d = 0; d < selected; ++d) order.push_back(d);
  for (int64_t d = selected + before; d < rank; ++d) order.push_back(d);
  return order;
}

Dims inverse(const Dims& order) {
  Dims out = order;
  for (size_t i = 0; i < order.size(); ++i) {
    out[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  }
  return out;
}

// The shape of what the plan selects, in the order of the result.
Dims result_shape(const Plan& plan, const Dims& order, const char* op) {
  Dims taken;
  for (const Array& index : plan.indices) taken = broadcast_shapes(taken, index.shape(), op);
  Dims front = front_order(plan);
  for (size_t d = plan.dims.size(); d < front.size(); ++d) {
    taken.push_back(plan.view.size(front[d]));
  }
  Dims shape;
  for (int64_t d : order) shape.push_back(taken[static_cast<size_t>(d)]);
  return shape;
}

// x[...] += value or = value for views, which have no index tensors.
void write_view(const Tensor& view, const Tensor& value, bool accumulate) {
  if (!accumulate) {
    copy_(view, value);
    return;
  }
  auto compute = [&](const Tensor& old) { return old + expand(value, old.shape()); };
  in_place("index_put_", view, {value}, compute);
}

void write_indexed(const Plan& plan, const Tensor& value, bool accumulate) {
  const char* op = "index_put_";
  Dims order = result_order(plan, op);
  Tensor values = permute(expand(value, result_shape(plan, order, op)), inverse(order));
  Tensor target = permute(plan.view, front_order(plan));
  auto compute = [&](const Tensor& old) {
    return put_indices(old, plan.indices, values, accumulate);
  };
  auto write = [&](const Array& out) {
    Array from = values.data().storage() == out.storage() ? values.data().clone() : values.data();
    arrays::put_(out, plan.indices, from, accumulate ? ScatterOp::add : ScatterOp::assign, op);
  };
  in_place(op, target, {values}, compute, write);
}

}  // namespace

Tensor index(TensorArg x, const IndexItems& items) {
  const Composed scope;
  Plan plan = Planner("index", x, items).take();
  if (plan.indices.empty()) return plan.view;
  Tensor taken = take_indices(permute(plan.view, front_order(plan)), plan.indices);
  return permute(taken, result_order(plan, "index"));
}

const Tensor& index_put_(const Tensor& x, const IndexItems& items, TensorArg value,
                         bool accumulate) {
  const Composed scope;
  Plan plan = Planner("index_put_", x, items).take();
  Tensor converted = to(value, x.dtype());
  if (plan.indices.empty()) write_view(plan.view, converted, accumulate);
  else write_indexed(plan, converted, accumulate);
  return x;
}

const Tensor& assign(const Tensor& x, const IndexItems& items, TensorArg value) {
  return index_put_(x, items, value);
}

const Tensor& assign(const Tensor& x, const IndexItems& items, Scalar value) {
  check_holds("assign", x.dtype(), value);
  return index_put_(x, items, Tensor(arrays::full({}, value, x.dtype(), x.device())));
}

}  // namespace tessera
