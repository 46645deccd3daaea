#include "core/cpu/lapack.h"

#include <dlfcn.h>

#include <string>

#include "core/cpu/onednn.h"
#include "core/error.h"
#include "core/signals.h"

namespace tessera::cpu {
namespace {

// Debian's names, which its alternatives lead to one of several builds: OpenBLAS without threads,
// with its own, or with OpenMP's; and LAPACK's own code.
constexpr const char* kLibraries[] = {"libopenblas.so.0", "liblapack.so.3"};

struct Library {
  void* handle = nullptr;
  const char* name = nullptr;
  bool concurrent = true;  // threads may call it at once
};

Library open_library(const char* op) {
  std::string reasons;
  for (const char* name : kLibraries) {
    if (void* handle = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return {handle, name, true};
    reasons += fmt::format("{}{}", reasons.empty() ? "" : "; ", dlerror());
  }
  throw_error(fmt::format("[{}] needs LAPACK, as Debian's package libopenblas0-pthread has it: {}",
                          op, reasons));
}

// A thread a matrix is all that may run, so that bits do not depend on a machine's cores. A build
// with OpenMP's threads sets those of the caller as well, which OneThread puts back.
void use_one_thread(const Library& library) {
  using SetThreads = void (*)(int);
  auto set = reinterpret_cast<SetThreads>(dlsym(library.handle, "openblas_set_num_threads"));
  if (!set) return;
  OneThread guard(/*moves_stack=*/false);
  set(1);
}

// OpenBLAS hands out its own memory under a lock only in the build with threads of its own, which
// calls itself 1.
bool is_concurrent(const Library& library) {
  using Parallel = int (*)();
  auto parallel = reinterpret_cast<Parallel>(dlsym(library.handle, "openblas_get_parallel"));
  return !parallel || parallel() == 1;
}

const Library& library(const char* op) {
  static const Library loaded = [op] {
    // Threads that it may start take no signals.
    SignalsBlocked blocked;
    Library found = open_library(op);
    use_one_thread(found);
    found.concurrent = is_concurrent(found);
    return found;
  }();
  return loaded;
}

template <class Function>
void find_function(const char* op, char precision, const std::string& name, Function& function) {
  const Library& from = library(op);
  std::string symbol = precision + name + "_";
  function = reinterpret_cast<Function>(dlsym(from.handle, symbol.c_str()));
  TESSERA_CHECK(function, "[{}] {} has no function {}", op, from.name, symbol);
}

template <class T>
Lapack<T> load_lapack(const char* op) {
  constexpr char kPrecision = sizeof(T) == 4 ? 's' : 'd';
  Lapack<T> out{};
  find_function(op, kPrecision, "potrf", out.potrf);
  find_function(op, kPrecision, "getrf", out.getrf);
  find_function(op, kPrecision, "getrs", out.getrs);
  find_function(op, kPrecision, "trsm", out.trsm);
  find_function(op, kPrecision, "geqrf", out.geqrf);
  find_function(op, kPrecision, "orgqr", out.orgqr);
  find_function(op, kPrecision, "gesdd", out.gesdd);
  find_function(op, kPrecision, "syevd", out.syevd);
  return out;
}

}  // namespace

template <class T>
const Lapack<T>& lapack(const char* op) {
  static const Lapack<T> functions = load_lapack<T>(op);
  return functions;
}

std::unique_lock<std::mutex> lapack_lock(const char* op) {
  static std::mutex one_call;
  if (library(op).concurrent) return {};
  return std::unique_lock(one_call);
}

template const Lapack<float>& lapack<float>(const char*);
template const Lapack<double>& lapack<double>(const char*);

}  // namespace tessera::cpu
