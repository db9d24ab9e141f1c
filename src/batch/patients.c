/* OUT/patients/<id>.h5: the cases of one patient as one answer. */
#include "src/base/publish.h"
#include "src/batch/supersede.h"
#include "src/result/headline.h"

#include <microtome/batch.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

static gint by_id(gconstpointer a, gconstpointer b)
{
    const mt_batch_case *const *left = a, *const *right = b;

    return strcmp((*left)->id, (*right)->id);
}

/* patient -> its cases; the order of patients is that of their names. */
static GTree *group(GPtrArray *cases)
{
    GTree *patients = g_tree_new_full((GCompareDataFunc)(void (*)(void))strcmp, NULL, NULL, (GDestroyNotify)g_ptr_array_unref);

    for (guint i = 0; i < cases->len; i++) {
        mt_batch_case *c = cases->pdata[i];
        if (c->patient == NULL || *c->patient == '\0')
            continue;
        GPtrArray *own = g_tree_lookup(patients, c->patient);
        if (own == NULL) {
            own = g_ptr_array_new();
            g_tree_insert(patients, c->patient, own);
        }
        g_ptr_array_add(own, c);
    }
    return patients;
}

static char *file_of(const char *out, const char *folder, const char *id, const char *ending)
{
    g_autofree char *name = g_strconcat(id, ending, NULL);

    return g_build_filename(out, folder, name, NULL);
}

static bool make_folder(const char *out, const char *name, GError **error)
{
    g_autofree char *folder = g_build_filename(out, name, NULL);

    if (g_mkdir_with_parents(folder, 0755) == 0)
        return true;
    mt_publish_io_error(error, "create folder", folder, errno);
    return false;
}

static bool supersede(const char *out, const char *id, const char *target, GError **error)
{
    g_autofree char *name = g_strconcat("patient-", id, NULL), *moved = mt_supersede(out, name, target, error);

    return moved != NULL;
}

static bool is_same(const char *target, const char *sha256)
{
    g_autofree char *line = mt_result_headline(target, NULL);
    g_autoptr(mt_headline) headline = line != NULL ? mt_headline_parse(line, target, NULL) : NULL;

    return headline != NULL && g_strcmp0(headline->input_sha256, sha256) == 0;
}

typedef struct patient_run {
    const mt_scorer   *scorer;
    const char        *out;
    mt_patient_rule    rule;
    mt_patient_totals *totals;
} patient_run;

static bool run_patient(const patient_run *run, const char *name, GPtrArray *cases, GError **error)
{
    g_autofree char *id = mt_batch_case_id(name), *target = file_of(run->out, "patients", id, ".h5");
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free), missing = g_ptr_array_new();

    g_ptr_array_sort(cases, by_id);
    for (guint i = 0; i < cases->len; i++) {
        const mt_batch_case *c = cases->pdata[i];
        char                *path = file_of(run->out, "cases", c->id, ".h5");
        if (access(path, F_OK) == 0) {
            g_ptr_array_add(paths, path);
            continue;
        }
        g_free(path);
        g_ptr_array_add(missing, c->id);
    }
    g_ptr_array_add(paths, NULL);
    g_ptr_array_add(missing, NULL);
    mt_patient       patient = {name, (const char *const *)paths->pdata, (const char *const *)missing->pdata};
    g_autofree char *sha256 = mt_aggregate_patient_sha256(run->scorer, run->rule, &patient, error);
    bool             there = access(target, F_OK) == 0;
    if (sha256 == NULL)
        return false;
    if (there && is_same(target, sha256)) {
        run->totals->skipped++;
        return true;
    }
    if ((there && !supersede(run->out, id, target, error)) || !mt_aggregate_patient(run->scorer, run->rule, &patient, target, error))
        return false;
    run->totals->done++;
    return true;
}

bool mt_batch_patients(GPtrArray *cases, const mt_scorer *scorer, mt_patient_rule rule, const char *out,
                       void (*failed)(void *user, const char *patient, const char *reason), void *user, mt_patient_totals *totals,
                       GError **error)
{
    g_autoptr(GTree) patients = group(cases);
    patient_run run = {.scorer = scorer, .out = out, .rule = rule, .totals = totals};

    *totals = (mt_patient_totals){0};
    if (g_tree_nnodes(patients) > 0 && !make_folder(out, "patients", error))
        return false;
    for (GTreeNode *node = g_tree_node_first(patients); node != NULL; node = g_tree_node_next(node)) {
        g_autoptr(GError) cause = NULL;
        if (run_patient(&run, g_tree_node_key(node), g_tree_node_value(node), &cause))
            continue;
        totals->failed++;
        if (failed != NULL)
            failed(user, g_tree_node_key(node), cause->message);
    }
    return true;
}
