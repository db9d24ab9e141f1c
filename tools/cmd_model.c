#include "tools/cmd_model.h"

#include <stdio.h>
#include <string.h>

static const mt_command *const verbs[] = {
    &mt_command_model_info, &mt_command_model_run, &mt_command_model_bench, &mt_command_model_verify, &mt_command_model_quantize,
};

static void print_help(void)
{
    printf("usage: microtome model %s [OPTION...]\n\n", mt_command_model.arguments);
    for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
        printf("  %-15s %s\n", verbs[i]->name, verbs[i]->summary);
    puts("\nAn encoder needs a contract beside it, MODEL.card, a key file:\n"
         "  [encoder]\n  name=resnet50-imagenet\n  size_px=224\n  tile_px=256\n  resize_px=224\n  mpp=0.5\n  value=rgb8\n"
         "  mean=0.485;0.456;0.406\n  std=0.229;0.224;0.225\n  interpolation=bilinear\n  batch=16\n"
         "docs/formats.md explains every key.");
}

static int run(int argc, char **argv)
{
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        print_help();
        return 0;
    }
    for (size_t i = 0; argc >= 2 && i < G_N_ELEMENTS(verbs); i++)
        if (strcmp(argv[1], verbs[i]->name + strlen("model ")) == 0)
            return verbs[i]->run(argc - 1, argv + 1);
    return mt_command_usage(&mt_command_model, "info, run, bench, verify or quantize is wanted");
}

const mt_command mt_command_model = {
    .name = "model",
    .arguments = "info|run|bench|verify|quantize MODEL.onnx",
    .summary = "Look into an ONNX model, run it on arrays, measure it, verify its precisions, make it int8.",
    .run = run,
};
