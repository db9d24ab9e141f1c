#include "src/export/result_page.h"

#include "src/export/figure_page.h"
#include "src/export/result_pictures.h"
#include "src/result/messages.h"

#include <math.h>
#include <microtome/impression.h>

/* pt, A4 */
#define WIDTH 595.0
#define HEIGHT 842.0
#define MARGIN 40.0
#define PICTURE_HEIGHT 300.0
#define FOOT 60.0

typedef struct writer {
    mt_figure_page *page;
    double          y;    /* of the next line */
    char           *foot; /* what it is good for */
    bool            demonstration;
} writer;

static void draw_foot(writer *w)
{
    mt_figure_paragraph(w->page, MARGIN, HEIGHT - FOOT + 16, WIDTH - 2 * MARGIN, w->foot,
                        &(mt_figure_font){8, w->demonstration, MT_ANCHOR_LEFT, MT_FIGURE_SOFT});
}

/* Room for `height` pt, on a new page where this one is full. */
static void need(writer *w, double height)
{
    if (w->y + height < HEIGHT - FOOT)
        return;
    draw_foot(w);
    mt_figure_page_next(w->page);
    w->y = MARGIN;
}

static void draw_head(writer *w, const mt_headline *h, const char *title)
{
    g_autoptr(GString) line = g_string_new(h->status != NULL ? h->status : "");

    if (h->decision != NULL && g_strcmp0(h->decision, "none") != 0)
        g_string_append_printf(line, ", %s", h->decision);
    if (isfinite(h->score))
        g_string_append_printf(line, ", score %.3f%s%s", h->score, h->positive != NULL ? " of " : "",
                               h->positive != NULL ? h->positive : "");
    if (isfinite(h->threshold))
        g_string_append_printf(line, " (threshold %.3g)", h->threshold);
    w->y +=
        mt_figure_paragraph(w->page, MARGIN, w->y, WIDTH - 2 * MARGIN, title, &(mt_figure_font){15, true, MT_ANCHOR_LEFT, MT_FIGURE_INK});
    w->y += mt_figure_paragraph(w->page, MARGIN, w->y + 2, WIDTH - 2 * MARGIN, line->str,
                                &(mt_figure_font){10, false, MT_ANCHOR_LEFT, MT_FIGURE_INK}) +
            12;
}

static void draw_picture(writer *w, const mt_canvas *canvas)
{
    double scale = MIN((WIDTH - 2 * MARGIN) / canvas->width, PICTURE_HEIGHT / canvas->height);

    need(w, canvas->height * scale);
    mt_figure_picture(w->page, canvas, (WIDTH - canvas->width * scale) / 2, w->y, canvas->width * scale, canvas->height * scale);
    w->y += canvas->height * scale + 14;
}

static void draw_section(writer *w, const char *heading, char *const *lines)
{
    if (*lines == NULL)
        return;
    need(w, 40);
    w->y +=
        mt_figure_paragraph(w->page, MARGIN, w->y, WIDTH - 2 * MARGIN, heading, &(mt_figure_font){10, true, MT_ANCHOR_LEFT, MT_FIGURE_INK});
    for (; *lines != NULL; lines++) {
        need(w, 24);
        w->y += mt_figure_paragraph(w->page, MARGIN, w->y + 2, WIDTH - 2 * MARGIN, *lines,
                                    &(mt_figure_font){9.5, false, MT_ANCHOR_LEFT, MT_FIGURE_INK}) +
                2;
    }
    w->y += 6;
}

static void draw_words(writer *w, const mt_impression *impression)
{
    for (int q = 0; q < MT_QUESTIONS; q++)
        draw_section(w, mt_question_heading(q, impression->language), impression->sentences[q]);
}

GBytes *mt_result_page_pdf(const mt_result *result, const mt_headline *headline, const char *title, const char *language,
                           const mt_page_section *sections, int n_sections, GError **error)
{
    const mt_impression_params params = {.language = language};
    g_autoptr(mt_impression) impression = mt_impression_new(result, &params, error);
    g_autoptr(GPtrArray) pictures = impression != NULL ? mt_result_pictures(result, error) : NULL;
    writer w = {.y = MARGIN, .demonstration = headline->demonstration};

    if (pictures == NULL)
        return NULL;
    w.page = mt_figure_page_new(MT_FIGURE_PDF, WIDTH, HEIGHT, error);
    if (w.page == NULL)
        return NULL;
    g_autofree char *research = mt_message_text(MT_MESSAGE_REPORT_RESEARCH, mt_language_of(language), NULL);
    g_autofree char *foot = g_strconcat(w.demonstration ? "DEMONSTRATION, not a trained model. " : "", research, NULL);
    w.foot = foot;
    draw_head(&w, headline, title);
    for (guint i = 0; i < pictures->len && i < 2 && (i == 0 || ((mt_result_picture *)pictures->pdata[i])->lettered); i++)
        draw_picture(&w, ((mt_result_picture *)pictures->pdata[i])->canvas);
    draw_words(&w, impression);
    for (int i = 0; i < n_sections; i++)
        draw_section(&w, sections[i].heading, sections[i].lines);
    draw_foot(&w);
    GBytes *pdf = mt_figure_page_unknown(w.page) == 0 ? mt_figure_page_bytes(w.page, error) : NULL;
    if (mt_figure_page_unknown(w.page) > 0)
        g_set_error(
            error, MT_ERROR, MT_ERROR_INTERNAL,
            "draw its page: no font of this machine has its letters: install one that does (Korean: fonts-nanum or fonts-noto-cjk)");
    mt_figure_page_free(w.page);
    return pdf;
}
