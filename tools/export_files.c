#include "tools/export_files.h"

#include <microtome/batch.h>
#include <microtome/case.h>

#include <stdio.h>
#include <string.h>

/* Where sources are looked for: the cases of --sources and --manifest, as `run` would list them. */
typedef struct places {
    GPtrArray *cases;  /* mt_batch_case *, borrowed from `lists` */
    GPtrArray *lists;  /* GPtrArray * */
    GPtrArray *hashes; /* char * of each case, "" where it cannot be read; NULL: nobody asked */
} places;

static bool add_list(places *p, const char *path, bool studies, GError **error)
{
    const char *const arguments[] = {path, NULL};
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    GPtrArray *cases = mt_batch_cases_warned(arguments, 0, 0, studies, warnings, error);

    if (cases == NULL)
        return false;
    g_ptr_array_add(p->lists, cases);
    for (guint i = 0; i < cases->len; i++)
        g_ptr_array_add(p->cases, cases->pdata[i]);
    return true;
}

static bool list_places(places *p, const mt_export_files *e, GError **error)
{
    p->cases = g_ptr_array_new();
    p->lists = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    if (e->manifest != NULL && !add_list(p, e->manifest, false, error))
        return false;
    if (e->sources == NULL)
        return true;
    /* a folder of folders may be a case (of a study) or many: both are looked at, and one of them has to be there */
    bool studies = g_file_test(e->sources, G_FILE_TEST_IS_DIR) && add_list(p, e->sources, true, NULL);
    return add_list(p, e->sources, false, studies ? NULL : error) || studies;
}

static void clear_places(places *p)
{
    g_clear_pointer(&p->cases, g_ptr_array_unref);
    g_clear_pointer(&p->lists, g_ptr_array_unref);
    g_clear_pointer(&p->hashes, g_ptr_array_unref);
}

static const char *hash_of(places *p, guint i)
{
    if (p->hashes == NULL) {
        p->hashes = g_ptr_array_new_with_free_func(g_free);
        for (guint k = 0; k < p->cases->len; k++) {
            char *hash = mt_case_identity(((const mt_batch_case *)p->cases->pdata[k])->path, NULL);
            g_ptr_array_add(p->hashes, hash != NULL ? hash : g_strdup(""));
        }
    }
    return p->hashes->pdata[i];
}

/* Of the same id; where there is none (ids were hashed), of the same bytes. */
static void find_source(places *p, const mt_result *result, mt_handover_source *source)
{
    g_autofree char *id = g_path_get_basename(mt_result_path(result)), *sha256 = NULL;
    bool             found = false;

    if (g_str_has_suffix(id, ".h5"))
        id[strlen(id) - 3] = '\0';
    for (int by_hash = 0; by_hash < 2 && !found; by_hash++) {
        if (by_hash && (sha256 = mt_handover_source_sha256(result)) == NULL)
            return;
        for (guint i = 0; i < p->cases->len; i++) {
            const mt_batch_case *c = p->cases->pdata[i];
            if (by_hash ? strcmp(hash_of(p, i), sha256) != 0 : strcmp(c->id, id) != 0)
                continue;
            found = true;
            if (source->path == NULL && g_file_test(c->path, G_FILE_TEST_EXISTS))
                source->path = c->path;
            if (source->patient == NULL)
                source->patient = mt_batch_case_column(c, "patient");
            if (source->study_uid == NULL)
                source->study_uid = mt_batch_case_column(c, "study_uid");
            if (source->accession == NULL)
                source->accession = mt_batch_case_column(c, "accession");
        }
    }
}

static void join_codes(int *code, int one)
{
    *code = *code == 0 || *code == one ? one : 65;
}

static mt_result *open_told(const char *path, GError **error)
{
    g_autofree char *why = mt_batch_withheld(path);

    if (why == NULL)
        return mt_result_open(path, error);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "export %s: its score is withheld: %s", path, why);
    return NULL;
}

static int export_one(const mt_command *command, mt_handover *handover, places *p, const char *path, guint *n_written)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_result) result = open_told(path, &error);
    g_autoptr(GPtrArray) written = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) refused = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    mt_handover_source source = {0};
    int                code = 0;

    if (result == NULL)
        return mt_command_fail(command, error);
    find_source(p, result, &source);
    mt_handover_add(handover, result, &source, written, refused);
    for (guint i = 0; i < written->len; i++)
        puts(written->pdata[i]);
    for (guint i = 0; i < refused->len; i++)
        join_codes(&code, mt_command_fail(command, refused->pdata[i]));
    *n_written += written->len;
    return code;
}

int mt_export_files_run(const mt_command *command, char **paths, const mt_export_files *e)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_handover) handover = mt_handover_new(&e->params, &error);
    places p = {0};
    int    code = 0;
    guint  n_written = 0;

    if (handover == NULL || !list_places(&p, e, &error)) {
        clear_places(&p);
        return mt_command_fail(command, error);
    }
    for (; *paths != NULL; paths++) {
        int one = export_one(command, handover, &p, *paths, &n_written);
        if (one != 0)
            join_codes(&code, one);
        if (one == 74)
            break; /* our disk: the others would fail too */
    }
    clear_places(&p);
    return code != 0 && code != 74 && n_written > 0 ? 65 : code;
}
