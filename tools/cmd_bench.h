/* The verbs of `microtome bench`, one file each; cmd_bench.c lists them. */
#ifndef MT_CMD_BENCH_H
#define MT_CMD_BENCH_H

#include "tools/command.h"

extern const mt_command mt_command_bench_tiles, mt_command_bench_pipeline, mt_command_bench_bag;

#endif
