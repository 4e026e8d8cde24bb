#pragma once
// Databases that wait for the next who needs one of the same settings: opening one costs more than
// most texts do.

#include <memory>
#include <string>

#include "icecore/sql/database_internal.h"

namespace icecore::sql {

// Null where none of these settings waits. Thread-safe, as LeaveIdle.
std::unique_ptr<Database> TakeIdle(const std::string& settings);

// `database` must hold nothing of whoever used it. Of many, the ones that came last wait.
void LeaveIdle(const std::string& settings, std::unique_ptr<Database> database);

}  // namespace icecore::sql
