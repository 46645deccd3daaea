// Whether the limits of this process leave room for what an agent does.
#pragma once

namespace tessera::agent {

// Raises the limit on open descriptors as far as this process may, and finds out whether there can
// be the descriptors, threads and memory that gRPC and the ranks' pipes take. An Error that names
// the limit where there cannot: gRPC itself would wait for ever for a descriptor, and abort for
// want of a thread. num_ranks: on this node; 0 where none are started.
void require_resources(int num_ranks);

}  // namespace tessera::agent
