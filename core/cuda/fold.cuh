// Folding the middle of three dims. Every thread folds elements of its own in order, and what the
// threads of a line have meets in one tree in shared memory: no atomics, so the bits never depend
// on which block runs when.
#pragma once

#include "core/array.h"
#include "core/cuda/convert.cuh"
#include "core/cuda/strided.cuh"

namespace tessera::cuda {

// What an element is computed in: float for the 16-bit types.
template <class T>
using Widened = decltype(widen(OnDevice<T>()));

struct FoldShape {
  int64_t outer, n, inner;
};

// Where the i-th element in row-major order lies.
struct InOrder {
  __device__ int64_t operator()(int64_t i) const { return i; }
};
struct InStrides {
  Strided<1> elements;
  __device__ int64_t operator()(int64_t i) const {
    int64_t at[1];
    elements.locate(i, at);
    return at[0];
  }
};

// Lines side by side that a block folds together, where there are several.
inline constexpr unsigned kLanes = 32;
// Blocks of one launch; beyond them, blocks take several tiles of lines each.
inline constexpr int64_t kMaxTiles = 65535;

// For every output o of (outer, inner): acc = first(); acc = step(acc, x[.., i, ..], i, o) for some
// of the elements in each thread; out[o] = result(join of all, o). A block has blockDim.x lines
// side by side and blockDim.y threads, a power of two, for each.
template <class T, class Out, class Place, class Fold>
__global__ void fold_kernel(FoldShape shape, const T* x, Place place, Out* out, Fold fold) {
  using Acc = decltype(fold.first());
  TESSERA_SHARED(Acc, accs, [kBlock]);
  Acc* mine = accs + threadIdx.y * blockDim.x + threadIdx.x;
  int64_t tiles = (shape.inner + blockDim.x - 1) / blockDim.x;
  for (int64_t tile = blockIdx.x; tile < shape.outer * tiles; tile += gridDim.x) {
    int64_t column = tile % tiles * blockDim.x + threadIdx.x;
    int64_t row = tile / tiles;
    int64_t o = row * shape.inner + column;
    bool inside = column < shape.inner;
    Acc acc = fold.first();
    for (int64_t i = threadIdx.y; inside && i < shape.n; i += blockDim.y) {
      acc = fold.step(acc, widen(x[place((row * shape.n + i) * shape.inner + column)]), i, o);
    }
    *mine = acc;
    __syncthreads();
    for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
      if (threadIdx.y < half) *mine = fold.join(*mine, mine[half * blockDim.x]);
      __syncthreads();
    }
    if (inside && threadIdx.y == 0) out[o] = fold.result(*mine, o);
    // The next tile writes where this one still reads.
    __syncthreads();
  }
}

template <class T, class Out, class Place, class Fold>
void launch_fold_at(const FoldShape& shape, const Array& x, Place place, const Array& out,
                    Fold fold) {
  int index = out.device().index;
  DeviceGuard device(index);
  unsigned lanes = shape.inner == 1 ? 1 : kLanes;
  int64_t tiles = shape.outer * ((shape.inner + lanes - 1) / lanes);
  launch(fold_kernel<OnDevice<T>, OnDevice<Out>, Place, Fold>,
         dim3(static_cast<unsigned>(std::min(tiles, kMaxTiles))), dim3(lanes, kBlock / lanes),
         current_stream(index), shape, static_cast<const OnDevice<T>*>(x.device_raw()), place,
         static_cast<OnDevice<Out>*>(out.device_raw()), fold);
}

// Folds x, whose elements in row-major order are seen as `shape`, into out.
template <class T, class Out, class Fold>
void launch_fold(const FoldShape& shape, const Array& x, const Array& out, Fold fold) {
  if (shape.outer * shape.inner == 0) return;
  if (shape.n == 0 || x.is_contiguous()) {
    return launch_fold_at<T, Out>(shape, x, InOrder{}, out, fold);
  }
  launch_fold_at<T, Out>(shape, x, InStrides{strided<1>({&x})}, out, fold);
}

// Sums of terms in Acc, each the square of an element if `squares`.
template <class Acc, class Out, bool squares = false>
struct SumFold {
  __device__ Acc first() const { return Acc(0); }
  template <class V>
  __device__ Acc step(Acc acc, V v, int64_t, int64_t) const {
    Acc term = static_cast<Acc>(v);
    if constexpr (squares) term = term * term;
    return acc + term;
  }
  __device__ Acc join(Acc a, Acc b) const { return a + b; }
  __device__ Out result(Acc acc, int64_t) const { return Convert<Acc, Out>()(acc); }
};

}  // namespace tessera::cuda
