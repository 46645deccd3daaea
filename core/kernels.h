// The waist: what a device must be able to do, one small interface per kernel family, each in a
// header of core/kernels.
//
// Rules for every family. Arrays passed in are on the family's device, of the shapes and dtypes
// that the comment states, and are checked by the caller (the named op in autograd/ops) except
// where a line here says otherwise. Outputs are allocated by the caller and do not overlap inputs
// unless a line says so. The bits of a result depend on shapes, dtypes and the instruction set
// only, never on the number of threads. What rounding took from a number that others are compared
// with, a mean or a logsumexp, matters where the number is 64 times as large as what counts beside
// it, or more: in f32 its last digit is worth 4e-6 of that then. It is given as a second number,
// which is 0 elsewhere.
//
// Work is enqueued on the calling thread's stream of the device: a result is there when its Event
// is done (core/backend.h). So what is wrong with the content of an array, an index outside of a
// table, say, is found later. Where a line calls that an error, the CPU, which is never late,
// throws it at once, and other devices where the host waits for them next, with the operation, the
// module and the place of the call.
#pragma once

#include "core/device.h"

namespace tessera {

// NOLINTNEXTLINE(bugprone-macro-parentheses): a class has no other name.
#define TESSERA_FAMILY(NAME, INTERFACE) class INTERFACE;
#include "core/kernels/families.inc"

// The families of one device. Asking for one that the device lacks throws Error, naming the
// family and the device.
class Kernels {
 public:
  explicit Kernels(DeviceType type) : type_(type) {}

#define TESSERA_FAMILY(NAME, INTERFACE) \
  const INTERFACE& NAME() const { return get(NAME##_, #NAME); }
#include "core/kernels/families.inc"

  // Named after the families; a null one is a family that the device lacks.
#define TESSERA_FAMILY(NAME, INTERFACE) const INTERFACE* NAME##_ = nullptr;
#include "core/kernels/families.inc"

 private:
  DeviceType type_;

  template <class Family>
  const Family& get(const Family* family, const char* family_name) const {
    if (!family) missing(family_name);
    return *family;
  }
  [[noreturn]] void missing(const char* family_name) const;
};

// The table of a device; an error when this build or machine does not have the device.
const Kernels& kernels(Device device);

}  // namespace tessera
