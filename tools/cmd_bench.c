#include "tools/cmd_bench.h"

#include <stdio.h>
#include <string.h>

static const mt_command *const verbs[] = {&mt_command_bench_tiles, &mt_command_bench_pipeline, &mt_command_bench_bag};

static int run(int argc, char **argv)
{
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        printf("usage: microtome bench %s [OPTION...]\n\n", mt_command_bench.arguments);
        for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
            printf("  %-15s %s\n", verbs[i]->name, verbs[i]->summary);
        return 0;
    }
    for (size_t i = 0; argc >= 2 && i < G_N_ELEMENTS(verbs); i++)
        if (strcmp(argv[1], verbs[i]->name + strlen("bench ")) == 0)
            return verbs[i]->run(argc - 1, argv + 1);
    return mt_command_usage(&mt_command_bench, "tiles, pipeline or bag is wanted");
}

const mt_command mt_command_bench = {
    .name = "bench",
    .arguments = "tiles|pipeline CASE | bag -m HEAD",
    .summary = "Measure reading against libjpeg-turbo and OpenSlide, a whole case against the encoder alone, or a head on a bag.",
    .run = run,
};
