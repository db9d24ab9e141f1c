/* <microtome/serve.h>  The review desk: an output folder as pages for a browser, on which its cases are read, checked and signed. */
#ifndef MICROTOME_SERVE_H
#define MICROTOME_SERVE_H

#include <microtome/error.h>

G_BEGIN_DECLS

typedef struct mt_serve_params {
    const char        *out;    /* folder of `run` */
    const char        *slides; /* folder of the slides, or NULL: the stored pictures are shown */
    const char        *bind;   /* address; NULL: 127.0.0.1.  Another than a loopback one wants users, and a certificate or a proxy */
    int                port;   /* 0: any that is free */
    const char        *users;  /* file; NULL: OUT/review/users */
    const char        *certificate, *key; /* files, PEM; both or none */
    bool               trusted_proxy;     /* TLS is ended by a proxy on the way */
    const char *const *hosts; /* names that the desk is called by, NULL-terminated; NULL: addresses, localhost and this machine's own */
    bool               read_first; /* scores and maps appear after the reader's own opinion */
    const char        *diagnoses;  /* CSV with id and diagnosis; NULL: none */
    int                readers;    /* processes that open slides, 1..64; 0: 2 */
    const char        *program;    /* of this library's `reader` verb */

    const volatile int *stop; /* set by a signal handler */
    /* Called once it listens, with its address ("http://127.0.0.1:8787/"). */
    void (*started)(void *user, const char *address);
    void *user;
} mt_serve_params;

/* Serve until stopped.  OUT/review is made where it is not there: review.sqlite, key.  MT_ERROR_MISSING for a folder that is not there,
 * MT_ERROR_USAGE for an address that wants users or a certificate, MT_ERROR_INPUT for a damaged store or users file, MT_ERROR_IO. */
MT_PUBLIC bool mt_serve(const mt_serve_params *params, GError **error);
/* Every route a line: method, path, least role ("everybody", "viewer", ..).  Free with g_free. */
MT_PUBLIC char *mt_serve_routes(void);
/* What the hidden verb `reader FOLDER` does: the process in which results and slides are opened.  Returns an exit code. */
MT_PUBLIC int mt_serve_reader(const char *folder);

G_END_DECLS

#endif
