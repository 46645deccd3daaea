// What the elementwise families share: the dtype they compute in, and kernels over strided arrays.
#pragma once

#include "core/cuda/math.cuh"
#include "core/cuda/strided.cuh"

namespace tessera::cuda {

// f32 for the 16-bit dtypes, 64 bits for integers and bool.
inline DType compute_dtype(DType dtype) {
  if (dtype == DType::f32 || dtype == DType::f64) return dtype;
  return is_floating(dtype) ? DType::f32 : DType::i64;
}

// Calls fn with the type of a compute dtype.
template <class F>
void visit_compute(DType dtype, F&& fn) {
  if (dtype == DType::f32) fn(TypeTag<float>());
  else if (dtype == DType::f64) fn(TypeTag<double>());
  else fn(TypeTag<int64_t>());
}

// out[i] = fn(a[i])
template <class A, class T, class F>
__global__ void map_one(Strided<2> loop, const A* a, T* out, F fn) {
  for (int64_t i = global_thread(); i < loop.count; i += num_threads_in_grid()) {
    int64_t at[2];
    loop.locate(i, at);
    out[at[1]] = fn(a[at[0]]);
  }
}

// out[i] = fn(a[i], b[i])
template <class A, class T, class F>
__global__ void map_two(Strided<3> loop, const A* a, const A* b, T* out, F fn) {
  for (int64_t i = global_thread(); i < loop.count; i += num_threads_in_grid()) {
    int64_t at[3];
    loop.locate(i, at);
    out[at[2]] = fn(a[at[0]], b[at[1]]);
  }
}

template <class A, class T, class F>
void launch_one(const Array& a, const Array& out, F fn) {
  int index = out.device().index;
  DeviceGuard device(index);
  launch(map_one<A, T, F>, blocks_for(out.numel()), kBlock, current_stream(index),
         strided<2>({&a, &out}), static_cast<const A*>(a.device_raw()),
         static_cast<T*>(out.device_raw()), fn);
}

template <class A, class T, class F>
void launch_two(const Array& a, const Array& b, const Array& out, F fn) {
  int index = out.device().index;
  DeviceGuard device(index);
  launch(map_two<A, T, F>, blocks_for(out.numel()), kBlock, current_stream(index),
         strided<3>({&a, &b, &out}), static_cast<const A*>(a.device_raw()),
         static_cast<const A*>(b.device_raw()), static_cast<T*>(out.device_raw()), fn);
}

// Calls fn(result) with out itself where it is of the dtype in which results come, else with a
// buffer that is converted into it.
template <class F>
void with_result(const Array& out, DType dtype, F&& fn) {
  if (out.dtype() == dtype) return fn(out);
  Array result = Array::empty(out.shape(), dtype, out.device());
  fn(result);
  out.copy_(result);
}

}  // namespace tessera::cuda
