/* Pages and their files, which stand inside the program. */
#include "src/serve/desk.h"

#include <gio/gio.h>
#include <string.h>

#define RESOURCES "/microtome/desk/"

static const struct {
    const char *ending, *type;
} types[] = {{".html", "text/html; charset=utf-8"},
             {".css", "text/css; charset=utf-8"},
             {".js", "text/javascript; charset=utf-8"},
             {".svg", "image/svg+xml"}};

/* What the page of a heatmap has too. */
static const struct {
    const char *name, *place;
} shared[] = {{"openseadragon.min.js", "/microtome/page/openseadragon.min.js"}, {"phrases.js", "/microtome/page/words.js"}};

static char *place_of(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(shared); i++)
        if (strcmp(name, shared[i].name) == 0)
            return g_strdup(shared[i].place);
    return g_strconcat(RESOURCES, name, NULL);
}

static void send_resource(mt_response *r, const char *name)
{
    g_autofree char *path = place_of(name);
    GBytes          *bytes = g_resources_lookup_data(path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);

    for (size_t i = 0; bytes != NULL && i < G_N_ELEMENTS(types); i++)
        if (g_str_has_suffix(name, types[i].ending)) {
            r->status = 200;
            r->type = types[i].type;
            r->body = bytes;
            return;
        }
    g_clear_pointer(&bytes, g_bytes_unref);
    mt_response_error(r, 404, "there is nothing here");
}

void mt_answer_page(mt_desk *desk, const mt_request *q, mt_response *r)
{
    const char      *first = q->parts[0] != NULL ? q->parts[0] : "index";
    g_autofree char *name = g_strconcat(first, ".html", NULL);

    (void)desk;
    send_resource(r, name);
}

void mt_answer_asset(mt_desk *desk, const mt_request *q, mt_response *r)
{
    (void)desk;
    send_resource(r, q->parts[1]);
}
