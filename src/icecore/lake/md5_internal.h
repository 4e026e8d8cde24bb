#pragma once
// MD5 (RFC 1321), for the one checksum of the Delta protocol that asks for it. Guards against
// accidents, not against people.

#include <string>
#include <string_view>

namespace icecore::lake {

// 32 lower-case hexadecimal digits.
std::string Md5Hex(std::string_view bytes);

}  // namespace icecore::lake
