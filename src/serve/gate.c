#include "src/serve/gate.h"

#include "src/serve/request_head.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define UP_BYTES MT_REQUEST_HEAD_BYTES
#define DOWN_BYTES 65536

typedef struct queue {
    uint8_t *bytes;
    size_t   first, n, size;
} queue;

typedef struct connection {
    int             client, server; /* server -1: not handed over yet, or closed by it */
    struct in6_addr address;
    queue           up, down;
    size_t          judged;      /* bytes of `up` that may go on */
    int64_t         body;        /* of the request, still to come */
    gint64          head_from;   /* ms, of the first byte of an unfinished head; 0: none */
    gint64          body_until;  /* 0: none */
    gint64          moved;       /* last byte either way */
    gint64          down_from;   /* since when bytes wait for the client; 0: none do */
    int64_t         down_passed; /* bytes that it took since */
    bool            refused;     /* close when `down` is empty */
    bool            client_ended, server_ended, dead;
} connection;

struct mt_gate {
    mt_gate_params params;
    GThread       *thread;
    GPtrArray     *connections;
    int            stop;
};

static gint64 now_ms(void)
{
    return g_get_monotonic_time() / 1000;
}

static void queue_open(queue *q, size_t size)
{
    *q = (queue){g_malloc(size), 0, 0, size};
}

static size_t room(const queue *q)
{
    return q->size - q->n;
}

static uint8_t *front(queue *q)
{
    return q->bytes + q->first;
}

static void drop(queue *q, size_t n)
{
    q->first += n;
    q->n -= n;
    if (q->n == 0)
        q->first = 0;
}

/* Read what fits; 0: ended, -1: nothing now, -2: broken. */
static ssize_t fill(queue *q, int fd)
{
    if (q->first > 0) {
        memmove(q->bytes, front(q), q->n);
        q->first = 0;
    }
    ssize_t got = recv(fd, q->bytes + q->n, room(q), 0);
    if (got > 0)
        q->n += (size_t)got;
    return got >= 0 ? got : errno == EAGAIN || errno == EINTR ? -1 : -2;
}

static ssize_t pass(queue *q, size_t most, int fd)
{
    ssize_t sent = send(fd, front(q), MIN(q->n, most), MSG_NOSIGNAL);

    if (sent > 0)
        drop(q, (size_t)sent);
    return sent >= 0 ? sent : errno == EAGAIN || errno == EINTR ? 0 : -1;
}

static void connection_free(gpointer data)
{
    connection *c = data;

    close(c->client);
    if (c->server >= 0)
        close(c->server);
    g_free(c->up.bytes);
    g_free(c->down.bytes);
    g_free(c);
}

static const char *status_words(int status)
{
    switch (status) {
    case 411:
        return "411 Length Required";
    case 413:
        return "413 Content Too Large";
    case 414:
        return "414 URI Too Long";
    case 431:
        return "431 Request Header Fields Too Large";
    case 501:
        return "501 Not Implemented";
    case 503:
        return "503 Service Unavailable\r\nRetry-After: 5";
    case 505:
        return "505 HTTP Version Not Supported";
    case 408:
        return "408 Request Timeout";
    default:
        return "400 Bad Request";
    }
}

/* Answer in the server's place, and end.  What the server still says to earlier requests is lost: the client broke the rules. */
static void refuse(connection *c, int status)
{
    g_autofree char *text = g_strdup_printf("HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status_words(status));

    c->refused = true;
    if (c->server >= 0)
        close(c->server);
    c->server = -1;
    c->up.n = c->judged = 0;
    if (c->down.n > 0) /* amid a response */
        return;
    memcpy(c->down.bytes, text, strlen(text));
    c->down.first = 0;
    c->down.n = strlen(text);
}

static void map_address(const struct sockaddr_storage *from, struct in6_addr *address)
{
    memset(address, 0, sizeof *address);
    if (from->ss_family == AF_INET6)
        *address = ((const struct sockaddr_in6 *)(const void *)from)->sin6_addr;
    else if (from->ss_family == AF_INET)
        memcpy(address->s6_addr + 12, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
}

static int count_of(const mt_gate *g, const struct in6_addr *address)
{
    int n = 0;

    for (guint i = 0; i < g->connections->len; i++)
        n += memcmp(&((const connection *)g->connections->pdata[i])->address, address, sizeof *address) == 0;
    return n;
}

static bool hand_over(mt_gate *g, connection *c, const struct sockaddr_storage *from, socklen_t bytes)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    if (!g->params.take(g->params.user, pair[1], (const struct sockaddr *)from, bytes)) {
        close(pair[0]);
        return false;
    }
    c->server = pair[0];
    return true;
}

static void take_in(mt_gate *g)
{
    struct sockaddr_storage from;
    socklen_t               bytes = sizeof from;
    int                     one = 1, fd = accept4(g->params.listener, (struct sockaddr *)&from, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connection *c = g_new0(connection, 1);
    c->client = fd;
    c->server = -1;
    c->moved = now_ms();
    map_address(&from, &c->address);
    queue_open(&c->up, UP_BYTES);
    queue_open(&c->down, DOWN_BYTES);
    bool many =
        (int)g->connections->len >= MT_GATE_CONNECTIONS || (!g->params.behind_proxy && count_of(g, &c->address) >= MT_GATE_OF_ADDRESS);
    g_ptr_array_add(g->connections, c);
    if (many || !hand_over(g, c, &from, bytes))
        refuse(c, 503);
}

/* Let go on what has been judged, judge the next head when it is whole. */
static void judge(const mt_gate *g, connection *c)
{
    mt_request_head head;

    if (g->params.encrypted) {
        c->judged = c->up.n;
        return;
    }
    while (!c->refused && c->up.n > c->judged) {
        size_t left = c->up.n - c->judged;
        if (c->body > 0) {
            size_t taken = (size_t)MIN((int64_t)left, c->body);
            c->judged += taken;
            c->body -= (int64_t)taken;
            c->body_until = c->body > 0 ? c->body_until : 0;
            continue;
        }
        c->head_from = c->head_from > 0 ? c->head_from : c->moved;
        int status = mt_request_head_read(front(&c->up) + c->judged, left, &head);
        if (status == 0 && left < MT_REQUEST_HEAD_BYTES)
            return;
        if (status != 200) {
            refuse(c, status);
            return;
        }
        c->head_from = 0;
        c->judged += head.bytes;
        c->body = head.body;
        c->body_until = head.body > 0 ? c->moved + MT_GATE_HEAD_MS + 1000 * head.body / MT_GATE_BODY_RATE : 0;
    }
}

static void hear_client(const mt_gate *g, connection *c)
{
    ssize_t got = fill(&c->up, c->client);

    if (got == 0 && c->server >= 0 && c->judged == 0) { /* half closed: the server learns that no more will come, and may still answer */
        c->client_ended = true;
        shutdown(c->server, SHUT_WR);
    } else if (got == 0 || got == -2)
        c->dead = true;
    if (got <= 0)
        return;
    c->moved = now_ms();
    if (c->refused)
        c->up.n = c->up.first = 0; /* read and forgotten, so that the answer arrives */
    else
        judge(g, c);
}

static void hear_server(connection *c)
{
    ssize_t got = fill(&c->down, c->server);

    if (got > 0) {
        c->moved = now_ms();
        return;
    }
    if (got == -1)
        return;
    close(c->server);
    c->server = -1;
    c->server_ended = true;
}

static void write_client(connection *c)
{
    ssize_t sent = pass(&c->down, c->down.n, c->client);

    if (sent < 0) {
        c->dead = true;
        return;
    }
    c->down_passed += sent;
    if (sent > 0)
        c->moved = now_ms();
    if (c->down.n == 0) {
        c->down_from = 0;
        c->down_passed = 0;
    }
}

static void write_server(connection *c)
{
    ssize_t sent = c->server >= 0 ? pass(&c->up, c->judged, c->server) : -1;

    if (sent > 0)
        c->judged -= (size_t)sent;
    if (sent < 0) /* it has closed: what it said stays to be sent */
        c->judged = c->up.n = 0;
}

static void check_deadlines(connection *c, gint64 now)
{
    if (c->down.n > 0 && c->down_from == 0)
        c->down_from = now;
    bool slow_head = c->head_from > 0 && now - c->head_from > MT_GATE_HEAD_MS;
    bool slow_body = c->body_until > 0 && now > c->body_until;
    bool slow_reader =
        c->down_from > 0 && now - c->down_from > MT_GATE_HEAD_MS && c->down_passed * 1000 < (now - c->down_from) * MT_GATE_BODY_RATE;
    if ((slow_head || slow_body) && !c->refused)
        refuse(c, 408);
    else if (slow_reader || now - c->moved > MT_GATE_IDLE_MS)
        c->dead = true;
    if (c->down.n == 0 && (c->refused || c->server_ended))
        c->dead = true;
}

static void put_polls(const connection *c, struct pollfd *client, struct pollfd *server)
{
    bool listens = c->up.n < c->up.size && !c->client_ended;

    *client = (struct pollfd){c->client, (short)((listens ? POLLIN : 0) | (c->down.n > 0 ? POLLOUT : 0)), 0};
    *server = (struct pollfd){c->server, (short)((room(&c->down) > 0 ? POLLIN : 0) | (c->judged > 0 ? POLLOUT : 0)), 0};
}

static void serve_connection(const mt_gate *g, connection *c, short client, short server)
{
    if (c->client_ended && (client & (POLLHUP | POLLERR)) != 0)
        c->dead = true;
    else if (!c->client_ended && (client & (POLLIN | POLLHUP | POLLERR)) != 0)
        hear_client(g, c);
    if (!c->dead && c->server >= 0 && (server & (POLLIN | POLLHUP | POLLERR)))
        hear_server(c);
    if (!c->dead && c->down.n > 0)
        write_client(c);
    if (!c->dead && c->judged > 0)
        write_server(c);
}

static gpointer work(gpointer user)
{
    mt_gate *g = user;
    g_autoptr(GArray) polls = g_array_new(FALSE, TRUE, sizeof(struct pollfd));

    for (;;) {
        guint n = g->connections->len;
        g_array_set_size(polls, 2 + 2 * n);
        struct pollfd *p = (struct pollfd *)(void *)polls->data;
        p[0] = (struct pollfd){g->stop, POLLIN, 0};
        p[1] = (struct pollfd){g->params.listener, POLLIN, 0};
        for (guint i = 0; i < n; i++)
            put_polls(g->connections->pdata[i], &p[2 + 2 * i], &p[3 + 2 * i]);
        if (poll(p, polls->len, 500) < 0 && errno != EINTR)
            break;
        if (p[0].revents != 0)
            break;
        gint64 now = now_ms();
        for (guint i = n; i-- > 0;) {
            connection *c = g->connections->pdata[i];
            serve_connection(g, c, p[2 + 2 * i].revents, p[3 + 2 * i].revents);
            if (!c->dead)
                check_deadlines(c, now);
            if (c->dead)
                g_ptr_array_remove_index_fast(g->connections, i);
        }
        if (p[1].revents != 0)
            take_in(g);
    }
    return NULL;
}

mt_gate *mt_gate_new(const mt_gate_params *params, GError **error)
{
    mt_gate *g = g_new0(mt_gate, 1);

    g->params = *params;
    g->connections = g_ptr_array_new_with_free_func(connection_free);
    g->stop = eventfd(0, EFD_CLOEXEC);
    fcntl(params->listener, F_SETFL, fcntl(params->listener, F_GETFL) | O_NONBLOCK);
    g->thread = g->stop >= 0 ? g_thread_try_new("gate", work, g, error) : NULL;
    if (g->thread == NULL) {
        if (g->stop < 0)
            g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "serve: no event: %s", g_strerror(errno));
        mt_gate_free(g);
        return NULL;
    }
    return g;
}

void mt_gate_free(mt_gate *g)
{
    const uint64_t one = 1;

    if (g == NULL)
        return;
    if (g->thread != NULL) {
        while (write(g->stop, &one, sizeof one) < 0 && errno == EINTR)
            ;
        g_thread_join(g->thread);
    }
    if (g->stop >= 0)
        close(g->stop);
    close(g->params.listener);
    g_ptr_array_unref(g->connections);
    g_free(g);
}
