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
    failing_ = false;
  } catch (const Error& error) {
    ++num_lost_;
    if (!failing_) {
      print_error(fmt::format("tessera: {}{}; the run goes on without what is not written", who_,
                              error.what()));
    }
    failing_ = true;
  }
}

}  // namespace tessera::experiment
