/* Dense networks: what a card says, and every refusal of card and graph with its words. */
#include "src/encoder/dense.h"

#include <microtome/error.h>

#include <math.h>
#include <string.h>

static const char GOOD[] = "[encoder]\nsize_px=12x10x8\nchannels=t1;t2\nvalue=none\nactivation=softmax\nlabels=air;organ;tumour\n";

static mt_dense_card *read_card(const char *text)
{
    g_autoptr(GError) error = NULL;
    mt_dense_card *card = mt_dense_card_read_text(text, strlen(text), "net.card", &error);

    g_assert_no_error(error);
    return card;
}

static void test_plain(void)
{
    g_autoptr(mt_dense_card) card = read_card(GOOD);

    g_assert_cmpint(card->patch[0], ==, 12);
    g_assert_cmpint(card->patch[2], ==, 8);
    g_assert_cmpint(card->slices, ==, 1);
    g_assert_cmpint(card->n_channels, ==, 2);
    g_assert_cmpstr(card->channels[1], ==, "t2");
    g_assert_cmpint(card->activation, ==, MT_DENSE_SOFTMAX);
    g_assert_cmpint(card->n_labels, ==, 3);
    g_assert_cmpint(card->values[2], ==, 2);
    g_assert_false(card->regions);
    g_assert_true(mt_dense_card_is_member(card, 2, 2));
    g_assert_false(mt_dense_card_is_member(card, 2, 1));
    g_assert_cmpfloat(card->step, ==, 0.5);
    g_assert_false(card->constant || card->monai || card->mirror[0] || card->crop_nonzero);
    g_assert_cmpfloat(card->spacing_mm[0], ==, 0);
    g_assert_cmpint(card->axes[2], ==, 2);
}

static void test_full(void)
{
    g_autoptr(mt_dense_card) card =
        read_card("[encoder]\nname=brain\ninput=x\noutput=y\nsize_px=128x128x64\nchannels=t1;t1c;t2;flair\nvalue=zscore-foreground\n"
                  "spacing_mm=1;1;1.5\ncrop=nonzero\nlabels=whole;core;enhancing\nactivation=sigmoid\nregions=1,2,3;2,3;3\nstep=0.6\n"
                  "weight=constant\nmirror=xz\nverified=fp32;bf16\nlicence=CC0\ndemonstration=true\n");

    g_assert_cmpint(card->patch[2], ==, 64);
    g_assert_true(card->scheme[3].foreground);
    g_assert_cmpint(card->scheme[3].kind, ==, MT_SCHEME_ZSCORE);
    g_assert_cmpfloat(card->spacing_mm[2], ==, 1.5);
    g_assert_true(card->crop_nonzero && card->regions && card->constant && card->mirror[0] && !card->mirror[1] && card->mirror[2]);
    g_assert_cmpint(card->values[0], ==, 1);
    g_assert_cmpint(card->values[1], ==, 2);
    g_assert_true(mt_dense_card_is_member(card, 0, 3) && mt_dense_card_is_member(card, 1, 2) && !mt_dense_card_is_member(card, 2, 2));
    g_assert_true(card->demonstration);
}

static void test_scaling(void)
{
    g_autoptr(mt_dense_card) ct = read_card("[encoder]\nsize_px=64\nchannels=ct\nvalue=ct:-1000,400,-300,250\n"
                                            "activation=softmax\nlabels=a;b\n");
    g_autoptr(mt_dense_card) rgb =
        read_card("[encoder]\nsize_px=64x48\nchannels=rgb\nvalue=rgb8\nmean=0.5;0.4;0.3\nstd=0.2\nwindows=monai\n"
                  "activation=sigmoid\nlabels=vessel\n");
    g_autoptr(mt_dense_card) two = read_card("[encoder]\nsize_px=64x48\nslices=3\nchannels=pet;ct\nvalue=percentile;range:-160,240\n"
                                             "activation=none\nlabels=vessel;other\n");

    g_assert_cmpint(ct->patch[1], ==, 64);
    g_assert_cmpint(ct->patch[2], ==, 1);
    g_assert_cmpfloat(ct->scheme[0].low, ==, -1000);
    g_assert_cmpfloat(ct->scheme[0].high, ==, 400);
    g_assert_cmpfloat(ct->scheme[0].std, ==, 250);
    g_assert_cmpfloat(ct->std[0], ==, 1);
    g_assert_cmpint(rgb->n_channels, ==, 3);
    g_assert_cmpfloat(rgb->mean[2], ==, 0.3);
    g_assert_cmpfloat(rgb->std[2], ==, 0.2);
    g_assert_true(rgb->regions && rgb->monai && rgb->constant);
    g_assert_cmpfloat(rgb->step, ==, 0.75);
    g_assert_true(rgb->values[0] == 1 && mt_dense_card_is_member(rgb, 0, 1) && !mt_dense_card_is_member(rgb, 0, 0));
    g_assert_cmpint(two->scheme[0].kind, ==, MT_SCHEME_PERCENTILE);
    g_assert_cmpfloat(two->scheme[1].low, ==, -160);
    g_assert_cmpint(two->slices, ==, 3);
}

/* A key is taken out, changed or added; `words` is what follows "read net.card: ". */
static const struct {
    const char *key, *value, *words;
} CARDS[] = {
    {"size_px", NULL, "[encoder] size_px is missing: write the patch, WxH or WxHxD"},
    {"channels", NULL, "[encoder] channels is missing: write rgb, gray, or the names of the sequences"},
    {"value", NULL, "[encoder] value is missing: write what the pixels mean, one word or one a channel"},
    {"activation", NULL, "[encoder] activation is missing: write softmax, sigmoid or none"},
    {"labels", NULL, "[encoder] labels is missing: write a name for each channel of the output"},
    {"size_px", "12x0x8", "[encoder] size_px=12x0x8: WxH or WxHxD with edges of 1 to 4096 is wanted"},
    {"size_px", "12x9999", "[encoder] size_px=12x9999: WxH or WxHxD with edges of 1 to 4096 is wanted"},
    {"size_px", "1x2x3x4", "[encoder] size_px=1x2x3x4: WxH or WxHxD with edges of 1 to 4096 is wanted"},
    {"slices", "3", "[encoder] slices=3: an odd number is wanted, and 1 for a patch of several slices"},
    {"value", "wat",
     "[encoder] value=wat: none, hu, window:CENTRE,WIDTH, ct:LOW,HIGH,MEAN,STD, range:LOW,HIGH, zscore[-foreground], "
     "percentile[-foreground][:LO,HI], rescale01, rgb01, imagenet or xrv[:MAXVAL] is wanted"},
    {"value", "range:3,3", "[encoder] value=range:3,3: LOW below HIGH and no negative STD is wanted"},
    {"value", "rgb8", "[encoder] mean is missing: write the model's own (mean=0 and std=1 are never assumed)"},
    {"value", "hu;hu;hu", "[encoder] value has 3 words for 2 channels: 1 or 2 are wanted"},
    {"value", "hu", "[encoder] mean is missing: write the model's own (mean=0 and std=1 are never assumed)"},
    {"mean", "1;2;3", "[encoder] mean has 3 numbers for 2 channels: 1 or 2 are wanted"},
    {"std", "0", "[encoder] std: 0 is not above 0"},
    {"spacing_mm", "1;1", "[encoder] spacing_mm: X;Y;Z in mm are wanted (0: as the case has it)"},
    {"spacing_mm", "1;1;-1", "[encoder] spacing_mm: X;Y;Z in mm are wanted (0: as the case has it)"},
    {"crop", "brain", "[encoder] crop=brain: one of none, nonzero is wanted"},
    {"orientation", "lps", "[encoder] orientation=lps: one of ras, stored is wanted"},
    {"activation", "tanh", "[encoder] activation=tanh: one of softmax, sigmoid, none is wanted"},
    {"labels", "one", "[encoder] activation=softmax: one label alone is always 1: sigmoid is wanted"},
    {"regions", "1,2,3;2,3;3", "[encoder] activation=softmax: regions overlap: sigmoid is wanted"},
    {"regions", "1;2", "[encoder] regions and paint: each of the 3 labels has one entry in regions, and one in paint where that is given"},
    {"paint", "1;2;3", "[encoder] regions and paint: each of the 3 labels has one entry in regions, and one in paint where that is given"},
    {"regions", "1;2;0", "[encoder] regions=0: 1 to 255, several with commas between is wanted"},
    {"windows", "tiles", "[encoder] windows=tiles: one of nnunet, monai is wanted"},
    {"weight", "round", "[encoder] weight=round: one of gaussian, constant is wanted"},
    {"mirror", "xw", "[encoder] mirror=xw: none, or letters of x, y and z is wanted"},
    {"verified", "fp8", "[encoder] verified=fp8: a list of fp32, bf16, int8 is wanted"},
};

static void test_card_refusals(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(CARDS); i++) {
        g_autoptr(GKeyFile) file = g_key_file_new();
        g_autoptr(GError) error = NULL;

        g_assert_true(g_key_file_load_from_data(file, GOOD, -1, G_KEY_FILE_NONE, NULL));
        if (CARDS[i].value == NULL)
            g_key_file_remove_key(file, "encoder", CARDS[i].key, NULL);
        else
            g_key_file_set_value(file, "encoder", CARDS[i].key, CARDS[i].value);
        g_autofree char *text = g_key_file_to_data(file, NULL, NULL), *words = g_strconcat("read net.card: ", CARDS[i].words, NULL);
        g_assert_null(mt_dense_card_read_text(text, strlen(text), "net.card", &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
        g_assert_cmpstr(error->message, ==, words);
    }
}

static char *model_path(const char *model)
{
    g_autofree char *file = g_strconcat(model, ".onnx", NULL);

    return g_build_filename(g_getenv("G_TEST_SRCDIR"), "unit", "data", "sliding", file, NULL);
}

/* What follows "load MODEL: " */
static const struct {
    const char *model, *from, *to, *words;
} GRAPHS[] = {
    {"flat", "", "", "input 'x' is ?x2x?x?: N x C x D x H x W is wanted for the card's patch of 8 slices"},
    {"deep_a", "t1;t2", "t1;t2;t3", "input 'x' is ?x2x?x?x?, but the card has 3 channels of 1 slices: 3 are wanted"},
    {"near", "12x10x8\nchannels=t1;t2", "12x10\nslices=3\nchannels=t1;t2",
     "input 'x' is ?x3x?x?, but the card has 2 channels of 3 slices: 6 are wanted"},
    {"fixed", "12x10x8", "12x12x8", "input 'x' is 1x2x8x10x12, but the card's patch is 12x12x8 (size_px, x first)"},
    {"deep_a", "size_px", "input=pixels\nsize_px", "the card says input=pixels, but the graph's input is 'x'"},
    {"deep_a", "size_px", "output=mask\nsize_px", "the card says output=mask, but the graph has y"},
    {"deep_a", "air;organ;tumour", "air;organ", "output 'y' is 1x3x8x10x12: 3 channels, but the card has 2 labels"},
};

static void test_graph_refusals(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(GRAPHS); i++) {
        g_autoptr(GString) text = g_string_new(GOOD);
        g_autofree char *path = model_path(GRAPHS[i].model), *words = g_strdup_printf("load %s: %s", path, GRAPHS[i].words);
        const char      *paths[1] = {path};
        g_autoptr(GError) error = NULL;

        if (*GRAPHS[i].from != '\0')
            g_string_replace(text, GRAPHS[i].from, GRAPHS[i].to, 1);
        g_assert_null(mt_dense_load_folds(paths, 1, read_card(text->str), &error));
        g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
        g_assert_cmpstr(error->message, ==, words);
    }
}

/* A card for its own model; none beside this one. */
static void test_no_card(void)
{
    g_autofree char *path = model_path("deep_a"), *card = model_path("deep_a");
    g_autoptr(GError) error = NULL;

    memcpy(card + strlen(card) - 4, "card", 4);
    g_autofree char *words =
        g_strdup_printf("read %s: no such file: patch, channels, values and labels of a dense network are not guessed: "
                        "write them there, in a group [encoder]",
                        card);
    g_assert_null(mt_dense_load(path, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, words);
}

/* The text reads as the card it was made of. */
static void test_text(void)
{
    static const char whole[] =
        "[encoder]\nname=brain\ninput=x\noutput=y\nsize_px=128x128x64\nslices=1\nchannels=t1;t2\n"
        "value=zscore-foreground;ct:-1000,400,-300,250\nmean=0.5;0\nstd=2;1\nspacing_mm=1;1;1.5\ncrop=nonzero\norientation=ras\n"
        "labels=whole;core\nactivation=sigmoid\nregions=1,2,3;2,3\npaint=1;3\nwindows=nnunet\nstep=0.6\nweight=constant\nmirror=xz\n"
        "licence=CC0\ndemonstration=true\n";
    g_autoptr(mt_dense_card) card = read_card(whole), plain = read_card(GOOD);
    g_autofree char *text = mt_dense_card_text(card), *short_text = mt_dense_card_text(plain);
    g_autoptr(mt_dense_card) again = read_card(short_text);
    g_autofree char *second = mt_dense_card_text(again);

    g_assert_cmpstr(text, ==, whole);
    g_assert_cmpstr(second, ==, short_text);
    memcpy(plain->axes, (const int[]){0, 2, 1}, sizeof plain->axes);
    plain->apart = 0;
    g_autofree char *turned = mt_dense_card_text(plain);
    g_assert_nonnull(strstr(turned, "# axes xzy\n# resampled by order 3, back by 1, no axis apart\n"));
}

static void test_folds(void)
{
    g_autofree char *a = model_path("deep_a"), *b = model_path("deep_b");
    const char      *paths[] = {a, b};
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_dense) dense = mt_dense_load_folds(paths, 2, read_card(GOOD), &error);

    g_assert_no_error(error);
    g_assert_cmpint(mt_dense_n_folds(dense), ==, 2);
    g_assert_cmpint(mt_dense_inputs(dense), ==, 2);
    g_assert_cmpint(mt_dense_patch_voxels(dense), ==, 960);
    g_assert_cmpstr(mt_dense_path(dense, 1), ==, b);
    g_assert_cmpstr(mt_dense_get_card(dense)->name, ==, "deep_a");
    g_assert_true(mt_dense_is_verified(dense, MT_PRECISION_FP32) && !mt_dense_is_verified(dense, MT_PRECISION_BF16));
    g_autofree char *words = g_strdup_printf("load %s: 33 folds: 1 to 32 are possible", a);
    g_assert_null(mt_dense_load_folds(paths, 33, read_card(GOOD), &error));
    g_assert_cmpstr(error->message, ==, words);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dense/plain", test_plain);
    g_test_add_func("/dense/full", test_full);
    g_test_add_func("/dense/scaling", test_scaling);
    g_test_add_func("/dense/card_refusals", test_card_refusals);
    g_test_add_func("/dense/graph_refusals", test_graph_refusals);
    g_test_add_func("/dense/no_card", test_no_card);
    g_test_add_func("/dense/text", test_text);
    g_test_add_func("/dense/folds", test_folds);
    return g_test_run();
}
