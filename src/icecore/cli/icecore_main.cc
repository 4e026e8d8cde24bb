#include "icecore/cli/command_line.h"
#include "icecore/server/serve.h"

int main(int argc, char** argv) {
  return icecore::cli::RunCommandLine(argc, argv, icecore::server::Serve);
}
