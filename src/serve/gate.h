/* What stands between the network and the HTTP server: every byte of a request is judged here first (request_head.h), and no client can hold
 * anything up: absolute deadlines, least rates, connections counted by address.  What is malformed is answered and closed; the server sees whole,
 * plain requests on a socket of its own.  One thread of its own. */
#ifndef MT_GATE_H
#define MT_GATE_H

#include <microtome/error.h>

#include <sys/socket.h>

#define MT_GATE_CONNECTIONS 512
#define MT_GATE_OF_ADDRESS 64
#define MT_GATE_HEAD_MS 10000  /* from the first byte of a head to its last */
#define MT_GATE_IDLE_MS 30000  /* between requests, and while a response does not move */
#define MT_GATE_BODY_RATE 1024 /* bytes a second, both ways, after MT_GATE_HEAD_MS */

typedef struct mt_gate mt_gate;

typedef struct mt_gate_params {
    int  listener;     /* a listening socket; the gate closes it */
    bool encrypted;    /* TLS is the server's: bytes pass unread, deadlines hold */
    bool behind_proxy; /* all clients have one address */
    /* Hand a connection to the server, which owns the socket from then on; false: it takes no more.  On the gate's thread. */
    bool (*take)(void *user, int fd, const struct sockaddr *address, socklen_t bytes);
    void *user;
} mt_gate_params;

mt_gate *mt_gate_new(const mt_gate_params *params, GError **error);
/* Close every connection and end the thread. */
void mt_gate_free(mt_gate *gate);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_gate, mt_gate_free)

#endif
