#include "src/export/table_page.h"

#include "src/base/refuse.h"
#include "src/export/figure_page.h"

/* pt, A4 */
#define WIDTH 842.0
#define HEIGHT 595.0
#define MARGIN 36.0
#define FOOT 44.0
#define GAP 6.0
#define ROW_LEAST 26.0 /* room to write a word by hand */

/* The height of a row whose cells begin at y; drawn too. */
static double draw_row(mt_figure_page *page, const mt_table_page *t, const char *const *cells, double y, bool bold)
{
    double x = MARGIN, most = ROW_LEAST;

    for (int i = 0; i < t->n_columns; i++) {
        double width = t->shares[i] * (WIDTH - 2 * MARGIN);
        if (cells[i] != NULL && cells[i][0] != '\0')
            most = MAX(
                most,
                mt_figure_paragraph(page, x, y + 4, width - GAP, cells[i], &(mt_figure_font){9, bold, MT_ANCHOR_LEFT, MT_FIGURE_INK}) + 8);
        x += width;
    }
    mt_figure_box(page, MARGIN, y + most, WIDTH - 2 * MARGIN, bold ? 1.2 : 0.5, MT_FIGURE_SOFT, 1);
    return most;
}

/* The top of the first row. */
static double begin_page(mt_figure_page *page, const mt_table_page *t)
{
    double y = MARGIN;

    y += mt_figure_paragraph(page, MARGIN, y, WIDTH - 2 * MARGIN, t->title, &(mt_figure_font){14, true, MT_ANCHOR_LEFT, MT_FIGURE_INK}) + 8;
    mt_figure_paragraph(page, MARGIN, HEIGHT - FOOT + 14, WIDTH - 2 * MARGIN, t->foot,
                        &(mt_figure_font){8, false, MT_ANCHOR_LEFT, MT_FIGURE_SOFT});
    return y + draw_row(page, t, t->heads, y, true);
}

GBytes *mt_table_page_pdf(const mt_table_page *t, GError **error)
{
    mt_figure_page *page = mt_figure_page_new(MT_FIGURE_PDF, WIDTH, HEIGHT, error);
    double          y, tallest = 3 * ROW_LEAST;

    if (page == NULL)
        return NULL;
    y = begin_page(page, t);
    for (const char *const **row = t->rows; *row != NULL; row++) {
        if (y + tallest > HEIGHT - FOOT) {
            mt_figure_page_next(page);
            y = begin_page(page, t);
        }
        y += draw_row(page, t, *row, y, false);
    }
    GBytes *pdf = mt_figure_page_unknown(page) == 0 ? mt_figure_page_bytes(page, error) : NULL;
    if (mt_figure_page_unknown(page) > 0)
        mt_refuse(error, MT_ERROR_INTERNAL,
                  "draw a list: no font of this machine has its letters: install one that does (Korean: fonts-nanum or fonts-noto-cjk)");
    mt_figure_page_free(page);
    return pdf;
}
