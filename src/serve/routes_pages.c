/* Pages and their files, which stand inside the program. */
#include "src/serve/desk.h"

#include <gio/gio.h>
#include <string.h>

#define RESOURCES "/microtome/desk/"
#define VIEWER "openseadragon.min.js" /* stands beside the page of a heatmap */

static const struct {
    const char *ending, *type;
} types[] = {{".html", "text/html; charset=utf-8"},
             {".css", "text/css; charset=utf-8"},
             {".js", "text/javascript; charset=utf-8"},
             {".svg", "image/svg+xml"}};

static void send_resource(mt_response *r, const char *name)
{
    g_autofree char *path = g_strconcat(strcmp(name, VIEWER) == 0 ? "/microtome/page/" : RESOURCES, name, NULL);
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
