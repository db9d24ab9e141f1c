#include <microtome/deidentify.h>

#include "src/base/csv.h"
#include "src/base/hash.h"
#include "src/base/publish.h"
#include "src/case/tiff_clean.h"
#include "src/export/deidentify_scrub.h"
#include "src/export/dicom_deidentify.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_BYTES 32
#define MIN_UID_NEEDLE 10
#define MAX_DEPTH 64

typedef struct worker {
    const mt_deidentify_params *params;
    mt_deidentify_counts       *counts;
    mt_dicom_deidentify         dicom;
    uint8_t                     key[KEY_BYTES];
    GString                    *report, *links;
    int64_t                     number; /* of the file at hand, from 1 */
} worker;

static bool make_key(const char *path, uint8_t *key, GError **error)
{
    if (getrandom(key, KEY_BYTES, 0) != KEY_BYTES) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "make a key: the system gives no random bytes");
        return false;
    }
    if (path == NULL)
        return true;
    int  fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, key, KEY_BYTES) == KEY_BYTES && fsync(fd) == 0;
    if (!ok)
        mt_publish_io_error(error, "write key", path, errno);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool read_key(const char *path, uint8_t *key, GError **error)
{
    g_autofree char *bytes = NULL;
    gsize            n = 0;

    if (path == NULL)
        return make_key(NULL, key, error);
    if (access(path, F_OK) != 0 && !make_key(path, key, error))
        return false;
    if (!g_file_get_contents(path, &bytes, &n, NULL) || n < 16 || n > 4096) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read key %s: 16 to 4096 bytes are wanted", path);
        return false;
    }
    g_autofree char *hash = mt_hash_bytes(bytes, n);
    memcpy(key, hash, KEY_BYTES); /* half of its digits: as good as the bytes they are of */
    return true;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Every file below, in the order of names; links are not followed. */
static bool list_files(const char *path, int depth, GPtrArray *files, GError **error)
{
    struct stat status;

    if (lstat(path, &status) != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "deidentify %s: %s", path, g_strerror(errno));
        return false;
    }
    if (S_ISREG(status.st_mode) || depth == 0)
        if (!S_ISDIR(status.st_mode)) {
            g_ptr_array_add(files, g_strdup(path));
            return true;
        }
    if (!S_ISDIR(status.st_mode) || depth > MAX_DEPTH)
        return true;
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    for (const char *name; dir != NULL && (name = g_dir_read_name(dir)) != NULL;)
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, by_name);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *below = g_build_filename(path, names->pdata[i], NULL);
        if (!list_files(below, depth + 1, files, error))
            return false;
    }
    return true;
}

static bool is_found(const char *bytes, gsize n, const char *needle, gsize m)
{
    return m > 0 && m <= n && memmem(bytes, n, needle, m) != NULL;
}

/* Whether one of them stands in the file; what was kept of the file on purpose counts too. */
static bool search(const char *path, const GPtrArray *needles, GHashTable *uids, GError **error)
{
    g_autoptr(GError) reason = NULL;
    GMappedFile   *map = g_mapped_file_new(path, FALSE, &reason);
    bool           clean = map != NULL;
    GHashTableIter iter;
    gpointer       uid;

    if (map == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "its copy cannot be read again: %s", reason->message);
        return false;
    }
    const char *bytes = g_mapped_file_get_contents(map);
    gsize       n = g_mapped_file_get_length(map);
    for (guint i = 0; clean && needles != NULL && i < needles->len; i++) {
        gsize       m;
        const char *needle = g_bytes_get_data(needles->pdata[i], &m);
        clean = !is_found(bytes, n, needle, m);
    }
    if (uids != NULL)
        g_hash_table_iter_init(&iter, uids);
    while (clean && uids != NULL && g_hash_table_iter_next(&iter, &uid, NULL))
        clean = strlen(uid) < MIN_UID_NEEDLE || !is_found(bytes, n, uid, strlen(uid));
    g_mapped_file_unref(map);
    if (!clean)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "something that names the patient is still in its copy, which was thrown away: remove the attribute that holds it by a "
                    "profile");
    return clean;
}

static void report_row(worker *w, const char *output, const char *outcome, const char *what)
{
    g_string_append_printf(w->report, "%" G_GINT64_FORMAT, w->number);
    mt_csv_append_text(w->report, output != NULL ? output : "", false);
    mt_csv_append_text(w->report, outcome, false);
    mt_csv_append_text(w->report, what, false);
    g_string_append_c(w->report, '\n');
}

static void tell(worker *w, const char *input, const char *output, mt_deidentify_outcome outcome, const char *words)
{
    const mt_deidentify_event event = {input, output, outcome, words};

    w->counts->files++;
    w->counts->written += outcome == MT_DEIDENTIFY_WRITTEN;
    w->counts->left_out += outcome == MT_DEIDENTIFY_LEFT_OUT;
    w->counts->refused += outcome == MT_DEIDENTIFY_REFUSED;
    if (w->params->event != NULL)
        w->params->event(w->params->user, &event);
}

static void link_row(worker *w, const char *input, const char *output, const char *patient, const char *pseudonym)
{
    mt_csv_append_text(w->links, input, true);
    mt_csv_append_text(w->links, output != NULL ? output : "", false);
    mt_csv_append_text(w->links, patient, false);
    mt_csv_append_text(w->links, pseudonym, false);
    g_string_append_c(w->links, '\n');
}

/* The temporary, searched and renamed. */
static bool publish(const worker *w, const char *temporary, const char *output, const GPtrArray *needles, GHashTable *uids, GError **error)
{
    g_autofree char *target = g_build_filename(w->params->out, output, NULL), *folder = g_path_get_dirname(target);

    if (!search(temporary, needles, uids, error))
        return false;
    if (g_mkdir_with_parents(folder, 0777) != 0) {
        mt_publish_io_error(error, "make folder", folder, errno);
        return false;
    }
    int fd = open(temporary, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        mt_publish_io_error(error, "write", target, errno);
        return false;
    }
    return mt_publish_commit(temporary, fd, target, false, error);
}

static char *temporary_path(const worker *w, GError **error)
{
    g_autofree char *inside = g_build_filename(w->params->out, "copy", NULL);
    int              fd;
    char            *path = mt_publish_begin(inside, &fd, error);

    if (path != NULL)
        close(fd);
    return path;
}

static bool one_dicom(worker *w, const char *input, char **output, mt_dicom_changes *changes, GError **error)
{
    g_autofree char *temporary = temporary_path(w, error);
    bool             ok = temporary != NULL && mt_dicom_deidentify_file(&w->dicom, input, temporary, changes, error);

    if (ok && changes->left_out == NULL) {
        *output = g_strdup_printf("%s/%s/%s.dcm", changes->pseudonym, changes->series, changes->instance);
        ok = publish(w, temporary, *output, changes->needles, changes->uids, error);
    }
    if (temporary != NULL)
        g_unlink(temporary);
    return ok;
}

static void dicom_rows(worker *w, const char *output, const mt_dicom_changes *changes)
{
    for (guint i = 0; i < changes->attributes->len; i++)
        report_row(w, output, "written", changes->attributes->pdata[i]);
    if (changes->pixels != NULL)
        report_row(w, output, "written", changes->pixels);
    if (changes->comments > 0)
        report_row(w, output, "written", "comments in compressed pictures: overwritten");
    report_row(w, output, "written", "searched for what was taken out: nothing left");
}

static bool treat_dicom(worker *w, const char *input, GError **error)
{
    mt_dicom_changes changes = {0};
    g_autofree char *output = NULL;
    bool             ok = one_dicom(w, input, &output, &changes, error);

    if (ok && changes.left_out != NULL) {
        report_row(w, NULL, "left out", changes.left_out);
        tell(w, input, NULL, MT_DEIDENTIFY_LEFT_OUT, changes.left_out);
    } else if (ok) {
        dicom_rows(w, output, &changes);
        link_row(w, input, output, changes.patient, changes.pseudonym);
        tell(w, input, output, MT_DEIDENTIFY_WRITTEN, changes.pixels);
    }
    mt_dicom_changes_clear(&changes);
    return ok;
}

static bool one_slide(worker *w, const char *input, mt_tiff_clean *clean, char **output, char **pseudonym, GError **error)
{
    g_autofree char *temporary = temporary_path(w, error), *name = g_path_get_basename(input), *all = g_strconcat("slide ", name, NULL),
                    *hash = mt_hash_keyed(w->dicom.key, w->dicom.key_bytes, all, strlen(all));
    bool ok = temporary != NULL && mt_tiff_clean_copy(input, temporary, mt_scrub_picture, clean, error);

    *pseudonym = g_strdup_printf("ID-%.10s", hash);
    if (ok) {
        char *dot = strrchr(name, '.');
        if (dot != NULL)
            *dot = '\0';
        if (strlen(name) >= 4) /* a slide's name is its number */
            g_ptr_array_add(clean->needles, g_bytes_new(name, strlen(name)));
        *output = g_strdup_printf("%s.%s", *pseudonym, clean->aperio ? "svs" : "tif");
        ok = publish(w, temporary, *output, clean->needles, NULL, error);
    }
    if (temporary != NULL)
        g_unlink(temporary);
    return ok;
}

static bool treat_slide(worker *w, const char *input, GError **error)
{
    mt_tiff_clean    clean = {0};
    g_autofree char *output = NULL, *pseudonym = NULL, *name = g_path_get_basename(input);
    bool             ok = one_slide(w, input, &clean, &output, &pseudonym, error);

    if (ok) {
        g_autofree char *pictures = g_strdup_printf("%d pictures beside the pyramid (label, macro, thumbnail): left out", clean.dropped);
        for (guint i = 0; i < clean.removed->len; i++) {
            g_autofree char *what = g_strconcat(clean.removed->pdata[i], ": removed", NULL);
            report_row(w, output, "written", what);
        }
        if (clean.dropped > 0)
            report_row(w, output, "written", pictures);
        if (clean.comments > 0)
            report_row(w, output, "written", "comments in compressed tiles: overwritten");
        report_row(w, output, "written", "searched for what was taken out: nothing left");
        link_row(w, input, output, name, pseudonym);
        tell(w, input, output, MT_DEIDENTIFY_WRITTEN, clean.dropped > 0 ? pictures : NULL);
    }
    mt_tiff_clean_clear(&clean);
    return ok;
}

/* A full disk ends it all; what is wrong with a file is that file's alone. */
static bool treat(worker *w, const char *input, GError **error)
{
    g_autoptr(GError) reason = NULL;
    uint8_t head[8] = {0};
    int     fd = open(input, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, head, sizeof head) : -1;
    bool    tiff = n >= 4 && (memcmp(head, "II*\0", 4) == 0 || memcmp(head, "MM\0*", 4) == 0 || memcmp(head, "II+\0", 4) == 0 ||
                           memcmp(head, "MM\0+", 4) == 0);

    if (fd >= 0)
        close(fd);
    w->number++;
    if (tiff ? treat_slide(w, input, &reason) : mt_dicom_deidentify_takes(input) && treat_dicom(w, input, &reason))
        return true;
    if (reason != NULL && (g_error_matches(reason, MT_ERROR, MT_ERROR_IO) || g_error_matches(reason, MT_ERROR, MT_ERROR_INTERNAL))) {
        g_propagate_prefixed_error(error, g_steal_pointer(&reason), "deidentify %s: ", input);
        return false;
    }
    const char *words = reason != NULL ? reason->message : "it is neither a DICOM file nor a tiled TIFF";
    bool        stray = reason == NULL && !g_strv_contains(w->params->paths, input);
    report_row(w, NULL, stray ? "left out" : "refused", words);
    tell(w, input, NULL, stray ? MT_DEIDENTIFY_LEFT_OUT : MT_DEIDENTIFY_REFUSED, words);
    return true;
}

static bool write_tables(const worker *w, GError **error)
{
    g_autofree char *path = g_build_filename(w->params->out, "report.csv", NULL);

    if (!mt_publish_text(path, w->report->str, true, error))
        return false;
    if (w->params->links == NULL)
        return true;
    g_autoptr(GError) reason = NULL;
    if (g_file_set_contents_full(w->params->links, w->links->str, (gssize)w->links->len,
                                 G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, &reason))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_IO, "write %s: %s", w->params->links, reason->message);
    return false;
}

bool mt_deidentify(const mt_deidentify_params *params, mt_deidentify_counts *counts, GError **error)
{
    g_autoptr(mt_deidentify_profile) profile = mt_deidentify_profile_load(params->profile, error);
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    worker w = {.params = params,
                .counts = counts,
                .report = g_string_new("number,output,outcome,what\n"),
                .links = g_string_new("input,output,patient,pseudonym\n")};
    bool   ok = profile != NULL && read_key(params->key_file, w.key, error);

    *counts = (mt_deidentify_counts){0};
    w.dicom = (mt_dicom_deidentify){
        profile, w.key, KEY_BYTES, params->shift_dates, params->keep_descriptions, params->keep_characteristics, params->allow_burned_in};
    for (int i = 0; ok && params->paths[i] != NULL; i++)
        ok = list_files(params->paths[i], 0, files, error);
    if (ok && g_mkdir_with_parents(params->out, 0777) != 0) {
        mt_publish_io_error(error, "make folder", params->out, errno);
        ok = false;
    }
    for (guint i = 0; ok && i < files->len; i++) {
        ok = treat(&w, files->pdata[i], error);
        if (ok && params->progress != NULL && !params->progress(params->user, (int64_t)i + 1, files->len)) {
            g_set_error(error, MT_ERROR, MT_ERROR_STOPPED, "stopped after %u of %u files", i + 1, files->len);
            ok = false;
        }
    }
    if (w.number > 0 && !write_tables(&w, ok ? error : NULL))
        ok = false;
    g_string_free(w.report, TRUE);
    g_string_free(w.links, TRUE);
    return ok;
}
