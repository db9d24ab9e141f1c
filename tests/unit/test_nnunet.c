/* Model folders of nnU-Net: what their two files say, where folds are found, and every refusal with its words. */
#include "src/encoder/nnunet.h"

#include <microtome/error.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

static char *data_path(const char *folder, const char *name)
{
    return g_build_filename(g_getenv("G_TEST_SRCDIR"), "unit", "data", folder, name, NULL);
}

static void copy_changed(const char *from, const char *to, const char *old, const char *new)
{
    g_autofree char *bytes = NULL;
    gsize            n;

    g_assert_true(g_file_get_contents(from, &bytes, &n, NULL));
    if (old != NULL) {
        g_autoptr(GString) text = g_string_new(bytes);
        g_assert_nonnull(strstr(bytes, old));
        g_string_replace(text, old, new, 0);
        g_assert_true(g_file_set_contents(to, text->str, -1, NULL));
    } else
        g_assert_true(g_file_set_contents(to, bytes, (gssize)n, NULL));
}

static void remove_all(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);

    for (const char *name; dir != NULL && (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *inner = g_build_filename(path, name, NULL);
        remove_all(inner);
    }
    g_remove(path);
}

/* A folder of its own in a new place; in `file` every `old` becomes `new`. */
typedef struct place {
    char *root, *folder, *plans, *dataset;
} place;

static place put(const char *model, const char *folder_name, const char *file, const char *old, const char *new)
{
    place p = {.root = g_dir_make_tmp("mt-nnunet-XXXXXX", NULL)};

    p.folder = g_build_filename(p.root, folder_name, NULL);
    p.plans = g_build_filename(p.folder, "plans.json", NULL);
    p.dataset = g_build_filename(p.folder, "dataset.json", NULL);
    g_mkdir(p.folder, 0700);
    g_autofree char *base = data_path("nnunet", model), *plans = g_build_filename(base, "plans.json", NULL),
                    *dataset = g_build_filename(base, "dataset.json", NULL);
    copy_changed(plans, p.plans, g_strcmp0(file, "plans.json") == 0 ? old : NULL, new);
    copy_changed(dataset, p.dataset, g_strcmp0(file, "dataset.json") == 0 ? old : NULL, new);
    return p;
}

static void clear_place(place *p)
{
    remove_all(p->root);
    g_free(p->root);
    g_free(p->folder);
    g_free(p->plans);
    g_free(p->dataset);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(place, clear_place)

static void put_fold(const place *p, const char *model, const char *name)
{
    g_autofree char *file = g_strconcat(model, ".onnx", NULL), *from = data_path("sliding", file),
                    *to = g_build_filename(p->folder, name, NULL);
    g_autofree char *folder = g_path_get_dirname(to);

    g_mkdir(folder, 0700);
    copy_changed(from, to, NULL, NULL);
}

#define FULLRES "nnUNetTrainer__nnUNetPlans__3d_fullres"

static void test_mr(void)
{
    g_auto(place) at = put("mr", FULLRES, NULL, NULL, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_dense_card) card = mt_nnunet_card(at.folder, NULL, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(card->name, ==, "Dataset900_Phantom 3d_fullres");
    g_assert_cmpstr(card->licence, ==, "CC0-1.0");
    g_assert_true(card->patch[0] == 12 && card->patch[1] == 10 && card->patch[2] == 8);
    g_assert_true(card->spacing_mm[0] == 1 && card->spacing_mm[2] == 1.5);
    g_assert_true(card->n_channels == 2 && strcmp(card->channels[1], "T2") == 0);
    g_assert_true(card->scheme[0].kind == MT_SCHEME_ZSCORE && card->scheme[0].foreground && !card->scheme[1].foreground);
    g_assert_true(card->n_labels == 3 && !card->regions && card->activation == MT_DENSE_SOFTMAX);
    g_assert_cmpstr(card->labels[2], ==, "tumour");
    g_assert_true(card->mirror[0] && card->mirror[1] && card->mirror[2] && card->crop_nonzero);
    g_assert_true(card->image_order == 3 && card->logits_order == 1 && card->apart == -1 && card->order == MT_VOLUME_STORED);
    g_assert_true(card->step == 0.5 && !card->monai && !card->constant);
    g_assert_true(mt_nnunet_is_folder(at.folder) && !mt_nnunet_is_folder(at.root));
}

static void test_ct(void)
{
    g_auto(place) at = put("ct", "ct", NULL, NULL, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_dense_card) card = mt_nnunet_card(at.folder, "3d_lowres", &error);
    g_autoptr(mt_dense_card) flat = mt_nnunet_card(at.folder, "2d", &error);

    g_assert_no_error(error);
    g_assert_true(card->scheme[0].kind == MT_SCHEME_CT && card->scheme[0].low == -958 && card->scheme[0].high == 270);
    g_assert_true(card->scheme[0].mean == 99.5 && card->scheme[0].std == 137.25);
    g_assert_true(card->spacing_mm[0] == 1.5 && card->spacing_mm[2] == 6);
    /* transpose_forward (1, 0, 2): the network's z is the case's y, its y the case's z */
    g_assert_true(card->axes[0] == 0 && card->axes[1] == 2 && card->axes[2] == 1);
    g_assert_true(flat->patch[0] == 12 && flat->patch[1] == 10 && flat->patch[2] == 1);
    g_assert_true(flat->spacing_mm[0] == 0.75 && flat->spacing_mm[1] == 0.75 && flat->spacing_mm[2] == 0);
    g_assert_true(flat->mirror[0] && flat->mirror[1] && !flat->mirror[2]);
}

static void test_regions(void)
{
    g_auto(place) at = put("regions", FULLRES, NULL, NULL, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_dense_card) card = mt_nnunet_card(at.folder, NULL, &error);

    g_assert_no_error(error);
    g_assert_true(card->regions && card->n_labels == 3 && card->activation == MT_DENSE_SIGMOID);
    g_assert_cmpstr(card->labels[0], ==, "whole tumor");
    g_assert_true(card->values[0] == 1 && card->values[1] == 2 && card->values[2] == 3);
    g_assert_true(mt_dense_card_is_member(card, 0, 3) && mt_dense_card_is_member(card, 1, 2) && !mt_dense_card_is_member(card, 1, 1));
}

/* What folder and trainer say by their names, and other ways of nnU-Net's own. */
static void test_ways(void)
{
    g_auto(place) never = put("mr", "nnUNetTrainerNoMirroring__nnUNetPlans__2d", NULL, NULL, NULL);
    g_auto(place) first =
        put("mr", "nnUNetTrainer_onlyMirror01__nnUNetPlans__3d_fullres", "plans.json", "SimpleITKIO", "NibabelIOWithReorient");
    g_auto(place) as_is = put("mr", FULLRES, "plans.json", "resample_data_or_seg_to_shape", "no_resampling_hack");
    g_auto(place) torch = put("mr", FULLRES, "plans.json", "resample_data_or_seg_to_shape", "resample_torch_fornnunet");
    g_auto(place) whole = put("mr", FULLRES, "plans.json", "\"force_separate_z\": null", "\"force_separate_z\": false");
    g_autoptr(mt_dense_card) a = mt_nnunet_card(never.folder, NULL, NULL), b = mt_nnunet_card(first.folder, NULL, NULL);
    g_autoptr(mt_dense_card) c = mt_nnunet_card(as_is.folder, NULL, NULL), d = mt_nnunet_card(torch.folder, NULL, NULL);
    g_auto(place) picture = put("mr", "a__b__2d", "plans.json", "SimpleITKIO", "NaturalImage2DIO");
    g_autoptr(mt_dense_card) e = mt_nnunet_card(whole.folder, NULL, NULL), f = mt_nnunet_card(picture.folder, NULL, NULL);

    g_assert_true(a->patch[2] == 1 && !a->mirror[0] && !a->mirror[1]);
    g_assert_true(!b->mirror[0] && b->mirror[1] && b->mirror[2] && b->order == MT_VOLUME_RAS);
    g_assert_true(c->spacing_mm[0] == 0 && c->spacing_mm[2] == 0);
    g_assert_true(d->image_order == 1 && d->logits_order == 1);
    g_assert_cmpint(e->apart, ==, 0);
    g_assert_true(f->spacing_mm[0] == 0 && f->spacing_mm[1] == 0 && f->patch[2] == 1);
}

static void test_folds(void)
{
    g_auto(place) at = put("mr", FULLRES, NULL, NULL, NULL);
    g_autoptr(GError) error = NULL;

    put_fold(&at, "deep_a", "model.onnx");
    g_auto(GStrv) lone = mt_nnunet_folds(at.folder, &error);
    g_assert_cmpint(g_strv_length(lone), ==, 1);
    put_fold(&at, "deep_a", "fold_all/checkpoint_final.onnx");
    g_auto(GStrv) all = mt_nnunet_folds(at.folder, &error);
    g_assert_true(g_str_has_suffix(all[0], "fold_all/checkpoint_final.onnx") && all[1] == NULL);
    put_fold(&at, "deep_b", "fold_1.onnx");
    put_fold(&at, "deep_a", "fold_0/model.onnx");
    g_autoptr(mt_dense) dense = mt_nnunet_load(at.folder, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(mt_dense_n_folds(dense), ==, 2);
    g_assert_true(g_str_has_suffix(mt_dense_path(dense, 1), "fold_1.onnx"));
}

static const char *const REFUSED_PLANS[][3] = {
    {"\"configurations\"", "\"plans\"", "\"configurations\" is missing: plans of nnU-Net version 2 are wanted"},
    {"\"configurations\"", "\"plans_per_stage\"",
     "\"plans_per_stage\" is of nnU-Net version 1, which is not read: train it again with version 2"},
    {"\"patch_size\"", "\"patch\"", "3d_fullres: \"patch_size\": 2 or 3 numbers are wanted"},
    {"   8,\n", "   8.5,\n", "3d_fullres: \"patch_size\": whole numbers are wanted"},
    {"   8,\n", "   0,\n", "3d_fullres: \"patch_size\": numbers above 0, at most 4096, are wanted"},
    {"\"spacing\"", "\"mm\"", "3d_fullres: \"spacing\": 2 or 3 numbers are wanted"},
    {"  0,\n  1,\n  2\n", "  0,\n  1,\n  1\n", "\"transpose_forward\": 0, 1 and 2 in some order are wanted"},
    {"\"transpose_backward\": [\n  0,\n  1,", "\"transpose_backward\": [\n  1,\n  0,",
     "\"transpose_backward\" does not undo \"transpose_forward\""},
    {"SimpleITKIO", "MyIO", "\"image_reader_writer\": MyIO is not known: how it orders the axes is not guessed"},
    {"ZScoreNormalization", "MyNormalization",
     "3d_fullres: normalization_schemes: \"MyNormalization\" is not known: CTNormalization, ZScoreNormalization, NoNormalization, "
     "RescaleTo01Normalization or RGBTo01Normalization"},
    {"\"use_mask_for_norm\"", "\"mask\"", "3d_fullres: \"use_mask_for_norm\": true or false for each channel is wanted"},
    {"    \"ZScoreNormalization\",\n", "", "3d_fullres: \"normalization_schemes\": one for each of dataset.json's channel_names is wanted"},
    {"\"resample_data_or_seg_to_shape\"", "\"my_resampling\"",
     "3d_fullres: \"resampling_fn_data\": resample_data_or_seg_to_shape, resample_torch_fornnunet or no_resampling_hack is wanted"},
    {"\"order\": 3", "\"order\": 5", "3d_fullres: \"resampling_fn_data_kwargs\": order 0, 1 or 3 is wanted"},
    {"\"order\": 1", "\"order\": 3", "3d_fullres: \"resampling_fn_probabilities_kwargs\": order 0 or 1 is wanted"},
    {"\"order_z\": 0", "\"order_z\": 1", "3d_fullres: \"resampling_fn_data_kwargs\": order_z 0 is wanted"},
};

static const char *const REFUSED_DATASETS[][3] = {
    {"\"channel_names\"", "\"channels\"", "\"channel_names\": {\"0\": \"CT\"}, 1 to 64 channels, is wanted"},
    {"\"1\": \"T2\"", "\"2\": \"T2\"", "\"channel_names\": the keys \"0\", \"1\", .. with a name each are wanted"},
    {"\"labels\"", "\"classes\"", "\"labels\": {\"background\": 0, ..} is wanted"},
    {"\"background\": 0", "\"0\": \"background\"", "\"labels\": {\"0\": NAME} is how version 1 wrote it: {NAME: 0} is wanted"},
    {"\"organ\": 1", "\"organ\": 4", "\"labels\": background 0 and the values 1, 2, .. without a gap are wanted, each once"},
    {"\"organ\": 1", "\"organ\": 2", "\"labels\": background 0 and the values 1, 2, .. without a gap are wanted, each once"},
    {"\"organ\": 1", "\"organ\": \"one\"", "\"labels\": organ: a value from 0 to 255, or a list of them, is wanted"},
    {"\"organ\": 1", "\"organ\": [1, 2]", "\"regions_class_order\": one value for each region of labels is wanted"},
};

static void check_refused(const char *file, const char *const row[3])
{
    g_auto(place) at = put("mr", FULLRES, file, row[0], row[1]);
    g_autoptr(GError) error = NULL;
    g_autofree char *words = g_strdup_printf("read %s: %s", strcmp(file, "plans.json") == 0 ? at.plans : at.dataset, row[2]);

    g_assert_null(mt_nnunet_card(at.folder, NULL, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, words);
}

static void test_refusals(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(REFUSED_PLANS); i++)
        check_refused("plans.json", REFUSED_PLANS[i]);
    for (size_t i = 0; i < G_N_ELEMENTS(REFUSED_DATASETS); i++)
        check_refused("dataset.json", REFUSED_DATASETS[i]);
}

static void check_configuration(const place *at, const char *name, const char *what)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *words = g_strdup_printf("read %s: %s", at->plans, what);

    g_assert_null(mt_nnunet_card(at->folder, name, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_MODEL);
    g_assert_cmpstr(error->message, ==, words);
}

static void test_configurations(void)
{
    g_auto(place) at = put("mr", "model", NULL, NULL, NULL);

    check_configuration(&at, NULL,
                        "it has the configurations 2d, 3d_lowres, 3d_fullres, 3d_cascade_fullres: say which one the folds are of");
    check_configuration(&at, "4d", "no configuration 4d: it has 2d, 3d_lowres, 3d_fullres, 3d_cascade_fullres");
    check_configuration(&at, "3d_cascade_fullres",
                        "3d_cascade_fullres is the second stage of a cascade (after 3d_lowres), which is not run: "
                        "use a folder of 3d_fullres or 3d_lowres");
}

static void check_files(const place *at, const char *path, int code, const char *what)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *words = g_strdup_printf("read %s: %s", path, what);

    g_assert_null(mt_nnunet_load(at->folder, NULL, &error));
    g_assert_error(error, MT_ERROR, code);
    g_assert_cmpstr(error->message, ==, words);
}

static void test_files(void)
{
    g_auto(place) at = put("mr", FULLRES, NULL, NULL, NULL);
    g_autofree char *old = g_build_filename(at.folder, "plans.pkl", NULL);

    check_files(&at, at.folder, MT_ERROR_MODEL,
                "no fold as ONNX: fold_0/model.onnx, fold_0/checkpoint_final.onnx, fold_0.onnx, fold_all or model.onnx are looked for (a "
                "checkpoint.pth has to be exported first)");
    g_remove(at.dataset);
    check_files(&at, at.dataset, MT_ERROR_MISSING, "no such file: a folder of nnU-Net version 2 has plans.json and dataset.json");
    g_assert_true(g_file_set_contents(at.plans, "{\n1", -1, NULL));
    check_files(&at, at.plans, MT_ERROR_MODEL, "line 2 is no JSON: string or '}' expected near '1'");
    g_assert_true(g_file_set_contents(at.plans, "[]", -1, NULL));
    check_files(&at, at.plans, MT_ERROR_MODEL, "an object is wanted");
    g_remove(at.plans);
    g_assert_true(g_file_set_contents(old, "", -1, NULL));
    check_files(
        &at, at.folder, MT_ERROR_MODEL,
        "plans.pkl is of nnU-Net version 1, which is not read: train it again with version 2, or export the network to ONNX and write "
        "a card for it");
    g_assert_true(mt_nnunet_is_folder(at.folder));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nnunet/mr", test_mr);
    g_test_add_func("/nnunet/ct", test_ct);
    g_test_add_func("/nnunet/regions", test_regions);
    g_test_add_func("/nnunet/ways", test_ways);
    g_test_add_func("/nnunet/folds", test_folds);
    g_test_add_func("/nnunet/refusals", test_refusals);
    g_test_add_func("/nnunet/configurations", test_configurations);
    g_test_add_func("/nnunet/files", test_files);
    return g_test_run();
}
