/* The answers of a query as a manifest. */
#include "src/base/csv.h"
#include "src/base/publish.h"
#include "src/export/dicom_find.h"

#include <string.h>

#define UID_CHARACTERS 64

/* RequestedProcedurePriority (0040,1003) in the manifest's words */
static const char *const priorities[][2] = {
    {"STAT", "urgent"}, {"HIGH", "high"}, {"ROUTINE", "routine"}, {"MEDIUM", "routine"}, {"LOW", "low"}};

static const char *priority_of(const mt_dicom_study *study)
{
    for (size_t i = 0; i < G_N_ELEMENTS(priorities); i++)
        if (g_ascii_strcasecmp(study->priority, priorities[i][0]) == 0)
            return priorities[i][1];
    return "";
}

/* It becomes the name of a folder. */
static bool good_uid(const char *uid)
{
    size_t n = strlen(uid);

    return n > 0 && n <= UID_CHARACTERS && g_ascii_isdigit(*uid) && strspn(uid, "0123456789.") == n;
}

static gint by_urgency(gconstpointer a, gconstpointer b)
{
    const mt_dicom_study *first = *(const mt_dicom_study *const *)a, *second = *(const mt_dicom_study *const *)b;
    int                   order = (strcmp(priority_of(second), "urgent") == 0) - (strcmp(priority_of(first), "urgent") == 0);

    order = order != 0 ? order : strcmp(first->date, second->date);
    order = order != 0 ? order : strcmp(first->time, second->time);
    return order != 0 ? order : strcmp(first->study_uid, second->study_uid);
}

/* Several procedure steps of a study are one row. */
static void keep_one_each(GPtrArray *studies)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < studies->len;) {
        const mt_dicom_study *study = g_ptr_array_index(studies, i);
        if (good_uid(study->study_uid) && g_hash_table_add(seen, g_strdup(study->study_uid)))
            i++;
        else
            g_ptr_array_remove_index(studies, i);
    }
}

static GHashTable *count_accessions(const GPtrArray *studies)
{
    GHashTable *counts = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < studies->len; i++) {
        const mt_dicom_study *study = g_ptr_array_index(studies, i);
        int                   n = GPOINTER_TO_INT(g_hash_table_lookup(counts, study->accession));
        g_hash_table_insert(counts, study->accession, GINT_TO_POINTER(n + 1));
    }
    return counts;
}

static char *table_of(const GPtrArray *studies)
{
    GString *table = g_string_new("path,id,patient,study_uid,accession,modality,date,time,priority\n");
    g_autoptr(GHashTable) counts = count_accessions(studies);

    for (guint i = 0; i < studies->len; i++) {
        const mt_dicom_study *s = g_ptr_array_index(studies, i);
        bool                  alone = *s->accession != '\0' && GPOINTER_TO_INT(g_hash_table_lookup(counts, s->accession)) == 1;
        const char           *cells[] = {
                      s->study_uid,  alone ? s->accession : s->study_uid, s->patient, s->study_uid, s->accession, s->modality, s->date, s->time,
                      priority_of(s)};
        for (size_t k = 0; k < G_N_ELEMENTS(cells); k++)
            mt_csv_append_text(table, cells[k], k == 0);
        g_string_append_c(table, '\n');
    }
    return g_string_free(table, FALSE);
}

static bool check_date(const char *date)
{
    size_t n = strlen(date);

    return (n == 8 && strspn(date, "0123456789") == 8) ||
           (n == 17 && strspn(date, "0123456789") == 8 && date[8] == '-' && strspn(date + 9, "0123456789") == 8);
}

bool mt_worklist_write(const mt_worklist_params *params, const char *path, int64_t *rows, GError **error)
{
    if (params->date != NULL && !check_date(params->date)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--date %s: YYYYMMDD or YYYYMMDD-YYYYMMDD is wanted", params->date);
        return false;
    }
    if (params->modality != NULL &&
        (*params->modality == '\0' || strspn(params->modality, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ ") != strlen(params->modality))) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--modality %s: one of DICOM's is wanted, as CT, MR, SM", params->modality);
        return false;
    }
    if (!(params->timeout_s >= 1 && params->timeout_s <= 3600)) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "--timeout: 1 to 3600 seconds are wanted");
        return false;
    }
    g_autoptr(GPtrArray) studies = mt_dicom_find(params, error);
    if (params->stop != NULL && *params->stop) {
        g_clear_error(error);
        g_set_error(error, MT_ERROR, MT_ERROR_STOPPED, "stopped; run again");
        return false;
    }
    if (studies == NULL)
        return false;
    g_ptr_array_sort(studies, by_urgency);
    keep_one_each(studies);
    *rows = studies->len;
    g_autofree char *table = table_of(studies);
    return mt_publish_text(path, table, true, error);
}
