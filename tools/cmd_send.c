#include "tools/command.h"
#include "tools/network_stop.h"

#include <microtome/send.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define PASSWORD_VARIABLE "MICROTOME_PACS_PASSWORD"

typedef struct send_options {
    char    *stow, *store, *user, *password_file, *ca, *ledger;
    int      retries;
    double   pause_s, timeout_s;
    gboolean json;
} send_options;

static void on_event(void *user, const mt_send_event *event)
{
    json_t          *problems = user;
    g_autofree char *name = g_path_get_basename(event->file), *file = g_utf8_make_valid(name, -1);

    if (event->state == MT_SEND_SENT && event->words == NULL)
        return;
    fprintf(stderr, "microtome send: %s: %s%s%s\n", file, mt_send_state_name(event->state), event->words != NULL ? ": " : "",
            event->words != NULL ? event->words : "");
    if (problems != NULL && event->state != MT_SEND_SENT)
        json_object_set_new(problems, event->file,
                            json_pack("{s:s s:s? s:s s:i s:s?}", "file", file, "sop_instance", event->sop_instance, "state",
                                      mt_send_state_name(event->state), "attempts", event->attempts, "words", event->words));
    else if (problems != NULL)
        json_object_del(problems, event->file);
}

/* The first line of the file, or of the environment; NULL after an error was printed. */
static char *read_password(const send_options *o)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    if (o->password_file == NULL) {
        if (g_getenv(PASSWORD_VARIABLE) != NULL)
            return g_strdup(g_getenv(PASSWORD_VARIABLE));
        mt_command_usage(&mt_command_send, "--user %s: its password is wanted, in --password-file FILE or in " PASSWORD_VARIABLE, o->user);
        return NULL;
    }
    if (!g_file_get_contents(o->password_file, &text, NULL, &error)) {
        mt_command_usage(&mt_command_send, "--password-file: %s", error->message);
        return NULL;
    }
    text[strcspn(text, "\r\n")] = '\0';
    return text;
}

static void print_facts(const send_options *o, const mt_send_facts *f, json_t *problems)
{
    if (!o->json) {
        printf("%" G_GINT64_FORMAT " objects: %" G_GINT64_FORMAT " sent, %" G_GINT64_FORMAT " sent before, %" G_GINT64_FORMAT
               " refused, %" G_GINT64_FORMAT " waiting\n",
               f->objects, f->sent, f->already, f->refused, f->waiting);
        return;
    }
    json_t     *list = json_array(), *problem, *root;
    const char *key;
    json_object_foreach(problems, key, problem) json_array_append(list, problem);
    root = json_pack("{s:I s:I s:I s:I s:I s:I s:I s:s s:o}", "objects", (json_int_t)f->objects, "sent", (json_int_t)f->sent, "sent_before",
                     (json_int_t)f->already, "refused", (json_int_t)f->refused, "waiting", (json_int_t)f->waiting, "other_files",
                     (json_int_t)f->other_files, "bytes", (json_int_t)f->bytes, "ledger", f->ledger, "problems", list);
    json_dumpf(root, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(root);
}

static int send_them(const send_options *o, char **paths)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *password = o->user != NULL ? read_password(o) : NULL;
    json_t          *problems = o->json ? json_object() : NULL;
    mt_send_facts    facts;

    if (o->user != NULL && password == NULL)
        return 64;
    mt_network_stop_catch();
    mt_send_params params = {.paths = (const char *const *)paths,
                             .stow = o->stow,
                             .store = o->store,
                             .user = o->user,
                             .password = password,
                             .ca_file = o->ca,
                             .ledger = o->ledger,
                             .retries = o->retries,
                             .pause_s = o->pause_s,
                             .timeout_s = o->timeout_s,
                             .stop = &mt_network_stopped,
                             .event = on_event,
                             .event_user = problems};
    bool           ok = mt_send(&params, &facts, &error);
    if (facts.objects > 0 || ok)
        print_facts(o, &facts, problems);
    json_decref(problems);
    g_autofree char *ledger = facts.ledger;
    if (!ok)
        return mt_command_fail(&mt_command_send, error);
    if (facts.objects == 0)
        fprintf(stderr, "microtome send: no DICOM objects there\n");
    if (facts.waiting > 0)
        fprintf(stderr, "microtome send: %" G_GINT64_FORMAT " objects wait; run again to send them (%s)\n", facts.waiting, ledger);
    return facts.waiting > 0 ? 75 : facts.refused > 0 || facts.objects == 0 ? 65 : 0;
}

static int run(int argc, char **argv)
{
    send_options o = {.retries = 5, .pause_s = 1, .timeout_s = 60};
    GOptionEntry entries[] = {
        {"stow", 0, 0, G_OPTION_ARG_STRING, &o.stow, "DICOMweb service; objects go to URL/studies", "URL"},
        {"store", 0, 0, G_OPTION_ARG_STRING, &o.store, "DICOM application for C-STORE; CALLING: MICROTOME", "[CALLING:]CALLED@HOST:PORT"},
        {"user", 0, 0, G_OPTION_ARG_STRING, &o.user, "user of the DICOMweb service; its password in " PASSWORD_VARIABLE ", or in", "NAME"},
        {"password-file", 0, 0, G_OPTION_ARG_FILENAME, &o.password_file, "the first line of this file", "FILE"},
        {"ca", 0, 0, G_OPTION_ARG_FILENAME, &o.ca, "PEM of the authorities to believe for https; default: the system's", "FILE"},
        {"ledger", 0, 0, G_OPTION_ARG_FILENAME, &o.ledger, "what was sent where; default: sent.jsonl in the first PATH's folder", "FILE"},
        {"retries", 0, 0, G_OPTION_ARG_INT, &o.retries, "further attempts of an object that cannot go now; default 5", "N"},
        {"pause", 0, 0, G_OPTION_ARG_DOUBLE, &o.pause_s, "before the first of them; doubled each time, 60 at most; default 1", "SECONDS"},
        {"timeout", 0, 0, G_OPTION_ARG_DOUBLE, &o.timeout_s, "of a connection, an answer and data that do not move; default 60", "SECONDS"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &o.json, "JSON on standard output", NULL},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
    int code = 64;

    if (mt_command_parse(&mt_command_send, entries, &argc, &argv))
        code = argc < 2 ? mt_command_usage(&mt_command_send, "name files or folders with DICOM objects") : send_them(&o, argv + 1);
    char *texts[] = {o.stow, o.store, o.user, o.password_file, o.ca, o.ledger};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    return code;
}

const mt_command mt_command_send = {
    .name = "send",
    .arguments = "PATH...",
    .summary = "Send DICOM objects to a PACS, each until the receiver confirms it.",
    .help =
        "Objects of files, and of folders with all below them, go to one receiver by STOW-RS or C-STORE.  The ledger keeps what the "
        "receiver\n"
        "confirmed: the same command again sends only the rest.  Broken connections, timeouts and a receiver without room are tried again\n"
        "after pauses; what it refuses is named with its status.\n\n"
        "  microtome send RESULTS --store ORTHANC@pacs:4242\n"
        "  microtome send RESULTS --stow https://pacs/dicom-web --user results --password-file FILE\n\n"
        "Exit codes: 0 all sent; 64 usage, also a user or a URL that the receiver does not take; 65 objects refused; 66 no such file;\n"
        "74 the ledger cannot be written; 75 objects wait, run again.",
    .run = run,
};
