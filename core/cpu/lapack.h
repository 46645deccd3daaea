// LAPACK, loaded when a factorization first asks for it: linked, it would add its loading (and the
// threads of some builds of it) to every start of the command.
#pragma once

#include <cstddef>
#include <mutex>

namespace tessera::cpu {

// The functions of LAPACK that are used here, by Fortran's interface: matrices column by column,
// every argument by its address, and behind them the length of each text, which is 1.
template <class T>
struct Lapack {
  using Size = const int*;
  using Text = const char*;
  void (*potrf)(Text uplo, Size n, T* a, Size lda, int* info, size_t);
  void (*getrf)(Size m, Size n, T* a, Size lda, int* pivots, int* info);
  void (*getrs)(Text trans, Size n, Size nrhs, const T* a, Size lda, const int* pivots, T* b,
                Size ldb, int* info, size_t);
  void (*trsm)(Text side, Text uplo, Text trans, Text diag, Size m, Size n, const T* alpha,
               const T* a, Size lda, T* b, Size ldb, size_t, size_t, size_t, size_t);
  void (*geqrf)(Size m, Size n, T* a, Size lda, T* tau, T* work, Size lwork, int* info);
  void (*orgqr)(Size m, Size n, Size k, T* a, Size lda, const T* tau, T* work, Size lwork,
                int* info);
  void (*gesdd)(Text jobz, Size m, Size n, T* a, Size lda, T* s, T* u, Size ldu, T* vt, Size ldvt,
                T* work, Size lwork, int* iwork, int* info, size_t);
  void (*syevd)(Text jobz, Text uplo, Size n, T* a, Size lda, T* w, T* work, Size lwork, int* iwork,
                Size liwork, int* info, size_t, size_t);
};

// Of float or double. OpenBLAS where there is one, which is set to one thread then for the whole
// process; else what the system has for LAPACK. Throws Error, naming op and Debian's package, where
// there is neither.
template <class T>
const Lapack<T>& lapack(const char* op);

// To be held during calls. A lock where the library must not be called by two threads at once, as
// OpenBLAS without threads and that with OpenMP's; else it holds nothing.
std::unique_lock<std::mutex> lapack_lock(const char* op);

}  // namespace tessera::cpu
