#include "src/train/cohort.h"

#include "src/result/headline.h"
#include "src/result/withheld.h"
#include "src/train/cohort_bag.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define DEFAULT_CACHE_BYTES (INT64_C(1) << 30)
#define MPP_TOLERANCE 0.02
#define LISTED 10

typedef struct opening {
    mt_cohort              *cohort;
    const char             *folder; /* OUT/cases */
    const mt_labels        *labels;
    const mt_cohort_params *params;
    int64_t                 budget;
    GString                *missing;   /* the first few */
    mt_withheld            *withheld;  /* NULL: nothing is */
    GString                *kept_back; /* the first few withheld ones */
} opening;

/* A case with what keeps its bag alive. */
typedef struct cohort_entry {
    mt_cohort_case c;
    mt_cohort_bag *bag;
} cohort_entry;

static void entry_free(gpointer data)
{
    cohort_entry *entry = data;

    if (entry == NULL)
        return;
    mt_cohort_bag_free(entry->bag);
    g_free(entry->c.id);
    g_free(entry->c.path);
    g_free(entry);
}

void mt_cohort_free(mt_cohort *cohort)
{
    if (cohort == NULL)
        return;
    g_ptr_array_unref(cohort->cases);
    mt_cohort_files_free(cohort->files);
    g_free(cohort->encoder);
    g_free(cohort->encoder_sha256);
    g_free(cohort);
}

static char *existing_file(const char *folder, const char *id)
{
    g_autofree char *escaped = g_uri_escape_string(id, NULL, FALSE);
    g_autofree char *name = g_strconcat(escaped, ".h5", NULL);
    char            *path = g_build_filename(folder, name, NULL);

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        g_clear_pointer(&path, g_free);
    return path;
}

/* The result of a case as the labels file calls it: its id, else the stem of a file name, which is what a run makes of one. */
static char *find_file(const char *folder, const char *id)
{
    char *path = existing_file(folder, id);

    if (path != NULL)
        return path;
    g_autofree char *name = g_path_get_basename(id);
    char            *dot = strrchr(name, '.');
    path = existing_file(folder, name);
    if (path != NULL || dot == NULL || dot == name)
        return path;
    *dot = '\0';
    return existing_file(folder, name);
}

static void note(GString *list, guint *count, const char *id)
{
    if (*count < LISTED)
        g_string_append_printf(list, "%s%s", *count > 0 ? ", " : "", id);
    (*count)++;
}

static bool differ(const char *a, const char *b)
{
    return a != NULL && b != NULL && *a != '\0' && *b != '\0' && strcmp(a, b) != 0;
}

static char *describe(const char *encoder, const char *sha256, int64_t dim, double mpp)
{
    g_autofree char *read = mpp > 0 ? g_strdup_printf(" at %g µm/px", mpp) : g_strdup("");

    return g_strdup_printf("%s%s%.8s%s (%" G_GINT64_FORMAT " features)%s", encoder != NULL ? encoder : "an encoder that is not named",
                           sha256 != NULL ? " sha256 " : "", sha256 != NULL ? sha256 : "", sha256 != NULL ? "…" : "", dim, read);
}

/* The first case sets what all others must agree with. */
static bool agree(opening *o, const mt_feature_file *file, const char *id, GError **error)
{
    mt_cohort *c = o->cohort;

    if (c->cases->len == 0) {
        c->dim = file->dim;
        c->encoder = g_strdup(file->encoder);
        c->encoder_sha256 = g_strdup(file->encoder_sha256);
        c->target_mpp = file->target_mpp;
        return true;
    }
    bool other_mpp = c->target_mpp > 0 && file->target_mpp > 0 && fabs(file->target_mpp / c->target_mpp - 1) > MPP_TOLERANCE;
    if (file->dim == c->dim && !other_mpp && !differ(c->encoder, file->encoder) && !differ(c->encoder_sha256, file->encoder_sha256))
        return true;
    const cohort_entry *first = c->cases->pdata[0];
    g_autofree char    *ours = describe(c->encoder, c->encoder_sha256, c->dim, c->target_mpp);
    g_autofree char    *theirs = describe(file->encoder, file->encoder_sha256, file->dim, file->target_mpp);
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "case %s was encoded by %s, case %s by %s: a head is learnt on one encoder", first->c.id,
                ours, id, theirs);
    return false;
}

static char *id_of_path(const char *path)
{
    g_autofree char *name = g_path_get_basename(path);

    return g_strndup(name, strlen(name) - strlen(".h5"));
}

/* What is learnt from sample features is a sample. */
static bool note_demonstration(opening *o, const char *path, GError **error)
{
    g_autofree char *line = mt_result_headline(path, NULL);

    if (line == NULL)
        return true; /* another tool's features have no headline */
    g_autoptr(mt_headline) headline = mt_headline_parse(line, path, error);
    if (headline != NULL && headline->demonstration)
        o->cohort->demonstration = true;
    return headline != NULL;
}

static bool add_file(opening *o, guint row, char *path, GError **error)
{
    g_autofree char *owned_path = path, *id = id_of_path(path);
    g_autoptr(mt_feature_file) file = mt_feature_file_open(path, error);

    if (file == NULL) {
        g_prefix_error(error, "case %s: ", id);
        return false;
    }
    if (file->n_valid == 0) {
        o->cohort->n_empty++;
        return true;
    }
    if (!agree(o, file, id, error) || !note_demonstration(o, path, error))
        return false;
    mt_cohort_bag *bag = mt_cohort_bag_new(o->cohort->files, path, g_steal_pointer(&file), &o->budget, error);
    if (bag == NULL) {
        g_prefix_error(error, "case %s: ", id);
        return false;
    }
    cohort_entry *entry = g_new0(cohort_entry, 1);
    entry->bag = bag;
    entry->c = (mt_cohort_case){.id = g_steal_pointer(&id),
                                .patient = mt_labels_patient(o->labels, row),
                                .row = row,
                                .path = g_steal_pointer(&owned_path),
                                .bag = mt_cohort_bag_get(bag)};
    g_ptr_array_add(o->cohort->cases, entry);
    return true;
}

static bool add_rows(opening *o, const mt_targets *targets, GError **error)
{
    for (guint row = 0; row < mt_labels_n(o->labels); row++) {
        char *path = mt_targets_known(targets, row) ? find_file(o->folder, mt_labels_id(o->labels, row)) : NULL;
        if (!mt_targets_known(targets, row))
            o->cohort->n_unlabelled++;
        else if (path == NULL)
            note(o->missing, &o->cohort->n_missing, mt_labels_id(o->labels, row));
        else if (mt_withheld_why(o->withheld, path) != NULL) {
            note(o->kept_back, &o->cohort->n_withheld, mt_labels_id(o->labels, row));
            g_free(path);
        } else if (!add_file(o, row, path, error))
            return false;
    }
    return true;
}

static char *and_more(guint n)
{
    return n > LISTED ? g_strdup_printf(" and %u more", n - LISTED) : g_strdup("");
}

/* A control case says that something was wrong with that night: with the features, then. */
static bool refuse_withheld(const opening *o, GError **error)
{
    guint            n = o->cohort->n_withheld;
    g_autofree char *more = and_more(n);

    if (n == 0 || o->params->allow_missing)
        return true;
    g_set_error(
        error, MT_ERROR, MT_ERROR_INPUT,
        "labels %s: %u case%s withheld in %s by a control case that was not as expected: %s%s: run the night again once the control "
        "passes, or leave them out with --allow-missing",
        mt_labels_path(o->labels), n, n == 1 ? " is" : "s are", o->folder, o->kept_back->str, more);
    return false;
}

static bool refuse_missing(const opening *o, GError **error)
{
    guint            n = o->cohort->n_missing;
    g_autofree char *more = and_more(n);

    if (n > 0 && !o->params->allow_missing)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "labels %s: %u case%s ha%s no result in %s: %s%s: run them first, or leave them out with --allow-missing",
                    mt_labels_path(o->labels), n, n == 1 ? "" : "s", n == 1 ? "s" : "ve", o->folder, o->missing->str, more);
    else if (o->cohort->cases->len == 0)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "labels %s: no case with a label has a result with tiles in %s",
                    mt_labels_path(o->labels), o->folder);
    else
        return true;
    return false;
}

/* Every row of one result, counted against the folder, leaves those that nobody named. */
static bool count_others(opening *o, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GDir) dir = g_dir_open(o->folder, 0, &cause);
    g_autoptr(GHashTable) named = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    if (dir == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "read %s: %s: results of `microtome run -o OUT` are wanted", o->folder,
                    g_strerror(g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT) ? ENOENT : EACCES));
        return false;
    }
    for (guint row = 0; row < mt_labels_n(o->labels); row++) {
        g_autofree char *path = find_file(o->folder, mt_labels_id(o->labels, row));
        if (path != NULL)
            g_hash_table_add(named, g_path_get_basename(path));
    }
    for (const char *name; (name = g_dir_read_name(dir)) != NULL;)
        o->cohort->n_without_row += g_str_has_suffix(name, ".h5") && *name != '.' && !g_hash_table_contains(named, name);
    return true;
}

static gint compare_entries(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const cohort_entry *const *)a)->c.id, (*(const cohort_entry *const *)b)->c.id);
}

static bool refuse_twins(const opening *o, GError **error)
{
    for (guint i = 1; i < o->cohort->cases->len; i++) {
        const cohort_entry *a = o->cohort->cases->pdata[i - 1], *b = o->cohort->cases->pdata[i];
        if (strcmp(a->c.id, b->c.id) != 0)
            continue;
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "labels %s: lines %u and %u are both the result %s", mt_labels_path(o->labels),
                    mt_labels_line(o->labels, a->c.row), mt_labels_line(o->labels, b->c.row), a->c.path);
        return false;
    }
    return true;
}

/* OUT/cases of a run; a folder without it is one of feature files itself. */
static char *features_folder(const char *out)
{
    char *cases = g_build_filename(out, "cases", NULL);

    if (g_file_test(cases, G_FILE_TEST_IS_DIR) || !g_file_test(out, G_FILE_TEST_IS_DIR))
        return cases;
    g_free(cases);
    return g_strdup(out);
}

mt_cohort *mt_cohort_open(const char *out, const mt_labels *labels, const mt_targets *targets, const mt_cohort_params *params,
                          GError **error)
{
    g_autoptr(mt_cohort) cohort = g_new0(mt_cohort, 1);
    g_autofree char *folder = features_folder(out);
    g_autoptr(GString) missing = g_string_new(NULL);
    g_autoptr(GString) kept_back = g_string_new(NULL);
    g_autoptr(mt_withheld) withheld = mt_withheld_read(out);
    opening o = {.cohort = cohort,
                 .folder = folder,
                 .labels = labels,
                 .params = params,
                 .budget = params->cache_bytes > 0 ? params->cache_bytes : DEFAULT_CACHE_BYTES,
                 .missing = missing,
                 .withheld = withheld,
                 .kept_back = kept_back};

    cohort->cases = g_ptr_array_new_with_free_func(entry_free);
    cohort->files = mt_cohort_files_new();
    if (!count_others(&o, error) || !add_rows(&o, targets, error) || !refuse_withheld(&o, error) || !refuse_missing(&o, error))
        return NULL;
    g_ptr_array_sort(cohort->cases, compare_entries);
    return refuse_twins(&o, error) ? g_steal_pointer(&cohort) : NULL;
}
