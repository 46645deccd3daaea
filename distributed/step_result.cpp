#include "distributed/step_result.h"

#include "core/error.h"

namespace tessera {

const StepNumbers& LateNumbers::get() {
  if (failed()) throw Error(error_);
  if (!read_) read();
  return numbers_;
}

void LateNumbers::read() {
  try {
    device_.wait(row_.event);
    const auto* row = static_cast<const double*>(row_.bytes.get());
    TESSERA_CHECK(
        row[3] != 0,
        "[TrainStep] step {} updated nothing: what was wrong with the content of an array "
        "in it was thrown where the host waited for something else",
        step_ + 1);
    numbers_ = {row[0], row[1], row[2] != 0};
    read_ = true;
  } catch (const std::exception& error) {
    error_ = error.what();
    throw;
  }
}

}  // namespace tessera
