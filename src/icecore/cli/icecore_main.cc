#include "icecore/cli/command_line.h"

int main(int argc, char** argv) { return icecore::cli::RunCommandLine(argc, argv); }
