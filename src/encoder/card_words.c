#include "src/encoder/card_words.h"

#include <microtome/encoder.h>

#include <string.h>

const char *const mt_card_pools[] = {
    [MT_POOL_NONE] = "none", [MT_POOL_CLS] = "cls", [MT_POOL_MEAN] = "mean", [MT_POOL_CLS_MEAN] = "cls+mean", [MT_POOL_RAW] = "raw", NULL};
const char *const mt_card_fits[] = {
    [MT_FIT_TILES] = "tiles", [MT_FIT_STRETCH] = "stretch", [MT_FIT_PAD] = "pad", [MT_FIT_CROP] = "crop", NULL};
const char *const mt_card_channels[] = {[MT_CHANNELS_RGB] = "rgb", [MT_CHANNELS_BGR] = "bgr", [MT_CHANNELS_GRAY] = "gray", NULL};
const char *const mt_card_filters[] = {[MT_FILTER_BILINEAR] = "bilinear",
                                       [MT_FILTER_BICUBIC] = "bicubic",
                                       [MT_FILTER_LANCZOS] = "lanczos",
                                       [MT_FILTER_NEAREST] = "nearest",
                                       NULL};
const char *const mt_card_value_rules[] = {
    [MT_VALUE_RGB8] = "rgb8", [MT_VALUE_HU] = "hu", [MT_VALUE_PERCENTILE] = "percentile", [MT_VALUE_ZSCORE] = "zscore", NULL};
const char *const mt_card_precisions[] = {[MT_PRECISION_FP32] = "fp32", [MT_PRECISION_BF16] = "bf16", [MT_PRECISION_INT8] = "int8", NULL};

int mt_card_find_word(const char *const *words, const char *word)
{
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}
