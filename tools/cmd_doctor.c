#include "tools/command.h"

#include <microtome/engine.h>

#include <stdio.h>
#include <unistd.h>

static void print_memory(void)
{
    double gib = 1024.0 * 1024 * 1024, page = (double)sysconf(_SC_PAGESIZE);

    printf("  memory      %.1f GiB, %.1f GiB free\n", (double)sysconf(_SC_PHYS_PAGES) * page / gib,
           (double)sysconf(_SC_AVPHYS_PAGES) * page / gib);
}

static int run(int argc, char **argv)
{
    GOptionEntry entries[] = {{NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_doctor, entries, &argc, &argv))
        return 64;
    if (argc != 1)
        return mt_command_usage(&mt_command_doctor, "no argument is wanted");
    puts("microtome " MT_VERSION);
    printf("  threads     %d\n  CPU         %s\n", mt_command_threads(0), mt_engine_isa());
    print_memory();
    for (const mt_engine_library *l = mt_engine_libraries(); l->name != NULL; l++)
        printf("  %-11s %s\n", l->name, l->version);
    printf("  will use    %s, fp32\n", mt_engine_backend());
    return 0;
}

const mt_command mt_command_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "CPU features, library versions, memory, and what will be used.",
    .run = run,
};
