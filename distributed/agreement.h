// What ranks must have in common, compared before they work together.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "distributed/comm/communicator.h"

namespace tessera {

// Every rank's text, by rank. A collective.
std::vector<std::string> gather_texts(Communicator& comm, const std::string& text);

// Throws Error on every rank, naming the first thing that differs and who has what, unless all
// ranks pass the same values under the same names. A collective.
void require_agreement(Communicator& comm,
                       const std::vector<std::pair<std::string, std::string>>& values);

}  // namespace tessera
