#include "tools/command.h"

#include <microtome/encoder.h>
#include <microtome/engine.h>

#include <stdio.h>
#include <unistd.h>

static void print_memory(void)
{
    double gib = 1024.0 * 1024 * 1024, page = (double)sysconf(_SC_PAGESIZE);

    printf("  memory      %.1f GiB, %.1f GiB free\n", (double)sysconf(_SC_PHYS_PAGES) * page / gib,
           (double)sysconf(_SC_AVPHYS_PAGES) * page / gib);
}

static void print_native(void)
{
    printf("  native      fp32");
    for (mt_precision p = MT_PRECISION_BF16; p <= MT_PRECISION_INT8; p++)
        if (mt_precision_is_native(p))
            printf(", %s", mt_precision_name(p));
    for (mt_precision p = MT_PRECISION_BF16; p <= MT_PRECISION_INT8; p++)
        if (!mt_precision_is_native(p))
            printf("; %s: %s", mt_precision_name(p), mt_precision_why_slow(p));
    putchar('\n');
}

/* Of any encoder, or of the one that was named. */
static void print_choice(const mt_encoder *encoder)
{
    g_autofree char *why = NULL;

    if (encoder == NULL) {
        bool int8 = mt_precision_is_native(MT_PRECISION_INT8), bf16 = mt_precision_is_native(MT_PRECISION_BF16);
        printf("  will use    %s, fp32%s%s%s%s\n", mt_engine_backend(), int8 || bf16 ? "; where a card lists it as verified: " : "",
               int8 ? "int8 (quantised models)" : "", int8 && bf16 ? ", else " : "", bf16 ? "bf16" : "");
        return;
    }
    mt_precision chosen = mt_encoder_auto_precision(encoder, &why);
    printf("  will use    %s; %s for %s%s%s\n", mt_engine_backend(), mt_precision_name(chosen), mt_encoder_card(encoder)->name,
           *why != '\0' ? "; " : "", why);
}

static int run(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_encoder) encoder = NULL;
    GOptionEntry entries[] = {{NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_doctor, entries, &argc, &argv))
        return 64;
    if (argc > 2)
        return mt_command_usage(&mt_command_doctor, "at most one encoder is wanted");
    if (argc == 2 && (encoder = mt_encoder_load(argv[1], &error)) == NULL)
        return mt_command_fail(&mt_command_doctor, error);
    puts("microtome " MT_VERSION);
    printf("  threads     %d\n  CPU         %s\n", mt_command_threads(0), mt_engine_isa());
    print_memory();
    for (const mt_engine_library *l = mt_engine_libraries(); l->name != NULL; l++)
        printf("  %-11s %s\n", l->name, l->version);
    print_native();
    print_choice(encoder);
    return 0;
}

const mt_command mt_command_doctor = {
    .name = "doctor",
    .arguments = "[ENCODER.onnx]",
    .summary = "CPU features, library versions, memory, and what will be used; with an encoder: its precision and why.",
    .run = run,
};
