/* Findings of all cases of a folder in one file, written case by case. */
#include <microtome/findings.h>
#include <microtome/folder.h>

#include "src/base/publish.h"

#include <string.h>

typedef struct table {
    const char *path, *language;
    bool        csv;
    int         fd, n;
} table;

static bool put(table *t, const char *text, GError **error)
{
    return mt_publish_write(t->fd, text, strlen(text), t->path, error);
}

static bool put_case(table *t, const char *out, const char *id, GError **error)
{
    g_autofree char *name = g_strconcat(id, ".h5", NULL), *path = g_build_filename(out, "cases", name, NULL);
    g_autoptr(mt_result) result = mt_result_open(path, error);
    g_autoptr(mt_finding_list) list = result != NULL ? mt_finding_list_read(result, error) : NULL;

    if (list == NULL)
        return false;
    g_autofree char *text = t->csv ? mt_finding_list_csv(list, id, t->language) : mt_finding_list_json(list, id, t->language);
    return (t->csv || put(t, t->n++ > 0 ? ",\n" : "[\n", error)) && put(t, text, error);
}

static bool put_all(table *t, const mt_folder *folder, GError **error)
{
    if (t->csv && !put(t, mt_finding_csv_header(), error))
        return false;
    for (guint i = 0; i < folder->cases->len; i++) {
        const mt_folder_case *c = folder->cases->pdata[i];
        if (c->state == MT_STATE_DONE && c->withheld == NULL && !put_case(t, folder->out, c->id, error))
            return false;
    }
    return t->csv || put(t, t->n > 0 ? "\n]\n" : "[]\n", error);
}

bool mt_folder_findings(const mt_folder *folder, const char *path, const char *language, GError **error)
{
    table            t = {.path = path, .language = language, .csv = g_str_has_suffix(path, ".csv")};
    g_autofree char *temporary = mt_publish_begin(path, &t.fd, error);

    if (temporary == NULL)
        return false;
    if (put_all(&t, folder, error))
        return mt_publish_commit(temporary, t.fd, path, true, error);
    mt_publish_abandon(temporary, t.fd);
    return false;
}
