#include "tools/command.h"

#include <microtome/serve.h>

#include <signal.h>
#include <stdio.h>

static volatile int stopped;

static void on_stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

static void catch_stops(void)
{
    struct sigaction stop = {.sa_handler = on_stop};

    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
}

static void tell_address(void *user, const char *address)
{
    (void)user;
    printf("%s\n", address);
    fflush(stdout);
    fprintf(stderr, "microtome serve: the desk is open at %s; Ctrl-C closes it\n", address);
}

static int print_routes(void)
{
    g_autofree char *routes = mt_serve_routes();

    fputs(routes, stdout);
    return 0;
}

static int run(int argc, char **argv)
{
    g_autofree char *slides = NULL, *bind = NULL, *users = NULL, *certificate = NULL, *key = NULL, *diagnoses = NULL;
    g_auto(GStrv) hosts = NULL;
    int          port = 8787, readers = 0;
    gboolean     proxy = FALSE, read_first = FALSE, routes = FALSE;
    GOptionEntry entries[] = {
        {"slides", 0, 0, G_OPTION_ARG_FILENAME, &slides, "folder of the slides, files named as the cases (default: the stored pictures)",
         "DIR"},
        {"bind", 0, 0, G_OPTION_ARG_STRING, &bind,
         "address to listen on (default: 127.0.0.1); another than loopback wants users, and TLS or a proxy", "ADDR"},
        {"port", 0, 0, G_OPTION_ARG_INT, &port, "port (default: 8787; 0: any that is free)", "N"},
        {"users", 0, 0, G_OPTION_ARG_FILENAME, &users, "file of users (default: OUT/review/users)", "FILE"},
        {"certificate", 0, 0, G_OPTION_ARG_FILENAME, &certificate, "certificate of the server, PEM", "FILE"},
        {"key", 0, 0, G_OPTION_ARG_FILENAME, &key, "key of the certificate, PEM", "FILE"},
        {"trusted-proxy", 0, 0, G_OPTION_ARG_NONE, &proxy, "a proxy on the way ends TLS", NULL},
        {"host", 0, 0, G_OPTION_ARG_STRING_ARRAY, &hosts, "name that the desk is called by, may be given several times", "NAME"},
        {"read-first", 0, 0, G_OPTION_ARG_NONE, &read_first, "scores and maps appear after the reader's own opinion", NULL},
        {"diagnoses", 0, 0, G_OPTION_ARG_FILENAME, &diagnoses, "table of id and diagnosis, to show where both differ", "CSV"},
        {"readers", 0, 0, G_OPTION_ARG_INT, &readers, "processes that open slides, 1 to 64 (default: 2)", "N"},
        {"routes", 0, 0, G_OPTION_ARG_NONE, &routes, "print every address and who may ask for it", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
    g_autoptr(GError) error = NULL;

    if (!mt_command_parse(&mt_command_serve, entries, &argc, &argv))
        return 64;
    if (routes)
        return print_routes();
    if (argc != 2)
        return mt_command_usage(&mt_command_serve, "name one output folder");
    if (port < 0 || port > 65535)
        return mt_command_usage(&mt_command_serve, "--port %d: 0 to 65535 is wanted", port);
    if (readers < 0 || readers > 64)
        return mt_command_usage(&mt_command_serve, "--readers %d: 1 to 64 is wanted", readers);
    catch_stops();
    const mt_serve_params params = {.out = argv[1],
                                    .slides = slides,
                                    .bind = bind,
                                    .port = port,
                                    .users = users,
                                    .certificate = certificate,
                                    .key = key,
                                    .trusted_proxy = proxy,
                                    .hosts = (const char *const *)hosts,
                                    .read_first = read_first,
                                    .diagnoses = diagnoses,
                                    .readers = readers,
                                    .program = "/proc/self/exe",
                                    .stop = &stopped,
                                    .started = tell_address};
    return mt_serve(&params, &error) ? 0 : mt_command_fail(&mt_command_serve, error);
}

const mt_command mt_command_serve = {
    .name = "serve",
    .arguments = "OUT",
    .summary = "The review desk: read, check and sign the cases of a folder in a browser.",
    .help = "Open the printed address.  Only this machine reaches it unless --bind says so; then users log in (microtome user add).\n"
            "What is said about a case is kept in OUT/review/review.sqlite, and nothing is overwritten.  Slides are opened by processes\n"
            "of their own; labels and macro pictures are never shown.\n\n"
            "  microtome serve OUT --slides slides/\n"
            "  microtome serve OUT --slides slides/ --bind 0.0.0.0 --certificate desk.pem --key desk.key --host desk.hospital.example",
    .run = run,
};
