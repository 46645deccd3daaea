// Facts about this process and this build.
#pragma once

#include <cstdint>
#include <string>

namespace tessera::experiment {

// What the ranks' bits may depend on besides the config: version, compiler, libraries.
std::string build_id();
int process_id();
// Whether a person sees the standard output at once, so that a line may be overwritten.
bool stdout_is_terminal();
// Wall time since the kernel started this process, to 10 ms.
double seconds_since_process_start();
// The most memory that this process ever had resident.
int64_t peak_rss_bytes();

}  // namespace tessera::experiment
