#include "src/result/withheld.h"

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

struct mt_withheld {
    gint64 since_us;
    char  *why;
};

gint64 mt_withheld_changed_us(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? (gint64)status.st_mtim.tv_sec * G_USEC_PER_SEC + status.st_mtim.tv_nsec / 1000 : -1;
}

static void add_record(mt_withheld *w, const char *path, const char *name)
{
    json_t     *record = json_load_file(path, 0, NULL);
    json_t     *since = json_object_get(record, "since_us");
    const char *control = json_string_value(json_object_get(record, "control")),
               *expected = json_string_value(json_object_get(record, "expected")),
               *found = json_string_value(json_object_get(record, "found"));

    if (w->why == NULL || json_integer_value(since) < w->since_us) {
        g_free(w->why);
        w->since_us = json_integer_value(since); /* 0 where there is none */
        w->why = found != NULL && expected != NULL && control != NULL
                     ? g_strdup_printf("control case '%s' has to give %s: %s", control, expected, found)
                     : g_strdup_printf("the record withheld/%s of a control case cannot be read", name);
    }
    json_decref(record);
}

mt_withheld *mt_withheld_read(const char *out)
{
    g_autofree char *folder = g_build_filename(out, "withheld", NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(mt_withheld) w = g_new0(mt_withheld, 1);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if (*name != '.' && g_str_has_suffix(name, ".json") && g_file_test(path, G_FILE_TEST_EXISTS))
            add_record(w, path, name);
    }
    return w->why != NULL ? g_steal_pointer(&w) : NULL;
}

void mt_withheld_free(mt_withheld *withheld)
{
    if (withheld == NULL)
        return;
    g_free(withheld->why);
    g_free(withheld);
}

const char *mt_withheld_why(const mt_withheld *withheld, const char *result_path)
{
    gint64 changed = withheld != NULL ? mt_withheld_changed_us(result_path) : -1;

    return changed >= 0 && changed >= withheld->since_us ? withheld->why : NULL;
}

void mt_headline_withhold(mt_headline *headline, const char *why)
{
    g_free(headline->status);
    g_free(headline->decision);
    g_free(headline->reason);
    headline->status = g_strdup("withheld");
    headline->decision = g_strdup("none");
    headline->reason = g_strdup(why);
    headline->score = NAN;
    for (int i = 0; i < headline->n_scores; i++)
        headline->scores[i] = NAN;
}
