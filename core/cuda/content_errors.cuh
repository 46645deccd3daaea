// How kernels report what is wrong with the content of arrays.
#pragma once

#include "core/cuda/content_errors.h"
#include "core/cuda/launch.h"

namespace tessera::cuda {

// Whether there is an error already that comes before one of this check at this position.
__device__ inline bool comes_before(volatile ContentError& now, Report to, long long position) {
  unsigned long long check = now.check;
  return check != 0 && (check < to.check || (check == to.check && now.position <= position));
}

// Of all that is reported to one stream the host hears the first check's first position, whichever
// thread comes first. A report takes the lock only where it is the first so far: check and position
// only fall, and `check` is written last.
__device__ inline void report(Report to, long long position, long long value) {
  volatile ContentError& now = *to.error;
  if (comes_before(now, to, position)) return;
  while (atomicCAS(&to.error->lock, 0U, 1U) != 0U) {
  }
  __threadfence();
  if (!comes_before(now, to, position)) {
    now.value = value;
    now.position = position;
    __threadfence();
    now.check = to.check;
  }
  __threadfence();
  atomicExch(&to.error->lock, 0U);
}

}  // namespace tessera::cuda
