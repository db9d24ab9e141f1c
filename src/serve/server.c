/* The HTTP server: libmicrohttpd behind the gate, a thread for each connection. */
#include "src/serve/desk.h"

#include "src/base/publish.h"
#include "src/base/refuse.h"
#include "src/serve/gate.h"
#include "src/serve/reader.h"
#include "src/serve/request_head.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pwd.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#define READERS 2
#define TILE_CACHE_BYTES (INT64_C(256) << 20)
#define KEY_BYTES 32
#define HEARTBEAT_S 10
#define STOP_LOOK_US 200000

/* The hash is of OpenSeadragon's own rule for its focus. */
static const char *const headers[][2] = {{"Content-Security-Policy",
                                          "default-src 'self'; style-src 'self' 'sha256-9xTiqzfwFaL2SGb1rmr8gysEwVVjIvqWAgmZgqFqpEE='; "
                                          "img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
                                          "form-action 'self'"},
                                         {"X-Content-Type-Options", "nosniff"},
                                         {"Referrer-Policy", "no-referrer"},
                                         {"Cross-Origin-Resource-Policy", "same-origin"},
                                         {"Cross-Origin-Opener-Policy", "same-origin"},
                                         {"X-Frame-Options", "DENY"}};

/* One request while its body comes in. */
typedef struct exchange {
    GByteArray *body;
    bool        too_large;
} exchange;

typedef struct listener {
    mt_desk *desk;
    uint64_t seen;
    GString *rest;
} listener;

typedef struct server {
    mt_desk            desk;
    struct MHD_Daemon *daemon;
    mt_gate           *gate;
} server;

char *mt_request_query(const mt_request *q, const char *name)
{
    const char *text = MHD_lookup_connection_value(q->connection, MHD_GET_ARGUMENT_KIND, name);

    if (text == NULL)
        return NULL;
    g_autofree char *spaced = g_strdelimit(g_strdup(text), "+", ' ');
    char            *plain = g_uri_unescape_string(spaced, NULL);
    if (plain != NULL && !g_utf8_validate(plain, -1, NULL))
        g_clear_pointer(&plain, g_free);
    return plain;
}

const char *mt_request_header(const mt_request *q, const char *name)
{
    return MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, name);
}

/* Nothing is decoded on the way: an address with an escape in its path is none of ours. */
static size_t keep_escapes(void *user, struct MHD_Connection *connection, char *text)
{
    (void)user;
    (void)connection;
    return strlen(text);
}

static ssize_t more_events(void *user, uint64_t at, char *out, size_t most)
{
    listener *l = user;

    (void)at;
    if (l->rest->len == 0) {
        g_autofree char *text = mt_events_next(l->desk->events, &l->seen, HEARTBEAT_S);
        if (text == NULL)
            return MHD_CONTENT_READER_END_OF_STREAM;
        g_string_assign(l->rest, text);
    }
    size_t n = MIN(most, l->rest->len);
    memcpy(out, l->rest->str, n);
    g_string_erase(l->rest, 0, (gssize)n);
    return (ssize_t)n;
}

static void end_listener(void *user)
{
    listener *l = user;

    mt_events_leave(l->desk->events);
    g_string_free(l->rest, TRUE);
    g_free(l);
}

static struct MHD_Response *stream_of(mt_desk *desk)
{
    listener *l = g_new0(listener, 1);

    l->desk = desk;
    if (!mt_events_listen(desk->events, &l->seen)) {
        g_free(l);
        return NULL;
    }
    l->rest = g_string_new(": microtome\n\n");
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, more_events, l, end_listener);
}

static void unref_body(void *body)
{
    g_bytes_unref(body);
}

static struct MHD_Response *body_of(mt_desk *desk, mt_response *r)
{
    gsize       n = 0;
    const void *data;

    if (r->stream) {
        struct MHD_Response *stream = stream_of(desk);
        if (stream != NULL)
            return stream;
        mt_response_error(r, 503, "too many pages are open");
    }
    if (r->body == NULL)
        r->body = g_bytes_new_static("", 0);
    data = g_bytes_get_data(r->body, &n);
    return MHD_create_response_from_buffer_with_free_callback_cls(n, (void *)(uintptr_t)(data != NULL ? data : ""), unref_body,
                                                                  g_bytes_ref(r->body));
}

/* RFC 6266: any name, in UTF-8. */
static void put_file_name(struct MHD_Response *m, const char *name)
{
    g_autofree char *coded = g_uri_escape_string(name, NULL, FALSE);
    g_autofree char *value = g_strconcat("attachment; filename*=UTF-8''", coded, NULL);

    MHD_add_response_header(m, "Content-Disposition", value);
}

static enum MHD_Result send_response(mt_desk *desk, struct MHD_Connection *connection, mt_response *r)
{
    struct MHD_Response *m = body_of(desk, r);
    char                 seconds[16];

    for (size_t i = 0; i < G_N_ELEMENTS(headers); i++)
        MHD_add_response_header(m, headers[i][0], headers[i][1]);
    MHD_add_response_header(m, "Content-Type", r->type != NULL ? r->type : "text/plain");
    MHD_add_response_header(m, "Cache-Control", r->kept && r->status == 200 ? "private, max-age=3600" : "no-store");
    if (desk->encrypted)
        MHD_add_response_header(m, "Strict-Transport-Security", "max-age=31536000");
    if (r->cookie != NULL)
        MHD_add_response_header(m, "Set-Cookie", r->cookie);
    if (r->file_name != NULL)
        put_file_name(m, r->file_name);
    if (r->retry_after > 0) {
        g_snprintf(seconds, sizeof seconds, "%d", r->retry_after);
        MHD_add_response_header(m, "Retry-After", seconds);
    }
    enum MHD_Result sent = MHD_queue_response(connection, (unsigned)r->status, m);
    MHD_destroy_response(m);
    return sent;
}

static void address_of(struct MHD_Connection *connection, char out[64])
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    socklen_t n = info != NULL && info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

    if (info == NULL || getnameinfo(info->client_addr, n, out, 64, NULL, 0, NI_NUMERICHOST) != 0)
        g_strlcpy(out, "unknown", 64);
}

static enum MHD_Result answer(mt_desk *desk, struct MHD_Connection *connection, const char *url, const char *method, const exchange *x)
{
    mt_request  q = {.connection = connection,
                     .method = method,
                     .path = url,
                     .body = x->body != NULL ? (const char *)x->body->data : "",
                     .body_bytes = x->body != NULL ? x->body->len : 0};
    mt_response r = {0};

    address_of(connection, q.address);
    if (x->too_large)
        mt_response_error(&r, 413, "a request of more than %d bytes", MT_REQUEST_BODY_BYTES);
    else
        mt_routes_answer(desk, &q, &r);
    __atomic_fetch_add(&desk->requests, 1, __ATOMIC_RELAXED);
    if (r.status >= 400)
        __atomic_fetch_add(&desk->errors, 1, __ATOMIC_RELAXED);
    enum MHD_Result sent = send_response(desk, connection, &r);
    g_clear_pointer(&r.body, g_bytes_unref);
    g_free(r.cookie);
    g_free(r.file_name);
    g_free(q.user);
    g_free(q.token);
    return sent;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                  const char *data, size_t *bytes, void **state)
{
    exchange *x = *state;

    (void)version;
    if (x == NULL) {
        *state = g_new0(exchange, 1);
        return MHD_YES;
    }
    if (*bytes > 0) {
        if (x->body == NULL)
            x->body = g_byte_array_new();
        if (x->body->len + *bytes > MT_REQUEST_BODY_BYTES)
            x->too_large = true;
        else
            g_byte_array_append(x->body, (const guint8 *)data, (guint)*bytes);
        *bytes = 0;
        return MHD_YES;
    }
    return answer(user, connection, url, method, x);
}

static void on_end(void *user, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why)
{
    exchange *x = *state;

    (void)user;
    (void)connection;
    (void)why;
    if (x == NULL)
        return;
    if (x->body != NULL)
        g_byte_array_unref(x->body);
    g_free(x);
    *state = NULL;
}

static bool take_connection(void *user, int fd, const struct sockaddr *address, socklen_t bytes)
{
    server *s = user;

    return MHD_add_connection(s->daemon, fd, address, bytes) == MHD_YES;
}

/* ---- setting up ---- */

static bool is_loopback(const char *bind)
{
    struct in_addr a;

    return strcmp(bind, "::1") == 0 || (inet_pton(AF_INET, bind, &a) == 1 && (ntohl(a.s_addr) >> 24) == 127);
}

static bool check_access(const mt_serve_params *p, const char *bind, const char *users, bool has_users, GError **error)
{
    if ((p->certificate == NULL) != (p->key == NULL))
        return mt_refuse(error, MT_ERROR_USAGE, "serve with TLS: --certificate and --key go together");
    if (is_loopback(bind))
        return true;
    if (!has_users)
        return mt_refuse(
            error, MT_ERROR_USAGE,
            "serve on %s: others reach this address, and %s has no users: add one with microtome user add, or stay on 127.0.0.1", bind,
            users);
    if (p->certificate == NULL && !p->trusted_proxy)
        return mt_refuse(
            error, MT_ERROR_USAGE,
            "serve on %s: passwords would cross the network in the clear: give --certificate and --key, or --trusted-proxy where "
            "one ends TLS before us",
            bind);
    return true;
}

static int open_listener(const char *bind_to, int port, int *bound, GError **error)
{
    struct addrinfo  hints = {.ai_flags = AI_NUMERICHOST | AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *a = NULL;
    g_autofree char *number = g_strdup_printf("%d", port);
    int              one = 1, fd = -1;

    if (getaddrinfo(bind_to, number, &hints, &a) != 0) {
        mt_refuse(error, MT_ERROR_USAGE, "serve on %s: that is no address: 127.0.0.1, 0.0.0.0, ::1 are", bind_to);
        return -1;
    }
    fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, 512) != 0) {
        mt_refuse(error, MT_ERROR_IO, "serve on %s port %d: %s", bind_to, port, g_strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = -1;
    } else {
        struct sockaddr_storage got;
        socklen_t               n = sizeof got;
        getsockname(fd, (struct sockaddr *)&got, &n);
        *bound = ntohs(got.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&got)->sin6_port : ((struct sockaddr_in *)&got)->sin_port);
    }
    freeaddrinfo(a);
    return fd;
}

/* 32 random bytes that this folder's addresses are made with: the same after a restart. */
static bool read_key(const char *folder, uint8_t key[KEY_BYTES], GError **error)
{
    g_autofree char *path = g_build_filename(folder, "key", NULL), *text = NULL;
    gsize            n = 0;
    char             hex[2 * KEY_BYTES + 1];
    mode_t           mask;
    bool             ok;

    if (g_file_get_contents(path, &text, &n, NULL)) {
        if (sodium_hex2bin(key, KEY_BYTES, text, n, "\n", &n, NULL) == 0 && n == KEY_BYTES)
            return true;
        return mt_refuse(error, MT_ERROR_INPUT, "read %s: it is no key of a review desk: remove it, and a new one is made (bookmarks end)",
                         path);
    }
    randombytes_buf(key, KEY_BYTES);
    sodium_bin2hex(hex, sizeof hex, key, KEY_BYTES);
    mask = umask(077);
    ok = mt_publish_text(path, hex, false, error);
    umask(mask);
    return ok && (g_chmod(path, 0600) == 0 || mt_refuse(error, MT_ERROR_IO, "make %s: %s", path, g_strerror(errno)));
}

static void on_change(void *user)
{
    mt_desk         *desk = user;
    g_autofree char *data = g_strdup_printf("{\"generation\":%" G_GUINT64_FORMAT "}", mt_board_generation(desk->board));

    mt_events_tell(desk->events, "worklist", data);
}

static bool open_desk(mt_desk *desk, const char *folder, const char *users, GError **error)
{
    const mt_serve_params *p = desk->params;
    g_autofree char       *database = g_build_filename(folder, "review.sqlite", NULL);
    uint8_t                key[KEY_BYTES];

    if (g_mkdir_with_parents(folder, 0700) != 0)
        return mt_refuse(error, MT_ERROR_IO, "make %s: %s", folder, g_strerror(errno));
    if (!read_key(folder, key, error))
        return false;
    desk->store = mt_review_store_open(database, error);
    desk->events = mt_events_new();
    desk->tiles = mt_byte_cache_new(TILE_CACHE_BYTES);
    desk->sessions = mt_sessions_new(users);
    desk->readers = mt_reader_pool_new(p->program, p->readers > 0 ? p->readers : READERS);
    desk->board = desk->store != NULL ? mt_board_new(p->out, p->diagnoses, key, sizeof key, desk->store, on_change, desk, error) : NULL;
    return desk->board != NULL;
}

static void close_desk(mt_desk *desk)
{
    mt_board_free(desk->board);
    mt_reader_pool_free(desk->readers);
    mt_sessions_free(desk->sessions);
    mt_byte_cache_free(desk->tiles);
    mt_events_free(desk->events);
    mt_review_store_free(desk->store);
    g_free(desk->local_user);
}

static struct MHD_Daemon *start_daemon(server *s, GError **error)
{
    const mt_serve_params *p = s->desk.params;
    unsigned               flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC;
    g_autofree char       *certificate = NULL, *key = NULL;
    g_autoptr(GError) cause = NULL;
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, NULL}, {MHD_OPTION_HTTPS_MEM_KEY, 0, NULL}, {MHD_OPTION_END, 0, NULL}};

    if (p->certificate != NULL) {
        if (!g_file_get_contents(p->certificate, &certificate, NULL, &cause) || !g_file_get_contents(p->key, &key, NULL, &cause)) {
            mt_refuse(error, MT_ERROR_MISSING, "serve with TLS: %s", cause->message);
            return NULL;
        }
        flags |= MHD_USE_TLS;
        tls[0].ptr_value = certificate;
        tls[1].ptr_value = key;
    } else
        tls[0].option = MHD_OPTION_END;
    s->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, on_request, &s->desk, MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL,
                         MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_CONNECTION_TIMEOUT, 60U, MHD_OPTION_CONNECTION_LIMIT,
                         (unsigned)MT_GATE_CONNECTIONS, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    if (s->daemon == NULL)
        mt_refuse(error, MT_ERROR_INPUT, "start the server: libmicrohttpd refuses%s",
                  p->certificate != NULL ? ": are --certificate and --key PEM files that belong together?" : "");
    return s->daemon;
}

static bool run(server *s, const char *bind_to, GError **error)
{
    const mt_serve_params *p = s->desk.params;
    int                    port = 0, front = open_listener(bind_to, p->port, &port, error);

    if (front < 0 || start_daemon(s, error) == NULL) {
        if (front >= 0)
            close(front);
        return false;
    }
    const mt_gate_params gate = {
        .listener = front, .encrypted = s->desk.encrypted, .behind_proxy = p->trusted_proxy, .take = take_connection, .user = s};
    s->gate = mt_gate_new(&gate, error);
    if (s->gate == NULL)
        return false;
    g_autofree char *address = g_strdup_printf(strchr(bind_to, ':') != NULL ? "%s://[%s]:%d/" : "%s://%s:%d/",
                                               s->desk.encrypted ? "https" : "http", bind_to, port);
    if (p->started != NULL)
        p->started(p->user, address);
    while (p->stop == NULL || !*p->stop)
        g_usleep(STOP_LOOK_US);
    return true;
}

bool mt_serve(const mt_serve_params *params, GError **error)
{
    server           s = {.desk = {.params = params, .encrypted = params->certificate != NULL}};
    const char      *bind_to = params->bind != NULL ? params->bind : "127.0.0.1";
    g_autofree char *folder = g_build_filename(params->out, "review", NULL), *own = g_build_filename(folder, "users", NULL);
    const char      *path = params->users != NULL ? params->users : own;
    g_autoptr(mt_users) users = mt_users_read(path, error);

    if (users == NULL)
        return false;
    if (!g_file_test(params->out, G_FILE_TEST_IS_DIR))
        return mt_refuse(error, MT_ERROR_MISSING, "serve %s: there is no such folder", params->out);
    signal(SIGPIPE, SIG_IGN);
    s.desk.has_users = mt_users_count(users) > 0;
    s.desk.local_user = g_strdup_printf("%s (local)", g_get_user_name());
    bool ok =
        check_access(params, bind_to, path, s.desk.has_users, error) && open_desk(&s.desk, folder, path, error) && run(&s, bind_to, error);
    if (s.desk.events != NULL)
        mt_events_end(s.desk.events);
    mt_gate_free(s.gate);
    if (s.daemon != NULL)
        MHD_stop_daemon(s.daemon);
    close_desk(&s.desk);
    return ok;
}

int mt_serve_reader(const char *folder)
{
    return mt_reader_run(folder);
}
