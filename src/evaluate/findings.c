/* Findings against lesions: which cases there are, what was found and what is there. */
#include "src/evaluate/finding_hits.h"
#include "src/evaluate/place_cases.h"

#include <math.h>
#include <string.h>

static const char *const TABLE[] = {".csv", NULL};
static const char *const FINDING_FILES[] = {".csv", ".geojson", ".json", NULL};
static const char *const RESULT_FILES[] = {".h5", NULL};
static const char *const LESION_FILES[] = {".csv", ".geojson", ".json", ".xml", ".png", ".tif", ".tiff", ".nii.gz", ".nii", NULL};
static const char *const DRAWN[] = {".geojson", ".json", NULL};
static const char *const XML[] = {".xml", NULL};

enum { LESIONS, FINDINGS, FOUND, WRONG, N_COLUMNS };

/* One side: a table of all cases, or files of each. */
typedef struct side {
    const char          *path;
    bool                 scored;
    GHashTable          *table; /* id -> mt_places; NULL: files */
    GHashTable          *files; /* id -> path */
    mt_place_mask_params mask;
    char               **classes; /* of objects; NULL: all */
} side;

static void side_clear(side *s)
{
    g_clear_pointer(&s->table, g_hash_table_unref);
    g_clear_pointer(&s->files, g_hash_table_unref);
    g_strfreev(s->classes);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(side, side_clear)

static bool open_side(side *s, const char *path, bool scored, GError **error)
{
    g_autofree char *cases = g_build_filename(path, "cases", NULL);

    s->path = path;
    s->scored = scored;
    if (scored && g_file_test(cases, G_FILE_TEST_IS_DIR))
        s->files = mt_place_folder(cases, RESULT_FILES, error);
    else if (g_file_test(path, G_FILE_TEST_IS_DIR))
        s->files = mt_place_folder(path, scored ? FINDING_FILES : LESION_FILES, error);
    else if (mt_place_has_ending(path, TABLE))
        s->table = mt_places_read_csv(path, NULL, scored, error);
    else
        g_set_error(error, MT_ERROR, g_file_test(path, G_FILE_TEST_EXISTS) ? MT_ERROR_INPUT : MT_ERROR_MISSING,
                    "read %s: a CSV of all cases or a folder with a file for each is wanted", path);
    return s->table != NULL || s->files != NULL;
}

static bool has(const side *s, const char *id)
{
    return g_hash_table_contains(s->table != NULL ? s->table : s->files, id);
}

/* Those of one case; to be freed when `owned`. */
static mt_places *places_of(const side *s, const char *id, bool *owned, GError **error)
{
    const char *path = s->files != NULL ? g_hash_table_lookup(s->files, id) : NULL;

    *owned = true;
    if (s->table != NULL && has(s, id)) {
        *owned = false;
        return g_hash_table_lookup(s->table, id);
    }
    if (path == NULL)
        return mt_places_new();
    if (mt_place_has_ending(path, RESULT_FILES))
        return mt_places_read_result(path, s->classes, error);
    if (mt_place_has_ending(path, DRAWN))
        return mt_places_read_geojson(path, s->scored, error);
    if (mt_place_has_ending(path, XML))
        return mt_places_read_xml(path, error);
    if (!mt_place_has_ending(path, TABLE))
        return mt_places_read_mask(path, &s->mask, error);
    g_autoptr(GHashTable) one = mt_places_read_csv(path, id, s->scored, error);
    gpointer stolen_id = NULL, stolen = NULL;
    if (one != NULL && g_hash_table_steal_extended(one, id, &stolen_id, &stolen))
        g_free(stolen_id);
    return stolen;
}

static void list_ids(const side *s, GPtrArray *ids)
{
    GHashTableIter iter;
    void          *id;

    g_hash_table_iter_init(&iter, s->table != NULL ? s->table : s->files);
    while (g_hash_table_iter_next(&iter, &id, NULL))
        g_ptr_array_add(ids, g_strdup(id));
    g_ptr_array_sort(ids, mt_place_compare_text);
}

/* The reference folder must say of each labelled case where its lesions are, unless its row says that it has none. */
static bool says_none(const mt_labels *labels, guint row)
{
    int column = mt_labels_column(labels, "lesions");

    return column >= 0 && strcmp(mt_labels_cell(labels, row, column), "0") == 0;
}

static bool call_roll(mt_place_evaluation *e, const mt_place_params *params, const mt_labels *labels, const side *lesions, GHashTable *rows,
                      GPtrArray *ids, GError **error)
{
    g_autoptr(GPtrArray) missing = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) cause = NULL;

    if (labels == NULL) {
        list_ids(lesions, ids);
        return true;
    }
    for (guint row = 0; row < mt_labels_n(labels) && cause == NULL; row++) {
        const char *id = mt_labels_id(labels, row);
        g_hash_table_insert(rows, g_strdup(id), GUINT_TO_POINTER(row + 1));
        if (!mt_place_row_counts(labels, row, params->split, &cause))
            continue;
        if (lesions->files != NULL && !has(lesions, id) && !says_none(labels, row))
            g_ptr_array_add(missing, g_strdup(id));
        else
            g_ptr_array_add(ids, g_strdup(id));
    }
    if (cause != NULL) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    g_ptr_array_sort(ids, mt_place_compare_text);
    return mt_place_missing(e, params, missing, "no reference file and no 0 in a column lesions", error);
}

/* Places of cases that nobody asks for: a name that does not fit, or a lesion-free case that was forgotten. */
static bool check_strays(mt_place_evaluation *e, const mt_place_params *params, const side *s, GHashTable *rows, const GPtrArray *ids,
                         const char *what, GError **error)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free), strays = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) asked = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < ids->len; i++)
        g_hash_table_add(asked, ids->pdata[i]);
    list_ids(s, all);
    for (guint i = 0; i < all->len; i++)
        if (!g_hash_table_contains(asked, all->pdata[i]) && !g_hash_table_contains(rows, all->pdata[i]))
            g_ptr_array_add(strays, g_strdup(all->pdata[i]));
    return mt_place_missing(e, params, strays, what, error);
}

static void fill_values(const mt_place_evaluation *e, const struct mt_hits *h, const int64_t *found, const int64_t *wrong,
                        const int64_t *called)
{
    for (guint i = 0; i < e->cases->len; i++) {
        double *values = ((mt_place_case *)e->cases->pdata[i])->values;
        values[LESIONS] = (double)h->lesions_of[i];
        values[FINDINGS] = (double)called[i];
        values[FOUND] = (double)found[i];
        values[WRONG] = (double)wrong[i];
    }
}

/* At the threshold, of each case. */
static void count_cases(const mt_place_evaluation *e)
{
    const mt_ranking   *r = &e->hits->by_place;
    g_autofree int64_t *found = g_new0(int64_t, e->cases->len + 1), *wrong = g_new0(int64_t, e->cases->len + 1),
                       *called = g_new0(int64_t, e->cases->len + 1);

    for (int64_t i = 0; i < (int64_t)r->detections->len; i++) {
        const mt_detection *d = &g_array_index(r->detections, mt_detection, r->rows[i]);
        if (!isnan(e->threshold) && d->score < e->threshold)
            continue;
        called[d->image]++;
        found[d->image] += r->hits[i] == MT_HIT_FIRST;
        wrong[d->image] += r->hits[i] == MT_HIT_FALSE;
    }
    fill_values(e, e->hits, found, wrong, called);
}

static bool add_case(mt_place_evaluation *e, const char *id, const char *patient, const side *findings, const side *lesions, GError **error)
{
    bool       own_findings, own_lesions = false;
    mt_places *found = places_of(findings, id, &own_findings, error);
    mt_places *there = found != NULL ? places_of(lesions, id, &own_lesions, error) : NULL;
    bool       ok = there != NULL;

    mt_place_add_case(e, id, patient);
    ok = ok && mt_hits_add(e->hits, (int64_t)e->cases->len - 1, found, there, error);
    if (!ok)
        g_prefix_error(error, "case %s: ", id);
    if (own_findings)
        mt_places_free(found);
    if (own_lesions)
        mt_places_free(there);
    return ok;
}

/* A table of findings lacks cases in which nothing was found; a folder must have a file for each. */
static bool drop_unanswered(mt_place_evaluation *e, const mt_place_params *params, const side *findings, GPtrArray *ids, GError **error)
{
    g_autoptr(GPtrArray) missing = g_ptr_array_new_with_free_func(g_free);
    guint silent = 0;

    for (guint i = 0; i < ids->len;) {
        bool there = has(findings, ids->pdata[i]);
        silent += !there;
        if (!there && findings->files != NULL) {
            g_ptr_array_add(missing, g_strdup(ids->pdata[i]));
            g_ptr_array_remove_index(ids, i);
        } else
            i++;
    }
    if (silent > 0 && findings->table != NULL)
        mt_place_warn(e, "%u of %u cases have no row in %s: they count as cases in which nothing was found", silent, ids->len,
                      findings->path);
    return mt_place_missing(e, params, missing, "no file of findings", error);
}

static bool open_sides(const mt_place_evaluation *e, const mt_place_params *params, side *findings, side *lesions, GError **error)
{
    if (!(params->lesion_scale >= 0) || !(params->join_um >= 0) || !(params->ignore_um >= 0)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--lesion-scale, --join-um and --ignore-um are 0 or more");
        return false;
    }
    lesions->mask = (mt_place_mask_params){.scale = params->lesion_scale > 0 ? params->lesion_scale : 1,
                                           .join_um = params->join_um,
                                           .ignore_um = params->ignore_um,
                                           .mpp = {params->mask_mpp[0], params->mask_mpp[1]}};
    if (params->classes != NULL)
        findings->classes = g_strsplit(params->classes, ",", -1);
    return open_side(findings, e->folder, true, error) && open_side(lesions, params->lesions, false, error);
}

static bool gather_cases(mt_place_evaluation *e, const mt_labels *labels, GHashTable *rows, const side *findings, const side *lesions,
                         const GPtrArray *ids, GError **error)
{
    for (guint i = 0; i < ids->len; i++) {
        const char *id = ids->pdata[i];
        guint       row = GPOINTER_TO_UINT(g_hash_table_lookup(rows, id));
        if (!add_case(e, id, row > 0 ? mt_labels_patient(labels, row - 1) : id, findings, lesions, error))
            return false;
    }
    if (e->cases->len > 0)
        return mt_hits_rank(e->hits, error);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "evaluate %s: there is no case", e->folder);
    return false;
}

bool mt_place_gather_findings(mt_place_evaluation *e, const mt_place_params *params, GError **error)
{
    static const char *const columns[N_COLUMNS] = {"lesions", "findings", "found", "false_positives"};
    static const double      half = 0.5;
    g_autoptr(GError) cause = NULL;
    g_autoptr(mt_labels) labels = mt_place_labels(params, &cause);
    g_autoptr(GHashTable) rows = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
    g_auto(side) findings = {0}, lesions = {0};

    e->measure = mt_finding_measure;
    for (int k = 0; k < N_COLUMNS; k++)
        g_ptr_array_add(e->columns, g_strdup(columns[k]));
    if (cause != NULL) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    if (!open_sides(e, params, &findings, &lesions, error) || !call_roll(e, params, labels, &lesions, rows, ids, error) ||
        !check_strays(e, params, &findings, rows, ids,
                      labels != NULL ? "findings but no row in the labels"
                                     : "findings but no reference: a case without a lesion wants a row in --labels",
                      error) ||
        (labels != NULL && !check_strays(e, params, &lesions, rows, ids, "lesions but no row in the labels", error)) ||
        !drop_unanswered(e, params, &findings, ids, error))
        return false;
    e->hits = params->ious != NULL ? mt_hits_new(params->ious, params->n_ious, ids->len) : mt_hits_new(&half, 1, ids->len);
    if (!gather_cases(e, labels, rows, &findings, &lesions, ids, error))
        return false;
    if (isnan(e->threshold))
        mt_place_warn(e, "no --threshold: lesion_sensitivity and false_positives_per_scan count every finding");
    mt_finding_metrics(e);
    count_cases(e);
    return true;
}
