#include "src/encoder/nnunet.h"

#include "src/encoder/card.h"
#include "src/encoder/nnunet_labels.h"

#include <math.h>
#include <string.h>

#define FOLDS 10 /* fold_0 to fold_9: cross-validation has five */

static bool exists(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return g_file_test(path, G_FILE_TEST_IS_REGULAR);
}

bool mt_nnunet_is_folder(const char *path)
{
    return exists(path, "plans.json") || exists(path, "plans.pkl");
}

/* What is read of a folder. */
typedef struct plans {
    const char    *folder, *name; /* of the configuration */
    char          *plans_path, *dataset_path, *trainer;
    json_t        *plans, *dataset;
    mt_dense_card *card;
} plans;

static void clear_plans(plans *p)
{
    g_free(p->plans_path);
    g_free(p->dataset_path);
    g_free(p->trainer);
    json_decref(p->plans);
    json_decref(p->dataset);
    mt_dense_card_free(p->card);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(plans, clear_plans)

static bool open_files(plans *p, GError **error)
{
    p->plans_path = g_build_filename(p->folder, "plans.json", NULL);
    p->dataset_path = g_build_filename(p->folder, "dataset.json", NULL);
    if (!exists(p->folder, "plans.json") && exists(p->folder, "plans.pkl")) {
        mt_card_error(error, p->folder,
                      "plans.pkl is of nnU-Net version 1, which is not read: train it again with version 2, or export the network to ONNX "
                      "and write a card for it");
        return false;
    }
    p->plans = mt_nnunet_json(p->plans_path, error);
    p->dataset = p->plans != NULL ? mt_nnunet_json(p->dataset_path, error) : NULL;
    if (p->dataset == NULL)
        return false;
    if (json_object_get(p->plans, "configurations") == NULL && json_object_get(p->plans, "plans_per_stage") != NULL) {
        mt_card_error(error, p->plans_path,
                      "\"plans_per_stage\" is of nnU-Net version 1, which is not read: train it again with version 2");
        return false;
    }
    return true;
}

static char *names_of(const json_t *configurations)
{
    g_autoptr(GString) names = g_string_new(NULL);
    const char *key;
    json_t     *value;

    json_object_foreach((json_t *)configurations, key, value) g_string_append_printf(names, "%s%s", names->len == 0 ? "" : ", ", key);
    return g_string_free(g_steal_pointer(&names), FALSE);
}

/* TRAINER__PLANS__CONFIGURATION */
static void read_folder_name(plans *p, const json_t *configurations, char **from_name)
{
    g_autofree char *whole = g_canonicalize_filename(p->folder, NULL), *base = g_path_get_basename(whole);
    g_auto(GStrv) parts = g_strsplit(base, "__", -1);
    int n = (int)g_strv_length(parts);

    p->trainer = g_strdup(n >= 3 ? parts[0] : "");
    if (n >= 3 && json_object_get(configurations, parts[n - 1]) != NULL)
        *from_name = g_strdup(parts[n - 1]);
}

static bool choose_configuration(plans *p, const char *wanted, GError **error)
{
    const json_t    *configurations = json_object_get(p->plans, "configurations");
    g_autofree char *from_name = NULL, *names = names_of(configurations);

    if (!json_is_object(configurations) || json_object_size(configurations) == 0) {
        mt_card_error(error, p->plans_path, "\"configurations\" is missing: plans of nnU-Net version 2 are wanted");
        return false;
    }
    read_folder_name(p, configurations, &from_name);
    const char *name = wanted != NULL ? wanted : from_name;
    if (name == NULL && json_object_size(configurations) == 1)
        name = json_object_iter_key(json_object_iter((json_t *)configurations));
    if (name == NULL) {
        mt_card_error(error, p->plans_path, "it has the configurations %s: say which one the folds are of", names);
        return false;
    }
    json_t *found = json_object_get(configurations, name);
    if (!json_is_object(found)) {
        mt_card_error(error, p->plans_path, "no configuration %s: it has %s", name, names);
        return false;
    }
    p->name = json_object_iter_key(json_object_iter_at((json_t *)configurations, name));
    return true;
}

/* A key of the configuration, or of what it inherits from. */
static const json_t *get(const plans *p, const char *key)
{
    const json_t *configurations = json_object_get(p->plans, "configurations");
    const char   *name = p->name;

    for (int depth = 0; name != NULL && depth < 8; depth++) {
        const json_t *configuration = json_object_get(configurations, name), *value = json_object_get(configuration, key);

        if (value != NULL)
            return value;
        name = json_string_value(json_object_get(configuration, "inherits_from"));
    }
    return NULL;
}

static bool wrong(const plans *p, const char *key, const char *wanted, GError **error)
{
    mt_card_error(error, p->plans_path, "%s: \"%s\": %s", p->name, key, wanted);
    return false;
}

static bool refuse_cascade(const plans *p, GError **error)
{
    const json_t *before = get(p, "previous_stage");

    if (before == NULL || json_is_null(before))
        return true;
    mt_card_error(error, p->plans_path,
                  "%s is the second stage of a cascade (after %s), which is not run: use a folder of 3d_fullres or 3d_lowres", p->name,
                  json_is_string(before) ? json_string_value(before) : "another");
    return false;
}

/* z, y, x of the file to x, y, z. */
static int read_axes(const plans *p, const char *key, double values[3], GError **error)
{
    const json_t *list = get(p, key);
    size_t        n = json_array_size(list);

    if (n != 2 && n != 3) {
        wrong(p, key, "2 or 3 numbers are wanted", error);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        double        value = json_number_value(item);

        if (!json_is_number(item) || !(value > 0 && value <= 4096)) {
            wrong(p, key, "numbers above 0, at most 4096, are wanted", error);
            return 0;
        }
        values[n - 1 - i] = value;
    }
    return (int)n;
}

static bool read_geometry(plans *p, GError **error)
{
    double patch[3] = {1, 1, 1}, spacing[3] = {0};
    int    n = read_axes(p, "patch_size", patch, error), n_spacing = n > 0 ? read_axes(p, "spacing", spacing, error) : 0;

    if (n == 0 || n_spacing == 0)
        return false;
    if (n_spacing < n)
        return wrong(p, "spacing", "as many numbers as patch_size are wanted", error);
    for (int a = 0; a < 3; a++) {
        if (patch[a] != floor(patch[a]))
            return wrong(p, "patch_size", "whole numbers are wanted", error);
        p->card->patch[a] = (int64_t)patch[a];
        p->card->spacing_mm[a] = a < n ? spacing[a] : 0; /* slices of two dimensions stay as they are */
    }
    return true;
}

static bool read_permutation(const plans *p, const char *key, int values[3], GError **error)
{
    const json_t *list = json_object_get(p->plans, key);
    int           seen = 0;

    for (int i = 0; i < 3 && json_array_size(list) == 3; i++) {
        const json_t *item = json_array_get(list, (size_t)i);

        values[i] = json_is_integer(item) ? (int)CLAMP(json_integer_value(item), -1, 3) : -1;
        if (values[i] >= 0 && values[i] < 3)
            seen |= 1 << values[i];
    }
    if (seen == 7)
        return true;
    mt_card_error(error, p->plans_path, "\"%s\": 0, 1 and 2 in some order are wanted", key);
    return false;
}

/* NumPy's axis i is the axis 2 - i here. */
static bool read_transpose(plans *p, GError **error)
{
    int forward[3], backward[3];

    if (!read_permutation(p, "transpose_forward", forward, error) || !read_permutation(p, "transpose_backward", backward, error))
        return false;
    for (int i = 0; i < 3; i++) {
        if (backward[forward[i]] != i) {
            mt_card_error(error, p->plans_path, "\"transpose_backward\" does not undo \"transpose_forward\"");
            return false;
        }
        p->card->axes[2 - i] = 2 - forward[i];
    }
    return true;
}

static bool read_reader(plans *p, GError **error)
{
    static const struct {
        const char     *name;
        mt_volume_order order;
    } readers[] = {{"SimpleITKIO", MT_VOLUME_STORED},        {"SimpleITKIOWithReorient", MT_VOLUME_RAS}, {"NibabelIO", MT_VOLUME_STORED},
                   {"NibabelIOWithReorient", MT_VOLUME_RAS}, {"NaturalImage2DIO", MT_VOLUME_STORED},     {"Tiff3DIO", MT_VOLUME_STORED}};
    const char *name = json_string_value(json_object_get(p->plans, "image_reader_writer"));

    for (size_t i = 0; i < G_N_ELEMENTS(readers); i++)
        if (name != NULL && strcmp(readers[i].name, name) == 0) {
            p->card->order = readers[i].order;
            if (strcmp(name, "NaturalImage2DIO") == 0) /* it calls every pixel 1 mm: pictures stay as they are */
                memset(p->card->spacing_mm, 0, sizeof p->card->spacing_mm);
            return true;
        }
    mt_card_error(error, p->plans_path, "\"image_reader_writer\": %s is not known: how it orders the axes is not guessed",
                  name != NULL ? name : "nothing");
    return false;
}

/* A list, or an object with the channels' numbers as keys. */
static const json_t *of_channel(const json_t *list, int channel)
{
    char key[16];

    g_snprintf(key, sizeof key, "%d", channel);
    return json_is_object(list) ? json_object_get(list, key) : json_array_get(list, (size_t)channel);
}

static const json_t *properties_of(const plans *p, int channel, double values[4])
{
    static const char *const names[] = {"percentile_00_5", "percentile_99_5", "mean", "std"};
    const json_t            *all = json_object_get(p->plans, "foreground_intensity_properties_per_channel");

    if (all == NULL)
        all = json_object_get(p->plans, "foreground_intensity_properties_by_modality"); /* of early plans */
    const json_t *one = of_channel(all, channel);
    for (int i = 0; i < 4; i++) {
        const json_t *value = json_object_get(one, names[i]);
        values[i] = json_is_number(value) ? json_number_value(value) : NAN;
    }
    return one;
}

static bool read_schemes(plans *p, GError **error)
{
    const json_t *schemes = get(p, "normalization_schemes"), *masks = get(p, "use_mask_for_norm");
    int           n = p->card->n_channels;

    if ((int)json_array_size(schemes) != n)
        return wrong(p, "normalization_schemes", "one for each of dataset.json's channel_names is wanted", error);
    for (int c = 0; c < n; c++) {
        const char   *name = json_string_value(json_array_get(schemes, (size_t)c));
        const json_t *mask = of_channel(masks, c);
        double        values[4];
        const json_t *properties = properties_of(p, c, values);

        if (name == NULL)
            return wrong(p, "normalization_schemes", "names are wanted", error);
        if (!json_is_boolean(mask))
            return wrong(p, "use_mask_for_norm", "true or false for each channel is wanted", error);
        if (!mt_intensity_scheme_from_plans(name, json_is_true(mask), properties != NULL ? values : NULL, &p->card->scheme[c], error)) {
            g_prefix_error(error, "read %s: %s: ", p->plans_path, p->name);
            return false;
        }
    }
    return true;
}

static bool read_order(const plans *p, const json_t *options, const char *key, int most, int *order, GError **error)
{
    const json_t *value = json_object_get(options, "order");

    if (value == NULL)
        return true;
    *order = json_is_integer(value) ? (int)CLAMP(json_integer_value(value), -1, 9) : -1;
    return (*order >= 0 && *order <= most && *order != 2) ||
           wrong(p, key, most == 1 ? "order 0 or 1 is wanted" : "order 0, 1 or 3 is wanted", error);
}

/* How images come to the spacing, or logits back: *order, and whether the coarse axis goes apart. */
static bool read_resampling(plans *p, const char *of, int most, int *order, GError **error)
{
    g_autofree char *fn_key = g_strconcat("resampling_fn_", of, NULL), *options_key = g_strconcat(fn_key, "_kwargs", NULL);
    const char      *fn = json_string_value(get(p, fn_key));
    const json_t    *options = get(p, options_key), *apart = json_object_get(options, "force_separate_z");
    const json_t    *order_apart = json_object_get(options, "order_z");
    bool             torch = fn != NULL && strcmp(fn, "resample_torch_fornnunet") == 0;

    if (fn != NULL && strcmp(fn, "no_resampling_hack") == 0) {
        memset(p->card->spacing_mm, 0, sizeof p->card->spacing_mm);
        return true;
    }
    if (fn == NULL || (!torch && strcmp(fn, "resample_data_or_seg_to_shape") != 0))
        return wrong(p, fn_key, "resample_data_or_seg_to_shape, resample_torch_fornnunet or no_resampling_hack is wanted", error);
    if (torch)
        *order = 1;
    else if (!read_order(p, options, options_key, most, order, error))
        return false;
    p->card->apart = json_is_boolean(apart) ? json_is_true(apart) : -1;
    /* across slices the nearest is taken */
    return torch || p->card->apart == 0 || order_apart == NULL || (json_is_integer(order_apart) && json_integer_value(order_apart) == 0) ||
           wrong(p, options_key, "order_z 0 is wanted", error);
}

/* What the trainer allows is in its checkpoint alone: the default is all axes, and two trainers of nnU-Net's own say otherwise by name. */
static void choose_mirror(plans *p)
{
    bool flat = p->card->patch[2] == 1, only_first = strstr(p->trainer, "onlyMirror01") != NULL;

    for (int a = 0; a < 3; a++)
        p->card->mirror[a] = strstr(p->trainer, "NoMirroring") == NULL && !(flat && a == 2) && !(only_first && !flat && a == 0);
}

mt_dense_card *mt_nnunet_card(const char *folder, const char *configuration, GError **error)
{
    g_auto(plans) p = {.folder = folder};

    if (!open_files(&p, error) || !choose_configuration(&p, configuration, error) || !refuse_cascade(&p, error))
        return NULL;
    p.card = mt_dense_card_new(p.plans_path);
    const char *dataset = json_string_value(json_object_get(p.plans, "dataset_name"));
    p.card->name = g_strdup_printf("%s %s", dataset != NULL ? dataset : "nnU-Net", p.name);
    p.card->crop_nonzero = true;
    if (!mt_nnunet_read_dataset(p.dataset, p.dataset_path, p.card, error) || !read_geometry(&p, error) || !read_transpose(&p, error) ||
        !read_reader(&p, error) || !read_schemes(&p, error) || !read_resampling(&p, "data", 3, &p.card->image_order, error) ||
        !read_resampling(&p, "probabilities", 1, &p.card->logits_order, error))
        return NULL;
    choose_mirror(&p);
    return g_steal_pointer(&p.card);
}

/* The first of the names that stands in the folder. */
static bool find_fold(const char *folder, const char *fold, GPtrArray *files)
{
    static const char *const forms[] = {"%s/model.onnx", "%s/checkpoint_final.onnx", "%s/checkpoint_best.onnx", "%s.onnx"};

    for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_auto(GStrv) halves = g_strsplit(forms[i], "%s", 2);
        g_autofree char *name = g_strconcat(fold, halves[1], NULL);

        if (exists(folder, name)) {
            g_ptr_array_add(files, g_build_filename(folder, name, NULL));
            return true;
        }
    }
    return false;
}

char **mt_nnunet_folds(const char *folder, GError **error)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);

    for (int i = 0; i < FOLDS; i++) {
        g_autofree char *fold = g_strdup_printf("fold_%d", i);
        find_fold(folder, fold, files);
    }
    if (files->len == 0 && !find_fold(folder, "fold_all", files) && exists(folder, "model.onnx"))
        g_ptr_array_add(files, g_build_filename(folder, "model.onnx", NULL));
    if (files->len == 0) {
        mt_card_error(
            error, folder,
            "no fold as ONNX: fold_0/model.onnx, fold_0/checkpoint_final.onnx, fold_0.onnx, fold_all or model.onnx are looked for "
            "(a checkpoint.pth has to be exported first)");
        return NULL;
    }
    g_ptr_array_add(files, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&files), FALSE);
}

mt_dense *mt_nnunet_load(const char *folder, const char *configuration, GError **error)
{
    g_autoptr(mt_dense_card) card = mt_nnunet_card(folder, configuration, error);

    if (card == NULL)
        return NULL;
    g_auto(GStrv) folds = mt_nnunet_folds(folder, error);
    return folds != NULL ? mt_dense_load_folds((const char *const *)folds, (int)g_strv_length(folds), g_steal_pointer(&card), error) : NULL;
}
