#include "icecore/base/memory_pool.h"
#include "icecore/cli/command_line.h"
#include "icecore/server/serve.h"

int main(int argc, char** argv) {
  icecore::base::ChooseMemoryPool();
  return icecore::cli::RunCommandLine(argc, argv, icecore::server::Serve);
}
