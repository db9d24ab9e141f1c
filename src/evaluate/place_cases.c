#include "src/evaluate/place_cases.h"

#include <string.h>

#define NAMED 5 /* ids that a message names */

static const char *const MASK_ENDINGS[] = {".nii.gz", ".nii", ".png", ".tif", ".tiff", NULL}, *const RESULT_ENDINGS[] = {".h5", NULL};

/* Length of the ending that `name` has; 0: none. */
static size_t ending_of(const char *name, const char *const *endings)
{
    g_autofree char *lower = g_ascii_strdown(name, -1);

    for (; *endings != NULL; endings++)
        if (g_str_has_suffix(lower, *endings) && strlen(lower) > strlen(*endings))
            return strlen(*endings);
    return 0;
}

bool mt_place_has_ending(const char *path, const char *const *endings)
{
    return ending_of(path, endings) > 0;
}

GHashTable *mt_place_folder(const char *folder, const char *const *endings, GError **error)
{
    g_autoptr(GHashTable) files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    if (dir == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "read %s: there is no such folder", folder);
        return NULL;
    }
    for (const char *name; (name = g_dir_read_name(dir)) != NULL;)
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, mt_place_compare_text);
    for (guint i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        size_t      ending = ending_of(name, endings);
        char       *id = g_strndup(name, strlen(name) - ending);
        const char *before = g_hash_table_lookup(files, id);
        if (ending == 0 || *name == '.') {
            g_free(id);
            continue;
        }
        if (before != NULL) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: case %s has two files, %s and %s: keep one of them", folder, id,
                        strrchr(before, '/') + 1, name);
            g_free(id);
            return NULL;
        }
        g_hash_table_insert(files, id, g_build_filename(folder, name, NULL));
    }
    return g_steal_pointer(&files);
}

gint mt_place_compare_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

mt_labels *mt_place_labels(const mt_place_params *params, GError **error)
{
    return params->labels != NULL ? mt_labels_read(params->labels, error) : NULL;
}

bool mt_place_row_counts(const mt_labels *labels, guint row, const char *split, GError **error)
{
    int column = split != NULL ? mt_labels_column(labels, "split") : -1;

    if (split != NULL && column < 0)
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--split %s: %s has no column split", split, mt_labels_path(labels));
    return split == NULL || (column >= 0 && strcmp(mt_labels_cell(labels, row, column), split) == 0);
}

bool mt_place_missing(mt_place_evaluation *e, const mt_place_params *params, const GPtrArray *missing, const char *what, GError **error)
{
    g_autoptr(GString) named = g_string_new(NULL);

    if (missing->len == 0)
        return true;
    for (guint i = 0; i < missing->len && i < NAMED; i++)
        g_string_append_printf(named, "%s%s", i > 0 ? ", " : "", (const char *)missing->pdata[i]);
    if (missing->len > NAMED)
        g_string_append(named, ", ..");
    if (!params->allow_missing) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "evaluate %s: %u case%s %s: %s; --allow-missing leaves them out and counts them",
                    e->folder, missing->len, missing->len == 1 ? " has" : "s have", what, named->str);
        return false;
    }
    mt_place_warn(e, "%u case%s %s and %s in no number below: %s", missing->len, missing->len == 1 ? " has" : "s have", what,
                  missing->len == 1 ? "is" : "are", named->str);
    for (guint i = 0; i < missing->len; i++)
        g_ptr_array_add(e->missing, g_strdup(missing->pdata[i]));
    return true;
}

static void free_pair(void *pointer)
{
    mt_place_pair *p = pointer;

    g_free(p->id);
    g_free(p->patient);
    g_free(p->predicted);
    g_free(p->reference);
    g_free(p);
}

static gint compare_pairs(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const mt_place_pair *const *)a)->id, (*(const mt_place_pair *const *)b)->id);
}

/* Where the files of one side are found. */
typedef struct side {
    GHashTable *files; /* NULL: a column names them */
    int         column;
    char       *base; /* that its cells are relative to */
} side;

static void side_clear(side *s)
{
    g_clear_pointer(&s->files, g_hash_table_unref);
    g_free(s->base);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(side, side_clear)

static char *file_of(const side *s, const mt_labels *labels, guint row, const char *id)
{
    const char *cell = s->files == NULL ? mt_labels_cell(labels, row, s->column) : NULL;

    if (s->files != NULL)
        return g_strdup(g_hash_table_lookup(s->files, id));
    if (*cell == '\0')
        return NULL;
    return g_path_is_absolute(cell) ? g_strdup(cell) : g_build_filename(s->base, cell, NULL);
}

static bool find_side(side *s, const mt_labels *labels, const char *column, const char *option, const char *base, GError **error)
{
    s->column = labels != NULL ? mt_labels_column(labels, column) : -1;
    s->base = g_strdup(base);
    if (s->column >= 0)
        return true;
    if (labels == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "%s %s: there is no such folder; a column is read with --labels", option, column);
    else
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "%s %s: %sno column of %s", option, column,
                    strcmp(option, "--masks") == 0 ? "neither a folder, nor " : "", mt_labels_path(labels));
    return false;
}

static bool find_sides(mt_place_evaluation *e, const mt_place_params *params, const mt_labels *labels, side *predicted, side *reference,
                       GError **error)
{
    g_autofree char *beside = params->labels != NULL ? g_path_get_dirname(params->labels) : g_strdup(".");

    if (g_file_test(params->masks, G_FILE_TEST_IS_DIR)) {
        reference->files = mt_place_folder(params->masks, MASK_ENDINGS, error);
        if (reference->files == NULL)
            return false;
    } else if (!find_side(reference, labels, params->masks, "--masks", beside, error))
        return false;
    if (params->predicted != NULL)
        return find_side(predicted, labels, params->predicted, "--predicted", e->folder, error);
    g_autofree char *cases = g_build_filename(e->folder, "cases", NULL);
    if (g_file_test(cases, G_FILE_TEST_IS_DIR)) /* of `run`: the maps of its results */
        predicted->files = mt_place_folder(cases, RESULT_ENDINGS, error);
    else
        predicted->files = mt_place_folder(e->folder, MASK_ENDINGS, error);
    return predicted->files != NULL;
}

static bool add_pair(GPtrArray *pairs, GPtrArray *without[2], const mt_labels *labels, guint row, const char *id, const side *predicted,
                     const side *reference)
{
    mt_place_pair *p = g_new0(mt_place_pair, 1);

    p->id = g_strdup(id);
    p->patient = g_strdup(labels != NULL ? mt_labels_patient(labels, row) : id);
    p->predicted = file_of(predicted, labels, row, id);
    p->reference = file_of(reference, labels, row, id);
    if (p->reference == NULL || p->predicted == NULL) {
        g_ptr_array_add(without[p->reference == NULL], p->id);
        p->id = NULL;
        free_pair(p);
        return false;
    }
    g_ptr_array_add(pairs, p);
    return true;
}

/* Predictions that no case asks for: a reference was forgotten, or the names do not fit. */
static void find_strays(const side *predicted, const GHashTable *asked, GPtrArray *strays)
{
    GHashTableIter iter;
    void          *id;

    g_hash_table_iter_init(&iter, predicted->files);
    while (g_hash_table_iter_next(&iter, &id, NULL))
        if (!g_hash_table_contains((GHashTable *)(uintptr_t)asked, id))
            g_ptr_array_add(strays, g_strdup(id));
    g_ptr_array_sort(strays, mt_place_compare_text);
}

GPtrArray *mt_place_pairs(mt_place_evaluation *e, const mt_place_params *params, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(mt_labels) labels = mt_place_labels(params, &cause);
    g_auto(side) predicted = {0}, reference = {0};
    g_autoptr(GPtrArray) pairs = g_ptr_array_new_with_free_func(free_pair), strays = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) no_predicted = g_ptr_array_new_with_free_func(g_free), no_reference = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) asked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GPtrArray *without[2] = {no_predicted, no_reference};

    if (cause != NULL || !find_sides(e, params, labels, &predicted, &reference, &cause)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return NULL;
    }
    for (guint row = 0; labels != NULL && row < mt_labels_n(labels) && cause == NULL; row++) {
        g_hash_table_add(asked, g_strdup(mt_labels_id(labels, row)));
        if (mt_place_row_counts(labels, row, params->split, &cause))
            add_pair(pairs, without, labels, row, mt_labels_id(labels, row), &predicted, &reference);
    }
    if (labels == NULL) {
        g_autofree void **ids = g_hash_table_get_keys_as_array(reference.files, NULL);
        for (guint i = 0; ids[i] != NULL; i++) {
            g_hash_table_add(asked, g_strdup(ids[i]));
            add_pair(pairs, without, NULL, 0, ids[i], &predicted, &reference);
        }
    }
    if (cause != NULL) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return NULL;
    }
    if (predicted.files != NULL)
        find_strays(&predicted, asked, strays);
    g_ptr_array_sort(no_predicted, mt_place_compare_text);
    g_ptr_array_sort(no_reference, mt_place_compare_text);
    if (!mt_place_missing(e, params, no_predicted, "no predicted mask", error) ||
        !mt_place_missing(e, params, no_reference, "no reference mask", error) ||
        !mt_place_missing(e, params, strays,
                          labels != NULL ? "a predicted mask but no row in the labels" : "a predicted mask but no reference mask", error))
        return NULL;
    if (pairs->len == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "evaluate %s: there is no case with both masks", e->folder);
        return NULL;
    }
    g_ptr_array_sort(pairs, compare_pairs);
    return g_steal_pointer(&pairs);
}
