/* <microtome/send.h>  DICOM objects to a PACS: C-STORE or STOW-RS, with a ledger of what the receiver has confirmed.
 * An object is known by its SOP Instance UID and its bytes.  It counts as sent when the receiver said of this very object that it is stored, never
 * before; what breaks off is sent again under the same UID.  One object at a time, by the calling thread. */
#ifndef MICROTOME_SEND_H
#define MICROTOME_SEND_H

#include <microtome/error.h>

G_BEGIN_DECLS

typedef enum mt_send_state {
    MT_SEND_SENT,    /* confirmed by the receiver */
    MT_SEND_REFUSED, /* the receiver, or the file itself, says that it will not be stored */
    MT_SEND_WAITING, /* not confirmed: the next call sends it again */
} mt_send_state;

/* "sent", "refused", "waiting" */
MT_PUBLIC const char *mt_send_state_name(mt_send_state state);

/* What became of one object; strings live during the call. */
typedef struct mt_send_event {
    const char   *file, *sop_instance; /* sop_instance: NULL for a file that is no DICOM object */
    mt_send_state state;
    int           attempts; /* 0: nothing was tried in this call */
    const char   *words;    /* status and reason; NULL: nothing to say */
} mt_send_event;

typedef struct mt_send_params {
    const char *const *paths; /* files, and folders with all that lies below them; ends with NULL */
    /* one of the two */
    const char *stow;  /* http(s)://HOST[:PORT]/PATH of the DICOMweb service; objects go to URL/studies */
    const char *store; /* [CALLING:]CALLED@HOST:PORT; CALLING: MICROTOME */

    const char *user, *password; /* of STOW, HTTP basic; NULL: none */
    const char *ca_file;         /* PEM of the authorities to believe for https; NULL: those of the system */
    const char *ledger;          /* NULL: sent.jsonl in the folder of the first path */
    int         retries;         /* further attempts, 0..1000; the pause before them doubles from pause_s to 60 s */
    double      pause_s;         /* 0..60 */
    double      timeout_s;       /* 1..3600: of a connection, an answer, and of data that do not move */

    const volatile int *stop;                              /* set by a signal handler; NULL: never */
    void (*event)(void *user, const mt_send_event *event); /* each object that ends, and each pause (waiting, attempts > 0); NULL: none */
    void *event_user;
} mt_send_params;

typedef struct mt_send_facts {
    int64_t objects; /* = sent + already + refused + waiting */
    int64_t sent, already, refused, waiting;
    int64_t other_files; /* in folders, no DICOM objects, passed over */
    int64_t bytes;       /* of what was sent in this call */
    char   *ledger;      /* free with g_free */
} mt_send_facts;

/* Send what the ledger does not call sent to this receiver.  The ledger is a file of JSON lines, appended and synced: `to`, `sop`, `sha256`, `file`
 * (its name), `state`, `words`, `time`; the last line of an object at a receiver holds.  An object that the receiver cannot take now (broken connection,
 * timeout, HTTP 5xx, out of resources) is tried again; when two in a row stay without answer, the rest waits.
 * True with facts when every object was looked at; false for MT_ERROR_USAGE and MT_ERROR_RANGE (addresses, credentials, what the receiver says
 * about the caller and not about an object), MT_ERROR_MISSING, MT_ERROR_IO (the ledger), MT_ERROR_STOPPED (`stop`, or another call has the
 * ledger): facts are then filled as far as things went.  SIGPIPE has to be ignored; a signal without SA_RESTART ends a wait. */
MT_PUBLIC bool mt_send(const mt_send_params *params, mt_send_facts *facts, GError **error);

G_END_DECLS

#endif
