/* The wrong cases of an evaluation, worst first, each with its slide and the tiles that the model saw most in. */
#include "src/export/canvas.h"
#include "src/export/evaluation_parts.h"
#include "src/export/small_picture.h"
#include "src/store/schema.h"

#include <microtome/heatmap.h>

#include <math.h>
#include <string.h>

#define SIDE 360 /* px, long side of a slide's picture */
#define TOP 5    /* tiles shown */

typedef struct wrong {
    const mt_subject *subject;
    double            by; /* distance to the right side */
} wrong;

static gint compare_wrong(gconstpointer a, gconstpointer b)
{
    const wrong *first = a, *second = b;

    if (first->by != second->by)
        return first->by > second->by ? -1 : 1;
    return strcmp(first->subject->id, second->subject->id);
}

/* A white line around a dark one: seen on tissue and on glass. */
static void mark(mt_canvas *canvas, const mt_heatmap *h, const mt_heat_tile *tile, int place)
{
    const mt_color dark = {190, 30, 45}, light = {255, 255, 255};
    double         sx = canvas->width / h->level0_size[0], sy = canvas->height / h->level0_size[1];
    int            width = MAX(7, (int)lround(h->tile_level0[0] * sx)), height = MAX(7, (int)lround(h->tile_level0[1] * sy));
    int            x = (int)lround(((double)tile->x + h->tile_level0[0] / 2) * sx) - width / 2;
    int            y = (int)lround(((double)tile->y + h->tile_level0[1] / 2) * sy) - height / 2;
    char           number[4];

    mt_canvas_frame(canvas, x - 1, y - 1, width + 2, height + 2, 1, light);
    mt_canvas_frame(canvas, x, y, width, height, 2, dark);
    g_snprintf(number, sizeof number, "%d", place);
    mt_canvas_fill(canvas, x + width, y - 1, 13, 15, dark);
    /* the numbers stand in the list as well: a machine without fonts still gets its page */
    mt_canvas_text(canvas, x + width + 7, y - 1, number,
                   &(mt_text_style){.size_px = 12, .bold = true, .color = light, .anchor = MT_ANCHOR_MIDDLE}, NULL);
}

static void list_tiles(GString *html, const mt_heat_tile *tiles, int64_t n)
{
    char value[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append(html, "<ol class=\"tiles\">\n");
    for (int64_t i = 0; i < n; i++)
        mt_html_printf(html, "<li>x %" G_GINT64_FORMAT ", y %" G_GINT64_FORMAT "%s <b>%s</b></li>\n", tiles[i].x, tiles[i].y,
                       tiles[i].plane > 0 ? " (deeper plane)" : "", g_ascii_formatd(value, sizeof value, "%.3f", (double)tiles[i].value));
    g_string_append(html, "</ol>\n");
}

static bool draw_case(GString *html, const mt_subject *s, const char *label, GError **error)
{
    const mt_heatmap_params params = {.label = label, .scale = MT_HEAT_ABSOLUTE, .plane = -1};
    mt_heat_tile            tiles[TOP];
    g_autoptr(mt_result) result = mt_result_open(s->prediction->path, error);
    g_autoptr(mt_heatmap) heatmap = result != NULL ? mt_heatmap_new(result, &params, error) : NULL;

    if (heatmap == NULL)
        return false;
    int64_t n = mt_heatmap_top_tiles(heatmap, TOP, tiles);
    if (mt_result_has(result, MT_OBJECT_THUMBNAIL)) {
        g_autoptr(mt_tensor) thumbnail = mt_result_read(result, MT_OBJECT_THUMBNAIL, error);
        g_autoptr(mt_canvas) canvas = thumbnail != NULL ? mt_small_picture(thumbnail, SIDE, error) : NULL;
        if (canvas == NULL)
            return false;
        for (int64_t i = n - 1; i >= 0; i--)
            mark(canvas, heatmap, &tiles[i], (int)i + 1);
        if (!mt_html_picture(html, canvas, s->id, 88, error))
            return false;
    }
    list_tiles(html, tiles, n);
    return true;
}

static void put_case(GString *html, const mt_evaluation *e, const mt_subject *s, const char *truth, const char *called, double score,
                     const char *label)
{
    g_autoptr(GError) reason = NULL;
    g_autoptr(GString) shown = g_string_new(NULL);
    char value[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append(html, "<figure>\n<figcaption><b>");
    mt_html_text(html, s->id);
    g_string_append(html, "</b>");
    if (strcmp(s->patient, s->id) != 0)
        mt_html_printf(html, "<span>patient %s</span>", s->patient);
    if (strcmp(e->level, "patient") == 0 && strcmp(s->prediction->id, s->id) != 0)
        mt_html_printf(html, "<span>case %s</span>", s->prediction->id);
    mt_html_printf(html, "<span>is %s, called %s</span>", truth, called);
    mt_html_printf(html, "<span>score %s, status %s</span>", g_ascii_formatd(value, sizeof value, "%.3f", score), s->prediction->status);
    g_string_append(html, "</figcaption>\n");
    /* an older result may lack tiles or attention: the case is shown all the same */
    if (draw_case(shown, s, label, &reason))
        g_string_append_len(html, shown->str, (gssize)shown->len);
    else
        mt_html_printf(html, "<p class=\"note\">No picture: %s</p>\n", reason->message);
    g_string_append(html, "</figure>\n");
}

static void put_heading(GString *html, const char *what, const char *label, guint n, int shown)
{
    g_string_append(html, "<h3>");
    mt_html_printf(html, "%s%s%s: %u", what, *label != '\0' ? ", " : "", label, n);
    if ((guint)shown < n)
        mt_html_printf(html, " (the worst %d are shown)", shown);
    g_string_append(html, "</h3>\n<div class=\"gallery\">\n");
}

/* False negatives (truth 1) or false positives of one label. */
static void put_errors(GString *html, const mt_evaluation *e, const mt_view *v, int truth, int most)
{
    const char *label = e->views->len > 1 ? v->label : "";
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(wrong));

    for (int i = 0; i < v->n; i++) {
        wrong one = {e->subjects->pdata[v->subject[i]], fabs(v->scores[i] - v->threshold)};
        if (v->truth[i] == truth && v->called[i] != truth)
            g_array_append_val(all, one);
    }
    if (all->len == 0)
        return;
    g_array_sort(all, compare_wrong);
    put_heading(html, truth == 1 ? "False negatives" : "False positives", label, all->len, MIN(most, (int)all->len));
    for (int i = 0; i < MIN(most, (int)all->len); i++) {
        const mt_subject *s = g_array_index(all, wrong, i).subject;
        int               k = e->task == MT_TASK_BINARY ? 1 : 0;
        for (; e->task != MT_TASK_BINARY && strcmp(mt_targets_labels(e->targets)[k], v->label) != 0;)
            k++;
        put_case(html, e, s, truth == 1 ? v->label : "negative", truth == 1 ? "negative" : v->label, s->scores[k],
                 e->predictions->n_labels > 1 ? v->label : NULL);
    }
    g_string_append(html, "</div>\n");
}

/* Of classes: those called wrong, the surest first, with the tiles that speak for the wrong class. */
static void put_confused(GString *html, const mt_evaluation *e, int most)
{
    const char *const *names = mt_targets_labels(e->targets);
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(wrong));

    for (guint i = 0; i < e->subjects->len; i++) {
        const mt_subject *s = e->subjects->pdata[i];
        wrong             one = {s, s->called >= 0 ? s->scores[s->called] : 0};
        if (s->called != s->truth)
            g_array_append_val(all, one);
    }
    if (all->len == 0)
        return;
    g_array_sort(all, compare_wrong);
    put_heading(html, "Called wrong", "", all->len, MIN(most, (int)all->len));
    for (int i = 0; i < MIN(most, (int)all->len); i++) {
        const mt_subject *s = g_array_index(all, wrong, i).subject;
        put_case(html, e, s, names[s->truth], names[s->called], s->scores[s->called], names[s->called]);
    }
    g_string_append(html, "</div>\n");
}

void mt_evaluation_gallery(const mt_evaluation *e, int most, GString *html)
{
    if (most <= 0)
        return;
    if (e->task == MT_TASK_MULTICLASS || e->task == MT_TASK_ORDINAL)
        put_confused(html, e, most);
    else if (e->task == MT_TASK_BINARY || e->task == MT_TASK_MULTILABEL)
        for (guint i = 0; i < e->views->len; i++)
            for (int truth = 1; truth >= 0; truth--)
                put_errors(html, e, e->views->pdata[i], truth, most);
}
