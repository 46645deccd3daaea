// The environments of ranks. Entries are NAME=VALUE.
#pragma once

#include <string>
#include <vector>

namespace tessera::agent {

// Leaves out what names an identity that another launcher gave: a rank with two of them would
// join the wrong job, or none.
std::vector<std::string> without_launchers(std::vector<std::string> entries);

// Sets entries, each in the place of an earlier one of the same name.
void set_entries(std::vector<std::string>& entries, const std::vector<std::string>& additions);

// Adds HOME where there is none, or an empty one: libpmix 5 ends a process without it. The folder
// is the user's by the system's own list, or else "/".
void add_home(std::vector<std::string>& entries);

// The same for this process's own environment. Before other threads start.
void set_own_home();

// Removes from this process's own environment what without_launchers leaves out, except libpmix's
// settings (PMIX_MCA_*), which are the operator's. Before other threads start.
void forget_launchers();

}  // namespace tessera::agent
