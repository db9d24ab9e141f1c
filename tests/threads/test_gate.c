/* The gate before the HTTP server: what is whole and plain reaches it byte for byte, what is not is answered in its place. */
#include "src/serve/gate.h"
#include "src/serve/request_head.h"

#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELLO "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define REPLY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* The server behind the gate: the sockets that it was given come through a pipe, which ThreadSanitizer sees. */
typedef struct desk {
    int      given[2];
    mt_gate *gate;
    int      port;
    bool     full; /* takes no connection */
} desk;

static bool take(void *user, int fd, const struct sockaddr *address, socklen_t bytes)
{
    desk *d = user;

    if (d->full || address->sa_family != AF_INET || bytes < sizeof(struct sockaddr_in))
        return false;
    return write(d->given[1], &fd, sizeof fd) == sizeof fd;
}

static void desk_open(desk *d, bool full, bool encrypted)
{
    g_autoptr(GError) error = NULL;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          bytes = sizeof a;
    int                listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(bind(listener, (struct sockaddr *)&a, sizeof a), ==, 0);
    g_assert_cmpint(listen(listener, 64), ==, 0);
    g_assert_cmpint(getsockname(listener, (struct sockaddr *)&a, &bytes), ==, 0);
    *d = (desk){.port = ntohs(a.sin_port), .full = full};
    g_assert_cmpint(pipe(d->given), ==, 0);
    const mt_gate_params params = {.listener = listener, .encrypted = encrypted, .take = take, .user = d};
    d->gate = mt_gate_new(&params, &error);
    g_assert_no_error(error);
}

static void desk_close(desk *d)
{
    struct pollfd p = {d->given[0], POLLIN, 0};
    int           fd;

    mt_gate_free(d->gate);
    while (poll(&p, 1, 0) == 1 && read(d->given[0], &fd, sizeof fd) == sizeof fd)
        close(fd);
    close(d->given[0]);
    close(d->given[1]);
}

static int call(const desk *d)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)d->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(connect(fd, (struct sockaddr *)&a, sizeof a), ==, 0);
    return fd;
}

static int server_side(const desk *d)
{
    struct pollfd p = {d->given[0], POLLIN, 0};
    int           fd = -1;

    g_assert_cmpint(poll(&p, 1, 10000), ==, 1);
    g_assert_cmpint(read(d->given[0], &fd, sizeof fd), ==, sizeof fd);
    return fd;
}

static void say(int fd, const char *text, size_t n)
{
    while (n > 0) {
        struct pollfd p = {fd, POLLOUT, 0};
        g_assert_cmpint(poll(&p, 1, 10000), ==, 1);
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
        g_assert_cmpint(sent, >, 0);
        text += sent;
        n -= (size_t)sent;
    }
}

/* Until n bytes came, or the end (n 0), or 10 s. */
static char *hear(int fd, size_t n)
{
    g_autoptr(GString) text = g_string_new(NULL);

    while (n == 0 || text->len < n) {
        char          part[4096];
        struct pollfd p = {fd, POLLIN, 0};
        if (poll(&p, 1, 10000) != 1)
            break;
        ssize_t got = recv(fd, part, n == 0 ? sizeof part : MIN(sizeof part, n - text->len), 0);
        if (got <= 0)
            break;
        g_string_append_len(text, part, got);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static bool hears_nothing(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};

    return poll(&p, 1, 150) == 0;
}

static void test_whole(void)
{
    desk d;

    desk_open(&d, false, false);
    int client = call(&d), server = server_side(&d);
    for (int round = 0; round < 3; round++) {
        say(client, HELLO, strlen(HELLO));
        g_autofree char *head = hear(server, strlen(HELLO));
        g_assert_cmpstr(head, ==, HELLO);
        say(server, REPLY, strlen(REPLY));
        g_autofree char *reply = hear(client, strlen(REPLY));
        g_assert_cmpstr(reply, ==, REPLY);
    }
    close(client);
    g_autofree char *rest = hear(server, 0);
    g_assert_cmpstr(rest, ==, "");
    close(server);
    desk_close(&d);
}

/* The server sees nothing of a head before its last byte. */
static void test_pieces(void)
{
    desk d;

    desk_open(&d, false, false);
    int client = call(&d), server = server_side(&d);
    for (size_t i = 0; i + 1 < strlen(HELLO); i++)
        say(client, HELLO + i, 1);
    g_assert_true(hears_nothing(server));
    say(client, HELLO + strlen(HELLO) - 1, 1);
    g_autofree char *head = hear(server, strlen(HELLO));
    g_assert_cmpstr(head, ==, HELLO);
    close(client);
    close(server);
    desk_close(&d);
}

/* Bodies pass by their length: what follows is the next head, wherever the packets were cut. */
static void test_bodies(void)
{
    const char *two = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nGET / HTTP/9" HELLO;
    desk        d;

    for (size_t cut = 1; cut < strlen(two); cut += 13) {
        /* the body ends before its last byte: "9GET" is a method that nobody has */
        desk_open(&d, false, false);
        int client = call(&d), server = server_side(&d);
        say(client, two, cut);
        say(client, two + cut, strlen(two) - cut);
        g_autofree char *reply = hear(client, 0);
        g_assert_true(g_str_has_prefix(reply, "HTTP/1.1 501 "));
        g_autofree char *seen = hear(server, 0);
        g_assert_null(strstr(seen, "healthz"));
        close(client);
        close(server);
        desk_close(&d);
    }
    g_autofree char *right = g_strconcat("POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\n\r\nGET / HTTP/9", HELLO, NULL);
    desk_open(&d, false, false);
    int client = call(&d), server = server_side(&d);
    say(client, right, strlen(right));
    g_autofree char *seen = hear(server, strlen(right));
    g_assert_cmpstr(seen, ==, right);
    close(client);
    close(server);
    desk_close(&d);
}

static void refused_with(const char *request, const char *status)
{
    desk d;

    desk_open(&d, false, false);
    int client = call(&d), server = server_side(&d);
    say(client, request, strlen(request));
    g_autofree char *reply = hear(client, 0);
    g_assert_true(g_str_has_prefix(reply, "HTTP/1.1 "));
    g_assert_cmpint(strncmp(reply + 9, status, 3), ==, 0);
    g_assert_nonnull(strstr(reply, "Connection: close\r\n"));
    g_autofree char *seen = hear(server, 0);
    g_assert_cmpstr(seen, ==, "");
    close(client);
    close(server);
    desk_close(&d);
}

static void test_refused(void)
{
    g_autofree char *a = g_strnfill(MT_REQUEST_HEAD_BYTES, 'a');
    g_autofree char *long_head = g_strconcat("GET / HTTP/1.1\r\nHost: h\r\nX: ", a, NULL);
    g_autofree char *target = g_strndup(a, MT_REQUEST_TARGET_BYTES + 1);
    g_autofree char *long_target = g_strconcat("GET /", target, " HTTP/1.1\r\nHost: h\r\n\r\n", NULL);

    refused_with("nonsense\r\n\r\n", "400");
    refused_with("GET / HTTP/1.1\nHost: h\n\n", "400");
    refused_with("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400");
    refused_with("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n", "413");
    refused_with("GET / HTTP/3.0\r\nHost: h\r\n\r\n", "505");
    refused_with(long_target, "414");
    refused_with(long_head, "431");
}

/* The server closes behind its answer, and the client hears all of it; a client that closes its half still hears the answer. */
static void test_closing(void)
{
    g_autofree char *body = g_strnfill(1 << 20, 'b');
    desk             d;

    desk_open(&d, false, false);
    int client = call(&d), server = server_side(&d);
    say(client, HELLO, strlen(HELLO));
    shutdown(client, SHUT_WR);
    g_autofree char *head = hear(server, 0);
    g_assert_cmpstr(head, ==, HELLO);
    for (size_t at = 0; at < 1 << 20; at += 4096) { /* more than lies between: both sides move */
        say(server, body + at, 4096);
        g_autofree char *part = hear(client, 4096);
        g_assert_cmpuint(strlen(part), ==, 4096);
    }
    say(server, "end", 3);
    close(server);
    g_autofree char *last = hear(client, 0);
    g_assert_cmpstr(last, ==, "end");
    close(client);
    desk_close(&d);
}

static void test_many(void)
{
    desk d;
    int  clients[MT_GATE_OF_ADDRESS + 1];

    desk_open(&d, false, false);
    for (int i = 0; i <= MT_GATE_OF_ADDRESS; i++)
        clients[i] = call(&d);
    g_autofree char *reply = hear(clients[MT_GATE_OF_ADDRESS], 0);
    g_assert_true(g_str_has_prefix(reply, "HTTP/1.1 503 "));
    for (int i = 0; i <= MT_GATE_OF_ADDRESS; i++)
        close(clients[i]);
    desk_close(&d);

    desk_open(&d, true, false);
    int              client = call(&d);
    g_autofree char *full = hear(client, 0);
    g_assert_true(g_str_has_prefix(full, "HTTP/1.1 503 "));
    close(client);
    desk_close(&d);
}

static void test_encrypted(void)
{
    desk d;

    desk_open(&d, false, true);
    int client = call(&d), server = server_side(&d);
    say(client, "\x16\x03\x01 no head at all", 18);
    g_autofree char *seen = hear(server, 18);
    g_assert_cmpmem(seen, strlen(seen), "\x16\x03\x01 no head at all", 18);
    close(client);
    close(server);
    desk_close(&d);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gate/whole", test_whole);
    g_test_add_func("/gate/pieces", test_pieces);
    g_test_add_func("/gate/bodies", test_bodies);
    g_test_add_func("/gate/malformed", test_refused);
    g_test_add_func("/gate/closing", test_closing);
    g_test_add_func("/gate/many", test_many);
    g_test_add_func("/gate/encrypted", test_encrypted);
    return g_test_run();
}
