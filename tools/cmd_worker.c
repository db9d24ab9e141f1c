/* Hidden verb: the process that `run` spawns for every case. */
#include "tools/command.h"

#include <microtome/batch.h>

static int run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return mt_batch_worker();
}

const mt_command mt_command_worker = {.name = "worker", .run = run};
