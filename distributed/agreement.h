// What ranks must have in common, compared before they work together.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "distributed/comm/communicator.h"

namespace tessera {

// Every rank's text, by rank. A collective.
std::vector<std::string> gather_texts(Communicator& comm, const std::string& text);

// The number of ranks on each node, if nodes have the same number and consecutive ranks; else
// 0. A collective.
int ranks_per_node(Communicator& comm);

// The first rank's text that is not empty, as "rank 2: ..." where there are several ranks; empty on
// every rank if all are. A collective.
std::string first_error(Communicator& comm, const std::string& own);

// An error that every rank has alike and knows that the others have: one of them may speak for all.
class SharedError : public Error {
 public:
  using Error::Error;
};

// Throws SharedError on every rank, naming the first thing that differs and who has what, unless
// all ranks pass the same values under the same names. Of values with several lines, the message
// shows the first that differs. A collective.
void require_agreement(Communicator& comm,
                       const std::vector<std::pair<std::string, std::string>>& values);

}  // namespace tessera
