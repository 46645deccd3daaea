// What gRPC logs.
#pragma once

namespace tessera::rendezvous {

// From now on gRPC's errors go to standard error, but for failed handshakes of servers, with which
// whoever connects could fill it. GRPC_VERBOSITY (DEBUG, INFO, ERROR or NONE) says what else does.
// May be called again.
void print_grpc_errors();

}  // namespace tessera::rendezvous
