/* The ledger of sent objects. */
#include "src/export/dicom_ledger.h"

#include "src/base/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct mt_dicom_ledger {
    char       *path, *to;
    int         fd;
    GHashTable *states; /* "SOP SHA-256" -> state + 1 */
};

static void take_line(mt_dicom_ledger *ledger, const char *line)
{
    json_t     *root = json_loads(line, 0, NULL);
    const char *to = json_string_value(json_object_get(root, "to")), *sop = json_string_value(json_object_get(root, "sop"));
    const char *sha256 = json_string_value(json_object_get(root, "sha256")), *state = json_string_value(json_object_get(root, "state"));

    for (int i = 0; i <= MT_SEND_WAITING && to && sop && sha256 && state; i++)
        if (strcmp(to, ledger->to) == 0 && strcmp(state, mt_send_state_name((mt_send_state)i)) == 0)
            g_hash_table_replace(ledger->states, g_strdup_printf("%s %s", sop, sha256), GINT_TO_POINTER(i + 1));
    json_decref(root);
}

/* A last line that a power cut cut off ends here: the next one begins at its own line. */
static bool read_lines(mt_dicom_ledger *ledger)
{
    FILE  *file = fopen(ledger->path, "r");
    char  *line = NULL;
    size_t room = 0;
    bool   whole = true;

    if (file == NULL)
        return false;
    for (ssize_t n; (n = getline(&line, &room, file)) > 0;) {
        whole = line[n - 1] == '\n';
        take_line(ledger, line);
    }
    bool ok = !ferror(file);
    free(line);
    fclose(file);
    return ok && (whole || write(ledger->fd, "\n", 1) == 1);
}

mt_dicom_ledger *mt_dicom_ledger_open(const char *path, const char *to, GError **error)
{
    g_autoptr(mt_dicom_ledger) ledger = g_new0(mt_dicom_ledger, 1);

    ledger->path = g_strdup(path);
    ledger->to = g_strdup(to);
    ledger->states = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    ledger->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (ledger->fd < 0) {
        mt_publish_io_error(error, "open the ledger", path, errno);
        return NULL;
    }
    struct stat about;
    if (fstat(ledger->fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "%s: the ledger has to be a file", path);
        return NULL;
    }
    if (flock(ledger->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        g_set_error(error, MT_ERROR, MT_ERROR_STOPPED,
                    "%s: another send is at work with this ledger; wait for it, or name another (--ledger)", path);
        return NULL;
    }
    if (!read_lines(ledger)) {
        mt_publish_io_error(error, "read the ledger", path, errno);
        return NULL;
    }
    return g_steal_pointer(&ledger);
}

void mt_dicom_ledger_free(mt_dicom_ledger *ledger)
{
    if (ledger == NULL)
        return;
    if (ledger->fd >= 0)
        close(ledger->fd);
    g_hash_table_unref(ledger->states);
    g_free(ledger->path);
    g_free(ledger->to);
    g_free(ledger);
}

int mt_dicom_ledger_state(const mt_dicom_ledger *ledger, const mt_dicom_outgoing *object)
{
    g_autofree char *key = g_strdup_printf("%s %s", object->sop_instance, object->sha256);

    return GPOINTER_TO_INT(g_hash_table_lookup(ledger->states, key)) - 1;
}

bool mt_dicom_ledger_note(mt_dicom_ledger *ledger, const mt_dicom_outgoing *object, mt_send_state state, const char *words, GError **error)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *time = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ"), *name = g_path_get_basename(object->path);
    g_autofree char *file = g_utf8_make_valid(name, -1), *said = words != NULL ? g_utf8_make_valid(words, -1) : NULL;
    json_t *line = json_pack("{s:s s:s s:s s:s s:s s:s* s:s}", "to", ledger->to, "sop", object->sop_instance, "sha256", object->sha256,
                             "file", file, "state", mt_send_state_name(state), "words", said, "time", time);
    char   *text = json_dumps(line, JSON_COMPACT);
    g_autofree char *with_end = g_strconcat(text, "\n", NULL);

    g_hash_table_replace(ledger->states, g_strdup_printf("%s %s", object->sop_instance, object->sha256), GINT_TO_POINTER(state + 1));
    free(text);
    json_decref(line);
    return mt_publish_write(ledger->fd, with_end, strlen(with_end), ledger->path, error);
}

bool mt_dicom_ledger_sync(mt_dicom_ledger *ledger, GError **error)
{
    if (fdatasync(ledger->fd) == 0)
        return true;
    mt_publish_io_error(error, "sync the ledger", ledger->path, errno);
    return false;
}
