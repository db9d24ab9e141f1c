/* Small plots as SVG text: lines, steps, bars, points, bands; axes, grid, legend.  For pages and for paper: colours that the colour-blind tell
 * apart, and dashes that survive a grey print.  The same bytes for the same plot. */
#ifndef MT_PLOT_SVG_H
#define MT_PLOT_SVG_H

#include <microtome/error.h>

typedef enum mt_plot_kind {
    MT_PLOT_LINE,
    MT_PLOT_STEP,      /* x moves first, then y: ROC and Kaplan-Meier */
    MT_PLOT_STEP_BACK, /* y moves first, then x: precision and recall */
    MT_PLOT_BARS,      /* centred on x, from 0 to y */
    MT_PLOT_POINTS,    /* with low and high: whiskers */
    MT_PLOT_BAND,      /* the area between low and high */
} mt_plot_kind;

/* A point that is not finite is left out, and a line is broken there. */
typedef struct mt_plot_series {
    const char   *name; /* in the legend; NULL: not in it */
    mt_plot_kind  kind;
    const double *x, *y;
    const double *low, *high; /* of a band or of whiskers; NULL: none */
    int           n;
    int           color; /* 1 to 7 of the palette, 8 grey; 0: by the place among the series */
    bool          dashed;
} mt_plot_series;

/* Counts under the axis, as those at risk under survival curves. */
typedef struct mt_plot_row {
    const char    *name;
    const int64_t *values; /* at the plot's row_x */
    int            color;  /* of the name */
} mt_plot_row;

typedef struct mt_plot {
    const char           *title, *x_label, *y_label;  /* NULL: none */
    double                x_min, x_max, y_min, y_max; /* an end that equals its other end (0, 0) is found from the data */
    int                   width_px, height_px;        /* 0: 460 x 360 */
    const mt_plot_series *series;
    int                   n_series;
    const char *const    *x_names; /* at x = 0, 1, ..: names in place of numbers; NULL-terminated; NULL: numbers */
    const char           *rows_title;
    const double         *row_x; /* where the rows' values stand */
    int                   n_row_x, n_rows;
    const mt_plot_row    *rows;
} mt_plot;

/* <svg ..>..</svg>, without an XML declaration, to stand alone or in HTML.  Free with g_free. */
char *mt_plot_svg(const mt_plot *plot);
/* #RRGGBB of the palette, as `color` of a series. */
const char *mt_plot_color(int color);

#endif
