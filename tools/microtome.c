/* The program: a table of verbs. */
#include "tools/command.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

static const mt_command *const COMMANDS[] = {
    &mt_command_run,    &mt_command_plan,      &mt_command_status,  &mt_command_verify,     &mt_command_report,    &mt_command_prune,
    &mt_command_info,   &mt_command_tissue,    &mt_command_convert, &mt_command_deidentify, &mt_command_tile,      &mt_command_heatmap,
    &mt_command_export, &mt_command_aggregate, &mt_command_train,   &mt_command_evaluate,   &mt_command_calibrate, &mt_command_compare,
    &mt_command_search, &mt_command_serve,     &mt_command_review,  &mt_command_user,       &mt_command_send,      &mt_command_worklist,
    &mt_command_model,  &mt_command_bench,     &mt_command_doctor};

static void print_help(FILE *stream)
{
    fputs("microtome reads slides and images tile by tile on ordinary CPUs and answers with one score per case and the evidence for it.\n"
          "For research and decision support; not a medical device.\n\n"
          "usage: microtome VERB [OPTION...] ARGUMENT...\n\n",
          stream);
    for (size_t i = 0; i < G_N_ELEMENTS(COMMANDS); i++)
        fprintf(stream, "  %-11s %s\n", COMMANDS[i]->name, COMMANDS[i]->summary);
    fputs("\nmicrotome VERB --help explains a verb.  First steps:\n"
          "  microtome doctor                                what this machine has and what will be used\n"
          "  microtome info SLIDE.svs                        size, levels, µm per pixel and where it came from\n"
          "  microtome run -e ENCODER.onnx -o OUT SLIDE.svs  features of one slide\n"
          "  microtome run -e ENCODER.onnx -m HEAD.safetensors -o OUT MANIFEST.csv\n"
          "  microtome heatmap OUT/cases/*.h5 -o PICTURES\n\n"
          "Exit codes: 0 all done; 64 usage; 65 an input was refused or some cases failed; 66 the input is missing; 70 internal;\n"
          "74 input or output failed; 75 stopped, run again to resume; 78 model, card, head or recipe unusable.\n",
          stream);
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, ""); /* numbers stay in the C locale */
    if (argc < 2) {
        print_help(stderr);
        return 64;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("microtome " MT_VERSION);
        return 0;
    }
    if (strcmp(argv[1], mt_command_worker.name) == 0)
        return mt_command_worker.run(argc - 1, argv + 1);
    if (strcmp(argv[1], mt_command_reader.name) == 0)
        return mt_command_reader.run(argc - 1, argv + 1);
    for (size_t i = 0; i < G_N_ELEMENTS(COMMANDS); i++)
        if (strcmp(argv[1], COMMANDS[i]->name) == 0)
            return COMMANDS[i]->run(argc - 1, argv + 1);
    fprintf(stderr, "microtome: unknown verb '%s'. See microtome --help.\n", argv[1]);
    return 64;
}
