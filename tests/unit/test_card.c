/* Cards: every key, every default, every refusal with its words; timm's and Hugging Face's JSON. */
#include "src/encoder/card.h"
#include "src/encoder/card_text.h"
#include "src/encoder/model_card.h"
#include "src/encoder/timm_config.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define HASH "adadadadadadadadadadadadadadadadadadadadadadadadadadadadadadadad"
#define LEAST "size_px=224\nvalue=rgb8\nmean=0\nstd=1\n"

static mt_card *parse(const char *keys, int graph_px, GError **error)
{
    g_autofree char *text = g_strconcat("[encoder]\n", keys, NULL);
    g_autoptr(mt_card) card = mt_card_read_text(text, strlen(text), "m.card", error);

    if (card == NULL || !mt_card_complete(card, graph_px, "m", error))
        return NULL;
    return g_steal_pointer(&card);
}

static void test_all_keys(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_card) card = parse("name=uni\ninput=pixels\noutput=tokens\npool=cls+mean\nprefix_tokens=5\nsize_px=224\ntile_px=256\n"
                                    "resize_px=240\ncrop_px=224\nmpp=0.5\nfit=tiles\nchannels=bgr\nvalue=range:-1000,400.5\n"
                                    "mean=0.485;0.456;0.406\nstd=0.229;0.224;0.225\ninterpolation=bicubic\nbatch=8\nverified=fp32;bf16\n"
                                    "verified_sha256=" HASH "\nverified_cosine_bf16=0.99987\n"
                                    "licence=CC-BY-4.0\ndemonstration=true\n",
                                    224, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(card->name, ==, "uni");
    g_assert_cmpstr(card->input, ==, "pixels");
    g_assert_cmpstr(card->output, ==, "tokens");
    g_assert_cmpint(card->pool, ==, MT_POOL_CLS_MEAN);
    g_assert_cmpint(card->prefix_tokens, ==, 5);
    g_assert_cmpint(card->size_px, ==, 224);
    g_assert_cmpint(card->tile_px, ==, 256);
    g_assert_cmpint(card->resize_px, ==, 240);
    g_assert_cmpint(card->crop_px, ==, 224);
    g_assert_cmpfloat(card->mpp, ==, 0.5);
    g_assert_cmpint(card->fit, ==, MT_FIT_TILES);
    g_assert_cmpint(card->channels, ==, MT_CHANNELS_BGR);
    g_assert_cmpint(card->value, ==, MT_VALUE_RANGE);
    g_assert_cmpfloat(card->range[0], ==, -1000);
    g_assert_cmpfloat(card->range[1], ==, 400.5);
    g_assert_cmpint(card->n_mean, ==, 3);
    g_assert_cmpfloat(card->mean[1], ==, 0.456);
    g_assert_cmpfloat(card->std[2], ==, 0.225);
    g_assert_cmpint(card->interpolation, ==, MT_FILTER_BICUBIC);
    g_assert_cmpint(card->batch, ==, 8);
    g_assert_cmpstr(card->verified[1], ==, "bf16");
    g_assert_cmpstr(card->verified_sha256, ==, HASH);
    g_assert_cmpfloat(card->verified_cosine[MT_PRECISION_BF16], ==, 0.99987);
    g_assert_true(isnan(card->verified_cosine[MT_PRECISION_INT8]));
    g_assert_cmpstr(card->licence, ==, "CC-BY-4.0");
    g_assert_true(card->demonstration);
    g_assert_cmpstr(card->source, ==, "m.card");
}

/* A card written out says the same when it is read again. */
static void test_text(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_card) card = parse("name=ct\npool=cls\nsize_px=96\ntile_px=128\nresize_px=112\nmpp=0.7\nchannels=gray\n"
                                    "value=range:-1000,400.5\nmean=0.1\nstd=0.3\ninterpolation=lanczos\nbatch=3\ndemonstration=true\n",
                                    0, &error);

    g_assert_no_error(error);
    g_autofree char *text = mt_card_text_new(card);
    g_assert_cmpstr(text, ==,
                    "# what m.card says\n[encoder]\nname=ct\npool=cls\nprefix_tokens=1\nsize_px=96\ntile_px=128\nresize_px=112\n"
                    "crop_px=96\nfit=tiles\nchannels=gray\nvalue=range:-1000,400.5\nmean=0.1\nstd=0.3\ninterpolation=lanczos\n"
                    "mpp=0.7\nbatch=3\ndemonstration=true\n");
    g_autoptr(mt_card) again = mt_card_read_text(text, strlen(text), "m.card", &error);
    g_assert_no_error(error);
    g_assert_true(mt_card_complete(again, 0, "m", &error));
    g_autofree char *text_again = mt_card_text_new(again);
    g_assert_cmpstr(text_again, ==, text);
}

static void test_defaults(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_card) card = parse(LEAST, 0, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(card->name, ==, "m");
    g_assert_null(card->input);
    g_assert_null(card->output);
    g_assert_cmpint(card->pool, ==, MT_POOL_NONE);
    g_assert_cmpint(card->prefix_tokens, ==, 0);
    g_assert_cmpint(card->tile_px, ==, 224);
    g_assert_cmpint(card->resize_px, ==, 224);
    g_assert_cmpint(card->crop_px, ==, 224);
    g_assert_cmpfloat(card->mpp, ==, 0);
    g_assert_cmpint(card->fit, ==, MT_FIT_TILES);
    g_assert_cmpint(card->channels, ==, MT_CHANNELS_RGB);
    g_assert_cmpint(card->interpolation, ==, MT_FILTER_BILINEAR);
    g_assert_cmpint(card->batch, ==, 16);
    g_assert_cmpint(card->n_mean, ==, 1);
    g_assert_null(card->verified);
    g_assert_false(card->demonstration);
}

static void test_sizes(void)
{
    g_autoptr(mt_card) from_graph = parse("value=hu\n", 96, NULL), square = parse("size_px=64x64\nvalue=zscore\n", 64, NULL);
    g_autoptr(mt_card) larger_tile = parse("tile_px=256\n" LEAST, 0, NULL), cls = parse("pool=cls\n" LEAST, 0, NULL);

    g_assert_cmpint(from_graph->size_px, ==, 96);
    g_assert_cmpint(from_graph->tile_px, ==, 96);
    g_assert_cmpint(square->size_px, ==, 64);
    g_assert_cmpint(larger_tile->tile_px, ==, 256);
    g_assert_cmpint(larger_tile->resize_px, ==, 224);
    g_assert_cmpint(cls->prefix_tokens, ==, 1);
}

typedef struct refusal {
    const char *keys;
    int         graph_px;
    const char *message;
} refusal;

static const refusal refusals[] = {
    {"colour=rgb\n" LEAST, 0, "read m.card: unknown key 'colour' in [encoder]"},
    {"[mask]\n" LEAST, 0, "read m.card: unknown group [mask]"},
    {"fit=squash\n" LEAST, 0, "read m.card: [encoder] fit=squash: one of tiles, stretch, pad, crop is wanted"},
    {"pool=max\n" LEAST, 0, "read m.card: [encoder] pool=max: one of none, cls, mean, cls+mean, raw is wanted"},
    {"interpolation=box\n" LEAST, 0, "read m.card: [encoder] interpolation=box: one of bilinear, bicubic, lanczos, nearest is wanted"},
    {"channels=cmyk\n" LEAST, 0, "read m.card: [encoder] channels=cmyk: one of rgb, bgr, gray is wanted"},
    {"channels=T1;T2;FLAIR\n" LEAST, 0,
     "read m.card: [encoder] channels=T1;T2;FLAIR: rgb, bgr or gray (lists of sequences are not read yet) is wanted"},
    {"size_px=224\nmean=0\nstd=1\n", 0,
     "read m.card: [encoder] value is missing: write what the pixels mean, rgb8, hu, percentile, zscore or range:LO,HI"},
    {"size_px=224\nvalue=rgb16\n", 0, "read m.card: [encoder] value=rgb16: rgb8, hu, percentile, zscore or range:LO,HI is wanted"},
    {"size_px=224\nvalue=range:4,4\n", 0, "read m.card: [encoder] value=range:4,4: rgb8, hu, percentile, zscore or range:LO,HI is wanted"},
    {"size_px=224\nvalue=range:4\n", 0, "read m.card: [encoder] value=range:4: rgb8, hu, percentile, zscore or range:LO,HI is wanted"},
    {"size_px=224\nvalue=range:0,nan\n", 0,
     "read m.card: [encoder] value=range:0,nan: rgb8, hu, percentile, zscore or range:LO,HI is wanted"},
    {"size_px=224\nvalue=rgb8\nstd=1\n", 0,
     "read m.card: [encoder] mean is missing: write the model's own, one number or three (mean=0 or 1 is never assumed)"},
    {"size_px=224\nvalue=rgb8\nmean=1\n", 0,
     "read m.card: [encoder] std is missing: write the model's own, one number or three (std=0 or 1 is never assumed)"},
    {"size_px=224\nvalue=rgb8\nmean=1;2\nstd=1\n", 0, "read m.card: [encoder] mean has 2 numbers: 1 or 3 are wanted"},
    {"size_px=224\nvalue=rgb8\nmean=1;2;3;4\nstd=1\n", 0,
     "read m.card: [encoder] mean=1: a list of at most 3 numbers separated by ';' is wanted"},
    {"size_px=224\nvalue=rgb8\nmean=0\nstd=1;0;1\n", 0, "read m.card: [encoder] std: 0 is not above 0"},
    {"size_px=224x200\nvalue=hu\n", 0,
     "read m.card: [encoder] size_px=224x200: an edge of 16 to 4096, or NxN (only squares are read) is wanted"},
    {"size_px=8\nvalue=hu\n", 0, "read m.card: [encoder] size_px=8: an edge of 16 to 4096, or NxN (only squares are read) is wanted"},
    {"value=hu\n", 0, "read m.card: size_px is missing, and the graph takes any size: write the edge of the model's input"},
    {LEAST, 256, "read m.card: size_px=224, but the graph takes 256 x 256 pixels"},
    {"crop_px=200\n" LEAST, 0, "read m.card: crop_px=200, but the graph gets size_px=224: they have to be equal"},
    {"resize_px=200\n" LEAST, 0, "read m.card: resize_px=200 is smaller than crop_px=224"},
    {"fit=pad\nresize_px=256\n" LEAST, 0, "read m.card: fit=pad puts the whole plane into size_px=224: resize_px=256 contradicts it"},
    {"channels=gray\nsize_px=64\nvalue=rgb8\nmean=0;0;0\nstd=1\n", 0,
     "read m.card: channels=gray has one channel, but mean or std has 3 numbers"},
    {"batch=0\n" LEAST, 0, "read m.card: [encoder] batch=0: a whole number from 1 to 256 is wanted"},
    {"batch=257\n" LEAST, 0, "read m.card: [encoder] batch=257: a whole number from 1 to 256 is wanted"},
    {"tile_px=5000\n" LEAST, 0, "read m.card: [encoder] tile_px=5000: a whole number from 16 to 4096 is wanted"},
    {"mpp=-1\n" LEAST, 0, "read m.card: [encoder] mpp=-1: a number from 0 to 1e+06 is wanted"},
    {"prefix_tokens=-1\n" LEAST, 0, "read m.card: [encoder] prefix_tokens=-1: a whole number from 0 to 4096 is wanted"},
    {"demonstration=yes\n" LEAST, 0, "read m.card: [encoder] demonstration=yes: true or false is wanted"},
    {"verified=fp32;fp8\n" LEAST, 0, "read m.card: [encoder] verified=fp8: a list of fp32, bf16, int8 is wanted"},
    {"verified_sha256=12ab\n" LEAST, 0, "read m.card: [encoder] verified_sha256=12ab: 64 hexadecimal digits is wanted"},
    {"verified_cosine_int8=2\n" LEAST, 0, "read m.card: [encoder] verified_cosine_int8=2: a number from -1 to 1 is wanted"},
};

static void test_refusals(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(mt_card) card = parse(refusals[i].keys, refusals[i].graph_px, &error);
        g_assert_null(card);
        g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
        g_assert_cmpstr(error->message, ==, refusals[i].message);
    }
}

static void test_no_group(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(mt_card_read_text("", 0, "m.card", &error));
    g_assert_cmpstr(error->message, ==, "read m.card: no group [encoder]");
}

static mt_card *read_json(const char *json, bool *understood, GError **error)
{
    g_autofree char *folder = g_dir_make_tmp("mt-card-XXXXXX", NULL), *path = g_build_filename(folder, "config.json", NULL);

    g_assert_true(g_file_set_contents(path, json, -1, NULL));
    mt_card *card = mt_timm_config_read(path, understood, error);
    g_remove(path);
    g_rmdir(folder);
    return card;
}

#define NORMAL "\"mean\": [0.485, 0.456, 0.406], \"std\": [0.229, 0.224, 0.225]"

static void check_timm(const char *crop_pct, int tile_px)
{
    g_autofree char *json =
        g_strdup_printf("{\"architecture\": \"vit_base\", \"num_classes\": 0, \"pretrained_cfg\": {\"license\": \"mit\", "
                        "\"input_size\": [3, 224, 224], \"interpolation\": \"bicubic\", %s" NORMAL "}}",
                        crop_pct);
    g_autoptr(GError) error = NULL;
    bool understood;
    g_autoptr(mt_card) card = read_json(json, &understood, &error);

    g_assert_no_error(error);
    g_assert_true(understood);
    g_assert_true(mt_card_complete(card, 224, "m", &error));
    g_assert_cmpstr(card->name, ==, "vit_base");
    g_assert_cmpstr(card->licence, ==, "mit");
    g_assert_cmpint(card->tile_px, ==, tile_px);
    g_assert_cmpint(card->resize_px, ==, tile_px);
    g_assert_cmpint(card->crop_px, ==, 224);
    g_assert_cmpint(card->size_px, ==, 224);
    g_assert_cmpfloat(card->mpp, ==, 0);
    g_assert_cmpint(card->interpolation, ==, MT_FILTER_BICUBIC);
    g_assert_cmpfloat(card->mean[0], ==, 0.485);
    g_assert_cmpfloat(card->std[2], ==, 0.225);
    g_assert_cmpint(card->n_mean, ==, 3);
}

/* timm: scale_size = math.floor(img_size / crop_pct); 0.875 where the file has none. */
static void test_timm(void)
{
    check_timm("\"crop_pct\": 0.875, \"crop_mode\": \"center\", ", 256);
    check_timm("\"crop_pct\": 0.9, ", 248);
    check_timm("\"crop_pct\": 0.95, ", 235);
    check_timm("\"crop_pct\": 1.0, ", 224);
    check_timm("\"crop_pct\": 1, \"crop_mode\": \"squash\", ", 224);
    check_timm("", 256);
    check_timm("\"crop_pct\": null, ", 256);
}

static void test_timm_flat(void)
{
    bool understood;
    g_autoptr(mt_card) card =
        read_json("{\"input_size\": [3, 384, 384], \"crop_pct\": 1.0, \"mean\": [0.5, 0.5, 0.5], \"std\": [0.5, 0.5, 0.5], "
                  "\"interpolation\": \"bilinear\"}",
                  &understood, NULL);

    g_assert_cmpint(card->size_px, ==, 384);
    g_assert_cmpint(card->interpolation, ==, MT_FILTER_BILINEAR);
}

#define HF_STEPS "\"image_mean\": [0.5, 0.5, 0.5], \"image_std\": [0.5, 0.5, 0.5], "

static void check_hugging_face(const char *rest, int resize_px, int size_px, mt_filter filter)
{
    g_autofree char *json = g_strconcat("{" HF_STEPS, rest, "}", NULL);
    g_autoptr(GError) error = NULL;
    bool understood;
    g_autoptr(mt_card) card = read_json(json, &understood, &error);

    g_assert_no_error(error);
    g_assert_true(understood);
    g_assert_cmpint(card->resize_px, ==, resize_px);
    g_assert_cmpint(card->tile_px, ==, resize_px);
    g_assert_cmpint(card->size_px, ==, size_px);
    g_assert_cmpint(card->interpolation, ==, filter);
}

static void test_hugging_face(void)
{
    check_hugging_face("\"size\": {\"height\": 224, \"width\": 224}, \"resample\": 2", 224, 224, MT_FILTER_BILINEAR);
    check_hugging_face("\"size\": 224, \"resample\": 3, \"rescale_factor\": 0.00392156862745098", 224, 224, MT_FILTER_BICUBIC);
    check_hugging_face("\"size\": {\"shortest_edge\": 256}, \"crop_size\": {\"height\": 224, \"width\": 224}, \"resample\": 1", 256, 224,
                       MT_FILTER_LANCZOS);
    check_hugging_face("\"size\": 256, \"crop_size\": 224, \"do_center_crop\": false, \"resample\": 0", 256, 256, MT_FILTER_NEAREST);
}

static void check_json_refused(const char *json, const char *message)
{
    g_autoptr(GError) error = NULL;
    bool understood;

    g_assert_null(read_json(json, &understood, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_true(g_str_has_prefix(error->message, "read /"));
    g_assert_true(g_str_has_suffix(error->message, message));
}

static void test_json_refusals(void)
{
    check_json_refused("{\"input_size\": [3, 224, 224]}", "/config.json: \"mean\" is missing: the model's normalisation is never guessed");
    check_json_refused("{\"input_size\": [3, 224, 224], \"mean\": [0, 0, 0]}",
                       "/config.json: \"std\" is missing: the model's normalisation is never guessed");
    check_json_refused("{\"input_size\": [3, 224, 224], \"mean\": [0, 0], \"std\": [1, 1]}",
                       "/config.json: \"mean\": a list of 1 or 3 numbers is wanted");
    check_json_refused("{\"input_size\": [3, 224, 224], \"mean\": [0, 0, \"0\"], \"std\": [1, 1, 1]}",
                       "/config.json: \"mean\": a list of 1 or 3 numbers is wanted");
    check_json_refused("{\"input_size\": [3, 224, 224], \"mean\": [0, 0, 0], \"std\": [1, 0, 1]}",
                       "/config.json: \"std\": numbers above 0 is wanted");
    check_json_refused("{\"input_size\": [3, 224, 256], " NORMAL "}", "/config.json: \"input_size\": [3, size, size] is wanted");
    check_json_refused("{\"input_size\": 224, " NORMAL "}", "/config.json: \"input_size\": [3, size, size] is wanted");
    check_json_refused("{\"input_size\": [3, 224, 224], \"crop_pct\": 0, " NORMAL "}",
                       "/config.json: \"crop_pct\": a number above 0, at most 1 is wanted");
    check_json_refused("{\"input_size\": [3, 224, 224], \"crop_pct\": 0.01, " NORMAL "}",
                       "/config.json: \"crop_pct\": a resized tile of the model's size to 4096 pixels is wanted");
    check_json_refused("{\"input_size\": [3, 224, 224], \"interpolation\": \"random\", " NORMAL "}",
                       "/config.json: \"interpolation\": bilinear, bicubic, lanczos or nearest is wanted");
    check_json_refused("{" HF_STEPS "\"do_normalize\": false}", "/config.json: \"do_normalize\": true is wanted");
    check_json_refused("{" HF_STEPS "\"rescale_factor\": 1}", "/config.json: \"rescale_factor\": 1/255 is wanted");
    check_json_refused("{" HF_STEPS "\"size\": {\"height\": 224, \"width\": 200}}",
                       "/config.json: \"size\": one edge of a square is wanted");
    check_json_refused("{" HF_STEPS "\"size\": 224}",
                       "/config.json: \"resample\": 0 nearest, 1 lanczos, 2 bilinear or 3 bicubic is wanted");
    check_json_refused("{" HF_STEPS "\"size\": 224, \"crop_size\": 1}", "/config.json: \"crop_size\": one edge of a square is wanted");
    check_json_refused("[1]", "/config.json: a JSON object is wanted");
    check_json_refused("{\"a\": ", "/config.json: not JSON: unexpected token near end of file (line 1)");
}

static void test_json_of_something_else(void)
{
    g_autoptr(GError) error = NULL;
    bool understood = true;

    g_assert_null(read_json("{\"model_type\": \"vit\", \"hidden_size\": 768}", &understood, &error));
    g_assert_no_error(error);
    g_assert_false(understood);
}

static void test_model_name(void)
{
    g_autofree char *with = mt_model_card_name("/models/uni.v2.onnx"), *without = mt_model_card_name("uni");

    g_assert_cmpstr(with, ==, "uni.v2");
    g_assert_cmpstr(without, ==, "uni");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/card/all-keys", test_all_keys);
    g_test_add_func("/card/text", test_text);
    g_test_add_func("/card/defaults", test_defaults);
    g_test_add_func("/card/sizes", test_sizes);
    g_test_add_func("/card/refusals", test_refusals);
    g_test_add_func("/card/no-group", test_no_group);
    g_test_add_func("/card/timm", test_timm);
    g_test_add_func("/card/timm-flat", test_timm_flat);
    g_test_add_func("/card/hugging-face", test_hugging_face);
    g_test_add_func("/card/json-refusals", test_json_refusals);
    g_test_add_func("/card/json-of-something-else", test_json_of_something_else);
    g_test_add_func("/card/model-name", test_model_name);
    return g_test_run();
}
