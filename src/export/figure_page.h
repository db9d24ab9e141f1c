/* One page as PNG, SVG or PDF: boxes, text and pictures, in pt from its top left corner. */
#ifndef MT_FIGURE_PAGE_H
#define MT_FIGURE_PAGE_H

#include "src/export/canvas.h"

#include <microtome/heat_figure.h>

#define MT_FIGURE_INK ((mt_color){24, 32, 46})
#define MT_FIGURE_SOFT ((mt_color){96, 106, 122})

typedef struct mt_figure_page mt_figure_page;

typedef struct mt_figure_font {
    double    size; /* pt */
    bool      bold;
    mt_anchor anchor;
    mt_color  color;
} mt_figure_font;

mt_figure_page *mt_figure_page_new(mt_figure_format format, double width, double height, GError **error);
void            mt_figure_page_free(mt_figure_page *page);
void            mt_figure_box(mt_figure_page *page, double x, double y, double width, double height, mt_color color, double opacity);
/* y is the top of the line. */
void mt_figure_text(mt_figure_page *page, double x, double y, const char *text, const mt_figure_font *font);
/* Broken into lines of at most `width`; returns the height of all. */
double mt_figure_paragraph(mt_figure_page *page, double x, double y, double width, const char *text, const mt_figure_font *font);
double mt_figure_text_width(mt_figure_page *page, const char *text, double size);
void   mt_figure_picture(mt_figure_page *page, const mt_canvas *canvas, double x, double y, double width, double height);
/* Letters drawn so far that no font of the machine has: boxes stand in their place. */
int mt_figure_page_unknown(const mt_figure_page *page);
/* A further page of the same size; PDF alone. */
void mt_figure_page_next(mt_figure_page *page);
/* The bytes of the file; the page is at its end. */
GBytes *mt_figure_page_bytes(mt_figure_page *page, GError **error);
/* What went wrong in drawing is said here.  The page is at its end. */
bool mt_figure_page_write(mt_figure_page *page, const char *path, bool replace, GError **error);

#endif
