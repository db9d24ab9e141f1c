/* Objects out of files and folders, one after another to a receiver, with pauses where it cannot take them now. */
#include <microtome/send.h>

#include "src/base/hash.h"
#include "src/base/publish.h"
#include "src/export/dicom_ledger.h"
#include "src/export/dicom_peer.h"
#include "src/export/dicom_store.h"
#include "src/export/dicom_stow.h"

#include <math.h>
#include <string.h>

#define LONGEST_PAUSE_S 60.0
#define SILENT_OBJECTS 2 /* that many in a row without an answer: the receiver is away */
#define DEEPEST_FOLDER 32
#define GLANCE_US 50000

typedef struct sending {
    const mt_send_params *params;
    mt_send_facts        *facts;
    GPtrArray            *objects; /* not yet sent to this receiver */
    GHashTable           *seen;    /* "SOP SHA-256" */
    mt_dicom_ledger      *ledger;
    mt_dicom_store       *store;
    mt_dicom_stow        *stow;
} sending;

static bool stopped(const sending *s)
{
    return s->params->stop != NULL && *s->params->stop;
}

static void tell(const sending *s, const char *file, const char *sop, mt_send_state state, int attempts, const char *words)
{
    mt_send_event event = {.file = file, .sop_instance = sop, .state = state, .attempts = attempts, .words = words};

    if (s->params->event != NULL)
        s->params->event(s->params->event_user, &event);
}

/* A file that cannot go anywhere. */
static void refuse_file(sending *s, const char *path, const GError *fault)
{
    const char *words = fault->message;

    if (g_str_has_prefix(words, path) && words[strlen(path)] == ':')
        words += strlen(path) + 2;
    s->facts->objects++;
    s->facts->refused++;
    tell(s, path, NULL, MT_SEND_REFUSED, 0, words);
}

static void take_file(sending *s, const char *path, bool named)
{
    g_autoptr(GError) fault = NULL;

    if (!named && !mt_dicom_outgoing_looks(path) && !g_str_has_suffix(path, ".dcm")) {
        s->facts->other_files += strcmp(path, s->facts->ledger) != 0;
        return;
    }
    mt_dicom_outgoing *object = mt_dicom_outgoing_read(path, &fault);
    if (object != NULL)
        object->sha256 = mt_hash_file(path, &fault);
    if (fault != NULL) {
        refuse_file(s, path, fault);
        mt_dicom_outgoing_free(object);
        return;
    }
    if (!g_hash_table_add(s->seen, g_strdup_printf("%s %s", object->sop_instance, object->sha256))) {
        mt_dicom_outgoing_free(object); /* a copy of one that is sent anyway */
        return;
    }
    s->facts->objects++;
    if (mt_dicom_ledger_state(s->ledger, object) == MT_SEND_SENT) {
        s->facts->already++;
        mt_dicom_outgoing_free(object);
    } else {
        g_ptr_array_add(s->objects, object);
    }
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool take_folder(sending *s, const char *folder, int depth, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) fault = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &fault);
    bool ok = true;

    if (dir == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "read the folder %s: %s", folder, fault->message);
        return false;
    }
    for (const char *name; (name = g_dir_read_name(dir)) != NULL;)
        if (*name != '.' && strcmp(name, "DICOMDIR") != 0)
            g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, by_name);
    for (guint i = 0; i < names->len && ok && !stopped(s); i++) {
        g_autofree char *path = g_build_filename(folder, g_ptr_array_index(names, i), NULL);
        if (!g_file_test(path, G_FILE_TEST_IS_DIR))
            take_file(s, path, false);
        else if (depth < DEEPEST_FOLDER && !g_file_test(path, G_FILE_TEST_IS_SYMLINK))
            ok = take_folder(s, path, depth + 1, error);
    }
    return ok;
}

static bool gather(sending *s, GError **error)
{
    for (const char *const *path = s->params->paths; *path != NULL && !stopped(s); path++) {
        if (!g_file_test(*path, G_FILE_TEST_IS_DIR))
            take_file(s, *path, true);
        else if (!take_folder(s, *path, 0, error))
            return false;
    }
    return true;
}

static void pause_before(const sending *s, int attempt)
{
    double wait_s = MIN(s->params->pause_s * exp2(attempt - 1), LONGEST_PAUSE_S);
    gint64 end_us = g_get_monotonic_time() + (gint64)(wait_s * 1e6);

    for (gint64 left_us; !stopped(s) && (left_us = end_us - g_get_monotonic_time()) > 0;)
        g_usleep((gulong)MIN(left_us, GLANCE_US));
}

/* Until the receiver has said what it does with it, the attempts are used up, or a stop.  Returns the attempts. */
static int send_one(sending *s, guint at, int attempts, mt_dicom_answer *answer)
{
    const mt_dicom_outgoing *object = g_ptr_array_index(s->objects, at);

    for (int attempt = 1;; attempt++) {
        if (s->stow != NULL)
            mt_dicom_stow_send(s->stow, object, answer);
        else
            mt_dicom_store_send(s->store, s->objects, at, answer);
        bool again = answer->outcome == MT_DICOM_LATER || answer->outcome == MT_DICOM_DOUBTED;
        if (!again || attempt >= attempts || stopped(s))
            return attempt;
        tell(s, object->path, object->sop_instance, MT_SEND_WAITING, attempt, answer->words);
        pause_before(s, attempt);
        if (stopped(s))
            return attempt;
    }
}

static bool settle(sending *s, const mt_dicom_outgoing *object, int attempts, const mt_dicom_answer *answer, GError **error)
{
    bool          doubted = answer->outcome == MT_DICOM_DOUBTED && !stopped(s);
    mt_send_state state = answer->outcome == MT_DICOM_STORED               ? MT_SEND_SENT
                          : answer->outcome == MT_DICOM_REFUSED || doubted ? MT_SEND_REFUSED
                                                                           : MT_SEND_WAITING;

    if (!mt_dicom_ledger_note(s->ledger, object, state, answer->words, error) || !mt_dicom_ledger_sync(s->ledger, error))
        return false;
    s->facts->sent += state == MT_SEND_SENT;
    s->facts->refused += state == MT_SEND_REFUSED;
    s->facts->bytes += state == MT_SEND_SENT ? object->bytes : 0;
    s->facts->waiting -= state != MT_SEND_WAITING;
    tell(s, object->path, object->sop_instance, state, attempts, answer->words);
    return true;
}

static bool send_all(sending *s, GError **error)
{
    int silent = 0;

    for (guint i = 0; i < s->objects->len && silent < SILENT_OBJECTS && !stopped(s); i++) {
        mt_dicom_answer answer = {0};
        /* behind one that got no answer, one look is enough */
        int              attempts = send_one(s, i, silent > 0 ? 1 : s->params->retries + 1, &answer);
        g_autofree char *words = answer.words;

        silent = answer.outcome == MT_DICOM_LATER ? silent + 1 : 0;
        if (!settle(s, g_ptr_array_index(s->objects, i), attempts, &answer, error))
            return false;
        if (answer.outcome == MT_DICOM_CLOSED) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "%s", words);
            return false;
        }
    }
    return true;
}

/* All that this call has to send is in the ledger before the first of it goes. */
static bool note_waiting(sending *s, const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);

    for (guint i = 0; i < s->objects->len; i++) {
        const mt_dicom_outgoing *object = g_ptr_array_index(s->objects, i);
        if (mt_dicom_ledger_state(s->ledger, object) < 0 && !mt_dicom_ledger_note(s->ledger, object, MT_SEND_WAITING, NULL, error))
            return false;
    }
    s->facts->waiting = s->objects->len;
    return s->objects->len == 0 || mt_publish_sync(folder, error);
}

static bool check_paths(const char *const *paths, GError **error)
{
    for (; *paths != NULL; paths++)
        if (!g_file_test(*paths, G_FILE_TEST_EXISTS)) {
            g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "%s: no such file or folder", *paths);
            return false;
        }
    return true;
}

static bool check_params(const mt_send_params *p, GError **error)
{
    const char *wrong = (p->stow == NULL) == (p->store == NULL) ? "one receiver is wanted: --stow or --store"
                        : p->store != NULL && (p->user != NULL || p->ca_file != NULL)
                            ? "--user and --ca are for --stow: C-STORE knows neither"
                        : p->retries < 0 || p->retries > 1000                 ? "--retries: 0 to 1000 are wanted"
                        : !(p->timeout_s >= 1 && p->timeout_s <= 3600)        ? "--timeout: 1 to 3600 seconds are wanted"
                        : !(p->pause_s >= 0 && p->pause_s <= LONGEST_PAUSE_S) ? "--pause: 0 to 60 seconds are wanted"
                                                                              : NULL;

    if (wrong == NULL)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "%s", wrong);
    return false;
}

/* The receiver as the ledger names it: neither a slash at the end nor the calling title make another one of it. */
static char *receiver_name(const mt_send_params *p)
{
    char *name = g_strdup(p->stow != NULL ? p->stow : p->store);

    if (p->stow != NULL) {
        while (g_str_has_suffix(name, "/"))
            name[strlen(name) - 1] = '\0';
        return name;
    }
    g_auto(mt_dicom_peer) peer = {0};
    if (mt_dicom_peer_parse(name, &peer, NULL)) {
        g_free(name);
        name = g_strdup_printf("%s@%s:%d", peer.called, peer.host, peer.port);
    }
    return name;
}

static char *ledger_path(const mt_send_params *p)
{
    g_autofree char *folder = p->paths[0] == NULL                            ? g_strdup(".")
                              : g_file_test(p->paths[0], G_FILE_TEST_IS_DIR) ? g_strdup(p->paths[0])
                                                                             : g_path_get_dirname(p->paths[0]);

    return p->ledger != NULL ? g_strdup(p->ledger) : g_build_filename(folder, "sent.jsonl", NULL);
}

bool mt_send(const mt_send_params *params, mt_send_facts *facts, GError **error)
{
    g_autoptr(mt_dicom_stow) stow = NULL;
    g_autoptr(mt_dicom_store) store = NULL;
    g_autoptr(mt_dicom_ledger) ledger = NULL;
    g_autoptr(GPtrArray) objects = g_ptr_array_new_with_free_func((GDestroyNotify)mt_dicom_outgoing_free);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    *facts = (mt_send_facts){.ledger = ledger_path(params)};
    if (!check_params(params, error))
        return false;
    stow = params->stow != NULL ? mt_dicom_stow_new(params, error) : NULL;
    store = params->store != NULL ? mt_dicom_store_new(params->store, params->timeout_s, params->stop, error) : NULL;
    if ((stow == NULL && store == NULL) || !check_paths(params->paths, error))
        return false;
    g_autofree char *to = receiver_name(params);
    ledger = mt_dicom_ledger_open(facts->ledger, to, error);
    if (ledger == NULL)
        return false;
    sending s = {.params = params, .facts = facts, .objects = objects, .seen = seen, .ledger = ledger, .store = store, .stow = stow};
    if (!gather(&s, error) || !note_waiting(&s, facts->ledger, error) || !send_all(&s, error))
        return false;
    if (!stopped(&s))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_STOPPED, "stopped; run again to send what waits");
    return false;
}
