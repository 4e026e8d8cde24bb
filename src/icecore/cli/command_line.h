#pragma once
// The `icecore` command.

namespace icecore::cli {

// Parses and runs one command. Exit codes: 0 done; 1 ran and failed; 2 the command or a definition
// is wrong; 3 only for `plan --exit-code`: there are changes.
int RunCommandLine(int argc, char** argv);

}  // namespace icecore::cli
