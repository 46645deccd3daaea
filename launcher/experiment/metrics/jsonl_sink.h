// Records as lines of JSON.
#pragma once

#include <string>

#include "launcher/experiment/lenient_file.h"
#include "launcher/experiment/metrics/metric_sink.h"

namespace tessera::experiment {

// A record is one line, an object: "step", the metrics by their names, and "stopped" or "final",
// which is true, of such records. A number that JSON has not is null. A line that cannot be written
// is lost, and the first of them told; the final one then is an Error.
class JsonlSink final : public MetricSink {
 public:
  // An Error where the file cannot be made. `who` begins what is told, "rank 3: "; or empty.
  explicit JsonlSink(const std::string& path, LineFileMode mode = LineFileMode::create,
                     std::string who = "");
  void record(const MetricRecord& record) override;

 private:
  std::string path_;
  LenientFile file_;
};

}  // namespace tessera::experiment
