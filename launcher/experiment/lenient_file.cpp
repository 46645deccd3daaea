#include "launcher/experiment/lenient_file.h"

#include <fmt/format.h>

#include "core/error.h"
#include "launcher/experiment/standard_streams.h"

namespace tessera::experiment {

LenientFile::LenientFile(std::string path, LineFileMode mode, std::string who)
    : file_(std::move(path), mode), who_(std::move(who)) {}

void LenientFile::append(const std::string& line) {
  try {
    file_.append(line);
  } catch (const Error& error) {
    // Once: a shorter line may fit between two that do not.
    if (num_lost_++ > 0) return;
    print_error(fmt::format("tessera: {}{}; the run goes on without what is not written", who_,
                            error.what()));
  }
}

}  // namespace tessera::experiment
