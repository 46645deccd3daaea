// What a type is called in messages.
#pragma once

#include <string>
#include <typeinfo>

namespace tessera::nn {

// "Linear", "my::Net": the library's own namespaces are left out.
std::string type_name(const std::type_info& type);

}  // namespace tessera::nn
