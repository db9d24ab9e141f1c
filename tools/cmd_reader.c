/* Hidden verb: the process in which `serve` opens results and slides. */
#include "tools/command.h"

#include <microtome/serve.h>

static int run(int argc, char **argv)
{
    return argc == 2 ? mt_serve_reader(argv[1]) : 64;
}

const mt_command mt_command_reader = {.name = "reader", .run = run};
