#include "tools/command.h"

#include <microtome/contact_sheet.h>
#include <microtome/search.h>

#include <stdio.h>
#include <string.h>

static const char HELP[] =
    "Likeness is the cosine of stored vectors: of tiles their features, of cases the embedding of the head, else the mean of the "
    "features.\n"
    "Every one is compared; cases of another encoder, head or width are left out and named. -o draws what was found: tiles from the\n"
    "slides in --slides DIR (DIR/ID.*), else from the stored thumbnails.\n"
    "\n"
    "Examples:\n"
    "  microtome search out --case s17                                 the ten cases most like s17\n"
    "  microtome search archive --from out/cases/s17.h5 -k 3           the past cases most like it\n"
    "  microtome search out --tile s17:402 -k 24 -o sheet.png          the 24 tiles most like tile 402 of s17, as a contact sheet\n"
    "  microtome search out --tile s17:402 --other-cases --json        only tiles of other cases, as JSON\n";

typedef struct search_options {
    mt_search_params params;
    char            *out, *slides;
    gboolean         json;
} search_options;

static void print_hits(const mt_search *s)
{
    if (s->demonstration)
        puts("DEMONSTRATION: encoder or head are samples; what is near says nothing of real tissue.");
    for (int i = 0; i < s->n_hits; i++) {
        const mt_search_hit *hit = &s->hits[i];
        char                 score[G_ASCII_DTOSTR_BUF_SIZE];
        printf("%4d  %s  %s", i + 1, g_ascii_formatd(score, sizeof score, "%.4f", hit->score), hit->id);
        if (hit->tile >= 0)
            printf(":%" G_GINT64_FORMAT "  x %" G_GINT64_FORMAT ", y %" G_GINT64_FORMAT, hit->tile, hit->x, hit->y);
        if (hit->plane > 0)
            printf(", plane %" G_GINT64_FORMAT, hit->plane);
        if (hit->withheld != NULL)
            fputs("  WITHHELD", stdout);
        putchar('\n');
    }
    printf("%" G_GINT64_FORMAT " compared by %s\n", s->compared, s->by);
}

static void warn_of_withheld(const mt_search *s)
{
    const char *why = s->query.withheld;
    int         n = s->query.withheld != NULL;

    for (int i = 0; i < s->n_hits; i++) {
        n += s->hits[i].withheld != NULL;
        why = why != NULL ? why : s->hits[i].withheld;
    }
    if (n > 0)
        fprintf(stderr, "microtome search: warning: %d of these are of cases whose scores are withheld: %s\n", n, why);
}

static int show(const char *folder, const search_options *o)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(mt_search) s = mt_search_new(folder, &o->params, &error);

    if (s == NULL)
        return mt_command_fail(&mt_command_search, error);
    for (int i = 0; s->left_out[i] != NULL; i++)
        fprintf(stderr, "microtome search: left out %s\n", s->left_out[i]);
    warn_of_withheld(s);
    if (o->out != NULL && !mt_contact_sheet_write(s, o->slides, o->out, &error))
        return mt_command_fail(&mt_command_search, error);
    if (o->json) {
        g_autofree char *text = mt_search_json(s);
        puts(text);
    } else {
        print_hits(s);
    }
    return 0;
}

/* "ID:N", the last colon counts; false after an error was printed. */
static bool parse_tile(const char *text, char **id, int64_t *tile)
{
    const char *colon = strrchr(text, ':');
    gint64      number = -1;

    if (colon != NULL && colon > text && g_ascii_string_to_signed(colon + 1, 10, 0, G_MAXINT64, &number, NULL)) {
        *id = g_strndup(text, (gsize)(colon - text));
        *tile = number;
        return true;
    }
    mt_command_usage(&mt_command_search, "--tile %s: ID:N is wanted, a case and the number of its tile from 0", text);
    return false;
}

static int run(int argc, char **argv)
{
    search_options   o = {.params = {.tile = -1, .k = 10}};
    g_autofree char *case_id = NULL, *from = NULL, *tile = NULL, *out = NULL, *slides = NULL, *id = NULL;
    gboolean         other_cases = FALSE;
    GOptionEntry     entries[] = {
            {"case", 0, 0, G_OPTION_ARG_STRING, &case_id, "nearest cases of this one", "ID"},
            {"from", 0, 0, G_OPTION_ARG_FILENAME, &from, "nearest cases of this result, which may lie elsewhere", "RESULT.h5"},
            {"tile", 0, 0, G_OPTION_ARG_STRING, &tile, "nearest tiles of this one: case and row of /features", "ID:N"},
            {"nearest", 'k', 0, G_OPTION_ARG_INT, &o.params.k, "how many (default: 10)", "N"},
            {"other-cases", 0, 0, G_OPTION_ARG_NONE, &other_cases, "no tiles of the same case", NULL},
            {"out", 'o', 0, G_OPTION_ARG_FILENAME, &out, "contact sheet of what was found", "SHEET.png"},
            {"slides", 0, 0, G_OPTION_ARG_FILENAME, &slides, "folder of the slides, for the contact sheet", "DIR"},
            {"json", 0, 0, G_OPTION_ARG_NONE, &o.json, "JSON on standard output", NULL},
            {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_search, entries, &argc, &argv))
        return 64;
    if (argc != 2 || (case_id != NULL) + (tile != NULL) + (from != NULL) != 1)
        return mt_command_usage(&mt_command_search, "name one folder of results and give --case ID, --from RESULT.h5 or --tile ID:N");
    if (tile != NULL && !parse_tile(tile, &id, &o.params.tile))
        return 64;
    if (other_cases && tile == NULL)
        return mt_command_usage(&mt_command_search, "--other-cases belongs to --tile");
    if (slides != NULL && out == NULL)
        return mt_command_usage(&mt_command_search, "--slides belongs to -o SHEET.png");
    o.params.case_id = tile != NULL ? id : case_id;
    o.params.from = from;
    o.params.other_cases = other_cases;
    o.out = out;
    o.slides = slides;
    return show(argv[1], &o);
}

const mt_command mt_command_search = {
    .name = "search",
    .arguments = "OUT (--case ID | --from RESULT.h5 | --tile ID:N)",
    .summary = "Find the stored cases or tiles that are most like one of them, and show them.",
    .help = HELP,
    .run = run,
};
