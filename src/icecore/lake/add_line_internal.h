#pragma once
// The lines that logs have most of, read without a document of their values.

#include <string_view>

#include "icecore/lake/snapshot.h"

namespace icecore::lake {

// `{"add":{…}}` as nearly every writer writes it: members that we know, plain ASCII text, whole
// numbers, no deletion vector. True: `*file` is what the general parser of JSON would have made of
// the line. False: the line is of another kind, or wrong; that parser decides.
bool ParseAddLine(std::string_view line, DataFile* file);

}  // namespace icecore::lake
