/* An RGB picture to draw on: rectangles, blending, text. */
#ifndef MT_CANVAS_H
#define MT_CANVAS_H

#include <microtome/error.h>

typedef struct mt_canvas {
    int      width, height;
    uint8_t *rgb; /* height x width x 3 */
} mt_canvas;

typedef struct mt_color {
    uint8_t r, g, b;
} mt_color;

typedef enum mt_anchor { MT_ANCHOR_LEFT, MT_ANCHOR_MIDDLE, MT_ANCHOR_RIGHT } mt_anchor;

typedef struct mt_text_style {
    int       size_px; /* of the font; a line takes 1.2 times as much */
    bool      bold;
    mt_color  color;
    double    opacity; /* 0 counts as 1 */
    mt_anchor anchor;  /* what of the text stands at x */
    int       width;   /* longer text is cut, with an ellipsis; 0: never */
} mt_text_style;

mt_canvas *mt_canvas_new(int width, int height, mt_color color, GError **error);
void       mt_canvas_free(mt_canvas *canvas);
/* What lies outside is clipped. */
void mt_canvas_blend(mt_canvas *canvas, int x, int y, mt_color color, double opacity);
void mt_canvas_fill(mt_canvas *canvas, int x, int y, int width, int height, mt_color color);
void mt_canvas_frame(mt_canvas *canvas, int x, int y, int width, int height, int thickness, mt_color color);
void mt_canvas_hatch(mt_canvas *canvas, int x, int y, int width, int height);
/* Hatching of one pixel: what could not be read, in map and legend alike. */
void mt_canvas_hatch_px(mt_canvas *canvas, int x, int y);
/* y is the top of the line.  Plain UTF-8, no markup; "" draws nothing.  MT_ERROR_INTERNAL where no font can be found. */
bool mt_canvas_text(mt_canvas *canvas, int x, int y, const char *text, const mt_text_style *style, GError **error);
/* Width in px of `text` in this style; -1 on failure. */
int mt_canvas_text_width(const char *text, const mt_text_style *style, GError **error);
/* A PNG that appears whole, over an older one. */
bool mt_canvas_write_png(const mt_canvas *canvas, const char *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_canvas, mt_canvas_free)

#endif
