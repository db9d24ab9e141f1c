#include "src/batch/drop_folder.h"

#include "src/base/hash.h"
#include "src/batch/case_listing.h"
#include "src/batch/case_whole.h"
#include "src/batch/cases.h"

#include <stdarg.h>
#include <string.h>

#define SHORTEST_US (G_USEC_PER_SEC / 5)
#define LONGEST_US (10 * (gint64)G_USEC_PER_SEC)
#define PER_FILE_US 1000                                 /* a folder of 10,000 slides is listed every 20 s */
#define IMPATIENCE_US (10 * 60 * (gint64)G_USEC_PER_SEC) /* an unfinished slide that does not change is told of after that */

/* A case of the folder, whole or not. */
typedef struct dropped {
    char  *id;      /* NULL: not given yet */
    char  *seen;    /* how its files looked; mt_case_whole_look() */
    gint64 seen_us; /* since when */
    char  *given;   /* how they looked when the case was given */
    guint  round;   /* the last look that found it */
} dropped;

struct mt_drop_folder {
    char       *folder;
    gint64      settle_us, looked_us;
    double      mpp_x, mpp_y;
    guint       position, round, growing;
    bool        looked, lost;
    GHashTable *files;   /* path -> dropped */
    GHashTable *owners;  /* id -> path of the case that has it */
    GHashTable *told;    /* what warnings have told already */
    GHashTable *skipped; /* what is no case -> gint64, when it was seen first */
};

static void free_dropped(void *data)
{
    dropped *d = data;

    g_free(d->id);
    g_free(d->seen);
    g_free(d->given);
    g_free(d);
}

mt_drop_folder *mt_drop_folder_new(const mt_drop_folder_params *params, GError **error)
{
    if (!g_file_test(params->folder, G_FILE_TEST_IS_DIR)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "watch %s: there is no such folder", params->folder);
        return NULL;
    }
    mt_drop_folder *watch = g_new0(mt_drop_folder, 1);
    watch->folder = g_strdup(params->folder);
    for (size_t n = strlen(watch->folder); n > 1 && watch->folder[n - 1] == '/'; n--)
        watch->folder[n - 1] = '\0';
    watch->settle_us = params->settle_us;
    watch->mpp_x = params->mpp_x;
    watch->mpp_y = params->mpp_y;
    watch->position = params->position;
    watch->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_dropped);
    watch->owners = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    watch->skipped = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    watch->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return watch;
}

void mt_drop_folder_free(mt_drop_folder *watch)
{
    if (watch == NULL)
        return;
    g_hash_table_unref(watch->files);
    g_hash_table_unref(watch->owners);
    g_hash_table_unref(watch->told);
    g_hash_table_unref(watch->skipped);
    g_free(watch->folder);
    g_free(watch);
}

guint mt_drop_folder_growing(const mt_drop_folder *watch)
{
    return watch->growing;
}

static void G_GNUC_PRINTF(3, 4) warn(mt_drop_folder *watch, GPtrArray *warnings, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    g_autofree char *text = g_strdup_vprintf(format, values);
    va_end(values);
    if (warnings != NULL && g_hash_table_add(watch->told, g_strdup(text)))
        g_ptr_array_add(warnings, g_steal_pointer(&text));
}

/* The file that has this id already, if it is another one and still there. */
static const char *other_owner(mt_drop_folder *watch, const char *id, const char *path)
{
    const char *owner = g_hash_table_lookup(watch->owners, id);

    if (owner != NULL && strcmp(owner, path) != 0 && g_file_test(owner, G_FILE_TEST_EXISTS))
        return owner;
    g_hash_table_insert(watch->owners, g_strdup(id), g_strdup(path));
    return NULL;
}

/* The name of the folder may be a patient's, so it is no part of an id: a second file of a name gets a number of its own, and is refused. */
static void refuse(mt_batch_case *c, const char *owner)
{
    g_autofree char *hash = mt_hash_bytes(c->path, strlen(c->path)), *id = g_strdup_printf("%s-%.8s", c->id, hash),
                    *mine = g_path_get_basename(c->path), *theirs = g_path_get_basename(owner);

    c->refused = g_strdup_printf("take %s from the watched folder: another file there, %s, is case '%s' already: rename one of them", mine,
                                 theirs, c->id);
    g_free(c->id);
    c->id = mt_batch_case_id(id);
}

static void give(mt_drop_folder *watch, const char *path, dropped *d, GPtrArray *ready)
{
    mt_batch_case *c = mt_batch_case_new(path, d->id);
    const char    *owner = d->id == NULL ? other_owner(watch, c->id, path) : NULL;

    if (owner != NULL)
        refuse(c, owner);
    else {
        g_free(d->id);
        d->id = g_strdup(c->id);
    }
    if (watch->mpp_x > 0) {
        c->mpp_x = watch->mpp_x;
        c->mpp_y = watch->mpp_y;
        c->mpp_source = g_strdup("option");
    }
    c->position = watch->position++;
    g_free(d->given);
    d->given = g_strdup(d->seen);
    g_ptr_array_add(ready, c);
}

static void look_at(mt_drop_folder *watch, const char *path, gint64 now_us, GPtrArray *ready, GPtrArray *warnings)
{
    g_autofree char *missing = NULL, *name = g_path_get_basename(path);
    char            *now = mt_case_whole_look(path, &missing);
    dropped         *d = g_hash_table_lookup(watch->files, path);

    if (d == NULL) {
        d = g_new0(dropped, 1);
        g_hash_table_insert(watch->files, g_strdup(path), d);
    }
    d->round = watch->round;
    bool same = now != NULL && g_strcmp0(d->seen, now) == 0;
    g_free(d->seen);
    d->seen = now;
    d->seen_us = same ? d->seen_us : now_us;
    if (now == NULL || g_strcmp0(d->given, now) == 0)
        return;
    watch->growing++;
    if (!g_utf8_validate(path, -1, NULL))
        warn(watch, warnings, "watch: a file beside case '%s' is left out: its path is not UTF-8: rename it", d->id != NULL ? d->id : "");
    else if (missing != NULL && same && now_us - d->seen_us >= MAX(IMPATIENCE_US, watch->settle_us))
        warn(watch, warnings, "watch: %s is not whole and does not change any more: %s is missing or empty", name, missing);
    else if (missing == NULL && same && now_us - d->seen_us >= watch->settle_us) {
        watch->growing--;
        give(watch, path, d, ready);
    }
}

/* Parts that arrive before the file they belong to are no reason for a word yet. */
static void note_skipped(mt_drop_folder *watch, const char *what, gint64 now_us, GPtrArray *warnings)
{
    const gint64 *first = g_hash_table_lookup(watch->skipped, what);

    if (first == NULL)
        g_hash_table_insert(watch->skipped, g_strdup(what), g_memdup2(&now_us, sizeof now_us));
    else if (now_us - *first >= MAX(IMPATIENCE_US, watch->settle_us))
        warn(watch, warnings, "watch: left out: %s", what);
}

static gboolean is_gone(gpointer path, gpointer value, gpointer watch)
{
    (void)path;
    return ((dropped *)value)->round != ((mt_drop_folder *)watch)->round;
}

static gint64 wait_us(const mt_drop_folder *watch)
{
    return CLAMP(watch->settle_us / 3, SHORTEST_US, LONGEST_US) + (gint64)g_hash_table_size(watch->files) * PER_FILE_US;
}

void mt_drop_folder_look(mt_drop_folder *watch, gint64 now_us, GPtrArray *ready, GPtrArray *warnings)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free), skipped = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;

    if (watch->looked && now_us - watch->looked_us < wait_us(watch))
        return;
    watch->looked = true;
    watch->looked_us = now_us;
    if (!mt_case_listing_folder(watch->folder, paths, skipped, &error)) { /* the share is away: what is known stays known */
        if (!watch->lost && warnings != NULL)
            g_ptr_array_add(warnings, g_strdup_printf("watch: %s: it is looked at again", error->message));
        watch->lost = true;
        return;
    }
    watch->lost = false;
    watch->round++;
    watch->growing = 0;
    for (guint i = 0; i < paths->len; i++)
        if (strcmp(paths->pdata[i], watch->folder) != 0)
            look_at(watch, paths->pdata[i], now_us, ready, warnings);
        else
            warn(watch, warnings, "watch: DICOM files in the watched folder itself are left out: a series needs a folder of its own");
    for (guint i = 0; i < skipped->len; i++)
        note_skipped(watch, skipped->pdata[i], now_us, warnings);
    g_hash_table_foreach_remove(watch->files, is_gone, watch);
}
