#include "src/evaluate/predictions.h"

#include "src/base/decimal.h"
#include "src/result/headline.h"
#include "src/result/withheld.h"
#include "src/store/schema.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#define ELLIPSIS "\xe2\x80\xa6" /* a label or name in the headline was cut */

static void free_case(void *pointer)
{
    mt_case_prediction *c = pointer;

    if (c == NULL)
        return;
    char **texts[] = {&c->id,      &c->path, &c->status,      &c->decision,       &c->reason,        &c->positive,
                      &c->encoder, &c->head, &c->head_sha256, &c->encoder_sha256, &c->recipe_sha256, &c->input_sha256};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(*texts[i]);
    g_free(c->scores);
    g_free(c->logits);
    g_free(c);
}

void mt_predictions_free(mt_predictions *predictions)
{
    if (predictions == NULL)
        return;
    g_clear_pointer(&predictions->cases, g_ptr_array_unref);
    g_strfreev(predictions->labels);
    g_free(predictions->folder);
    g_free(predictions);
}

static int compare_ids(gconstpointer a, gconstpointer b)
{
    const mt_case_prediction *first = *(const mt_case_prediction *const *)a, *second = *(const mt_case_prediction *const *)b;

    return strcmp(first->id, second->id);
}

const mt_case_prediction *mt_predictions_find(const mt_predictions *predictions, const char *id)
{
    guint low = 0, high = predictions->cases->len;

    while (low < high) {
        guint               middle = (low + high) / 2;
        mt_case_prediction *c = predictions->cases->pdata[middle];
        int                 order = strcmp(id, c->id);
        if (order == 0)
            return c;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* "a%20b.h5" -> "a b": the id of a file whose headline cannot be read. */
static char *id_of_file(const char *name, const char *ending)
{
    g_autofree char *stem = g_strndup(name, strlen(name) - strlen(ending));
    char            *id = g_uri_unescape_string(stem, NULL);

    return id != NULL ? id : g_steal_pointer(&stem);
}

static void take(char **to, char **from)
{
    g_free(*to);
    *to = g_steal_pointer(from);
}

static void take_headline(mt_case_prediction *c, mt_headline *h)
{
    if (h->id != NULL)
        take(&c->id, &h->id);
    take(&c->status, &h->status);
    take(&c->decision, &h->decision);
    take(&c->reason, &h->reason);
    take(&c->positive, &h->positive);
    take(&c->encoder, &h->encoder);
    take(&c->head, &h->head);
    take(&c->head_sha256, &h->head_sha256);
    take(&c->encoder_sha256, &h->model_sha256);
    take(&c->recipe_sha256, &h->recipe_sha256);
    take(&c->input_sha256, &h->input_sha256);
    c->score = h->score;
    c->threshold = h->threshold;
    c->tiles = h->tiles;
    c->invalid_tiles = h->invalid_tiles;
    c->tissue_mm2 = h->tissue_mm2;
    c->demonstration = h->demonstration;
}

/* A float32 (n) dataset as double; NULL without an error when it is absent. */
static double *read_floats(const mt_result *result, const char *object, int *n, bool shortest, GError **error)
{
    if (!mt_result_has(result, object))
        return NULL;
    mt_tensor *tensor = mt_result_read(result, object, error);
    if (tensor == NULL)
        return NULL;
    double *values = NULL;
    if (tensor->dtype == MT_F32 && tensor->rank == 1) {
        const float *floats = tensor->data;
        *n = (int)mt_tensor_count(tensor);
        values = g_new(double, (gsize)*n + 1);
        for (int i = 0; i < *n; i++)
            values[i] = shortest ? mt_decimal_of_float(floats[i]) : (double)floats[i];
    } else
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: %s is not a row of float32", mt_result_path(result), object);
    mt_tensor_unref(tensor);
    return values;
}

static bool all_finite(const double *values, int n)
{
    for (int i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

/* Scores, labels and logits from /prediction, whole. */
static bool read_stored(mt_case_prediction *c, char ***labels, GError **error)
{
    GError *reason = NULL;
    int     n = 0, n_logits = 0;
    g_autoptr(mt_result) result = mt_result_open(c->path, error);

    if (result == NULL)
        return false;
    c->scores = read_floats(result, MT_OBJECT_SCORES, &n, true, &reason);
    c->logits = reason == NULL ? read_floats(result, MT_OBJECT_LOGITS, &n_logits, false, &reason) : NULL;
    if (reason != NULL) {
        g_propagate_error(error, reason);
        return false;
    }
    c->n_scores = c->scores != NULL ? n : 0;
    if (c->n_scores == 0)
        return true;
    *labels = mt_result_attr_strings(result, MT_OBJECT_SCORES, MT_ATTR_LABELS);
    if (*labels != NULL && (int)g_strv_length(*labels) == n && (c->logits == NULL || n_logits == n) && all_finite(c->scores, n) &&
        (c->logits == NULL || all_finite(c->logits, n)))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: its scores, labels and logits do not fit each other or are not numbers",
                c->path);
    return false;
}

static bool take_scores(mt_case_prediction *c, mt_headline *h, bool whole, char ***labels, GError **error)
{
    if (!whole)
        return read_stored(c, labels, error);
    if (!all_finite(h->scores, h->n_scores)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: its headline has a score that is not a number", c->path);
        return false;
    }
    c->n_scores = h->n_scores;
    c->scores = h->n_scores > 0 ? g_steal_pointer(&h->scores) : NULL;
    *labels = h->n_scores > 0 ? g_steal_pointer(&h->labels) : NULL;
    return true;
}

static bool read_result(mt_case_prediction *c, bool logits, char ***labels, GError **error)
{
    g_autofree char *line = mt_result_headline(c->path, error);
    g_autoptr(mt_headline) headline = line != NULL ? mt_headline_parse(line, c->path, error) : NULL;

    if (headline == NULL)
        return false;
    bool whole = !logits && strstr(line, "\"scores_of\":") == NULL && strstr(line, ELLIPSIS) == NULL;
    if (!take_scores(c, headline, whole, labels, error))
        return false;
    take_headline(c, headline);
    if (c->status != NULL && c->decision != NULL)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: its headline says neither status nor decision", c->path);
    return false;
}

static mt_case_prediction *new_case(char *id, char *path)
{
    mt_case_prediction *c = g_new0(mt_case_prediction, 1);

    c->id = id;
    c->path = path;
    c->score = c->threshold = c->tissue_mm2 = NAN;
    return c;
}

/* Failed, or withheld for a control case. */
static void leave_unscored(mt_case_prediction *c, const char *status, const char *reason)
{
    g_free(c->status);
    g_free(c->decision);
    g_free(c->reason);
    c->status = g_strdup(status);
    c->decision = g_strdup("none");
    c->reason = g_strdup(reason);
    c->n_scores = 0;
    c->score = NAN;
}

static const char *const HEADS[] = {"labels", "heads"};

/* One head for all: scores of two do not lie on one scale. */
static bool check_same(mt_predictions *p, const mt_case_prediction *c, char ***labels, const mt_case_prediction **first, GError **error)
{
    const char *differ = NULL;

    if (*first == NULL) {
        *first = c;
        p->labels = g_steal_pointer(labels);
        p->n_labels = c->n_scores;
        return true;
    }
    if (!g_strv_equal((const char *const *)p->labels, (const char *const *)*labels))
        differ = HEADS[0];
    else if (g_strcmp0((*first)->head_sha256, c->head_sha256) != 0)
        differ = HEADS[1];
    if (differ != NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "read the predictions of %s: %s and %s have different %s: results of one head belong in one folder", p->folder,
                    (*first)->id, c->id, differ);
    return differ == NULL;
}

static void count_case(mt_predictions *p, const mt_case_prediction *c)
{
    const struct {
        const char *status;
        guint      *count;
    } counts[] = {{"degraded", &p->n_degraded},
                  {"withheld", &p->n_withheld},
                  {"insufficient", &p->n_insufficient},
                  {"embedded", &p->n_embedded},
                  {"failed", &p->n_failed}};

    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++)
        if (strcmp(c->status, counts[i].status) == 0)
            ++*counts[i].count;
    p->n_scored += c->n_scores > 0;
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in `folder` that end in `ending`, ascending; an empty list when there is no such folder. */
static GPtrArray *list_files(const char *folder, const char *ending)
{
    GPtrArray  *names = g_ptr_array_new_with_free_func(g_free);
    GDir       *dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        if (name[0] != '.' && g_str_has_suffix(name, ending))
            g_ptr_array_add(names, g_strdup(name));
    if (dir != NULL)
        g_dir_close(dir);
    g_ptr_array_sort(names, compare_names);
    return names;
}

static bool read_results(mt_predictions *p, const char *folder, bool logits, GError **error)
{
    g_autoptr(GPtrArray) names = list_files(folder, ".h5");
    g_autoptr(mt_withheld) withheld = mt_withheld_read(p->folder);
    const mt_case_prediction *first = NULL;

    for (guint i = 0; i < names->len; i++) {
        g_auto(GStrv) labels = NULL;
        GError             *reason = NULL;
        mt_case_prediction *c = new_case(id_of_file(names->pdata[i], ".h5"), g_build_filename(folder, names->pdata[i], NULL));

        g_ptr_array_add(p->cases, c);
        if (!read_result(c, logits, &labels, &reason))
            leave_unscored(c, "failed", reason->message);
        else if (mt_withheld_why(withheld, c->path) != NULL)
            leave_unscored(c, "withheld", mt_withheld_why(withheld, c->path));
        g_clear_error(&reason);
        if (c->n_scores > 0 && !check_same(p, c, &labels, &first, error))
            return false;
    }
    return true;
}

static char *failure_reason(const char *path, char **id)
{
    json_t          *root = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    const char      *name = json_string_value(json_object_get(root, "id"));
    const char      *text = json_string_value(json_object_get(root, "reason"));
    g_autofree char *reason = g_strdup(text != NULL ? text : "its record cannot be read");

    if (name != NULL) {
        g_free(*id);
        *id = g_strdup(name);
    }
    json_decref(root);
    return g_steal_pointer(&reason);
}

/* A case that failed once and has a result since counts by its result. */
static void read_failures(mt_predictions *p)
{
    g_autofree char *folder = g_build_filename(p->folder, "failed", NULL);
    g_autoptr(GPtrArray) names = list_files(folder, ".json");
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < p->cases->len; i++)
        g_hash_table_add(known, ((mt_case_prediction *)p->cases->pdata[i])->id);
    for (guint i = 0; i < names->len; i++) {
        mt_case_prediction *c = new_case(id_of_file(names->pdata[i], ".json"), g_build_filename(folder, names->pdata[i], NULL));
        g_autofree char    *reason = failure_reason(c->path, &c->id);
        leave_unscored(c, "failed", reason);
        if (g_hash_table_contains(known, c->id))
            free_case(c);
        else
            g_ptr_array_add(p->cases, c);
    }
}

static bool check_and_count(mt_predictions *p, const char *folder, GError **error)
{
    g_ptr_array_sort(p->cases, compare_ids);
    for (guint i = 0; i < p->cases->len; i++) {
        const mt_case_prediction *c = p->cases->pdata[i], *before = i > 0 ? p->cases->pdata[i - 1] : NULL;
        if (before != NULL && strcmp(before->id, c->id) == 0) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read the predictions of %s: %s and %s are both of case %s: remove one of them",
                        p->folder, before->path, c->path, c->id);
            return false;
        }
        count_case(p, c);
    }
    if (p->cases->len == 0)
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "read the predictions of %s: no results in %s", p->folder, folder);
    return p->cases->len > 0;
}

mt_predictions *mt_predictions_read(const char *folder, mt_predictions_level level, bool logits, GError **error)
{
    g_autoptr(mt_predictions) p = g_new0(mt_predictions, 1);
    g_autofree char *results = g_build_filename(folder, level == MT_PREDICTIONS_CASES ? "cases" : "patients", NULL);

    p->folder = g_strdup(folder);
    p->cases = g_ptr_array_new_with_free_func(free_case);
    if (!g_file_test(results, G_FILE_TEST_IS_DIR)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "read the predictions of %s: there is no folder %s: name what run -o wrote", folder,
                    results);
        return NULL;
    }
    if (!read_results(p, results, logits, error))
        return NULL;
    if (level == MT_PREDICTIONS_CASES)
        read_failures(p);
    return check_and_count(p, results, error) ? g_steal_pointer(&p) : NULL;
}
