// What gRPC logs: the only place where it tells of connections that fail before their first call.
#pragma once

#include <cstdint>

namespace tessera::rendezvous {

// From now on, failed handshakes of servers are counted instead of printed; other errors go to
// standard error. GRPC_VERBOSITY (DEBUG, INFO, ERROR or NONE) says what else does. May be called
// again.
void watch_grpc_log();

// Of all servers of this process since the first watch_grpc_log(): scans, garbage, connections that
// send nothing, unknown and expired certificates. Without TLS there is no handshake that could
// fail.
uint64_t num_failed_handshakes();

}  // namespace tessera::rendezvous
