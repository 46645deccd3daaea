// What gRPC and Protobuf log.
#pragma once

namespace tessera::rendezvous {

// From now on gRPC's errors go to standard error, but for failed handshakes of servers, with which
// whoever connects could fill it. GRPC_VERBOSITY (DEBUG, INFO, ERROR or NONE) says what else does.
// Protobuf's errors on text that is not UTF-8, one for every field that anyone sends, are counted
// instead. May be called again.
void print_grpc_errors();

// Says in one line how many such fields there were, if any, since this was last said. It is also
// said by itself when a further one comes a minute later.
void print_counted_errors();

}  // namespace tessera::rendezvous
