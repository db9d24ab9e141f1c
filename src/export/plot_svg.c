#include "src/export/plot_svg.h"

#include <math.h>
#include <string.h>

#define TICKS 5
#define ROW 18 /* px of a line of the legend */

/* Okabe and Ito's palette without its yellow, which paper loses. */
static const char *const PALETTE[] = {"#666666", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8A8F98"};
static const char *const DASHES[] = {"", "", "7 3", "2 3", "9 3 2 3", "4 2", "1 2", ""};

typedef struct frame {
    const mt_plot *plot;
    GString       *svg;
    double         x_min, x_max, y_min, y_max;
    double         left, top, width, height; /* of the area inside the axes, px */
} frame;

const char *mt_plot_color(int color)
{
    return PALETTE[color > 0 && color < (int)G_N_ELEMENTS(PALETTE) ? color : 0];
}

static void put_number(GString *svg, double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_ascii_formatd(text, sizeof text, "%.2f", value);
    g_string_append(svg, strcmp(text, "-0.00") == 0 ? "0.00" : text);
}

/* ` NAME="12.30"` */
static void put_attr(GString *svg, const char *name, double value)
{
    g_string_append_printf(svg, " %s=\"", name);
    put_number(svg, value);
    g_string_append_c(svg, '"');
}

static void put_text(GString *svg, double x, double y, const char *attributes, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_autofree char *escaped = g_markup_escape_text(valid, -1);

    g_string_append(svg, "<text");
    put_attr(svg, "x", x);
    put_attr(svg, "y", y);
    g_string_append_printf(svg, " %s>%s</text>\n", attributes, escaped);
}

static void put_line(GString *svg, double x1, double y1, double x2, double y2, const char *attributes)
{
    g_string_append(svg, "<line");
    put_attr(svg, "x1", x1);
    put_attr(svg, "y1", y1);
    put_attr(svg, "x2", x2);
    put_attr(svg, "y2", y2);
    g_string_append_printf(svg, " %s/>\n", attributes);
}

static double at_x(const frame *f, double x)
{
    return f->left + (x - f->x_min) / (f->x_max - f->x_min) * f->width;
}

static double at_y(const frame *f, double y)
{
    return f->top + f->height - (y - f->y_min) / (f->y_max - f->y_min) * f->height;
}

static void widen(double value, double *low, double *high)
{
    if (!isfinite(value))
        return;
    *low = MIN(*low, value);
    *high = MAX(*high, value);
}

static void find_range(const mt_plot *plot, bool of_y, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (int s = 0; s < plot->n_series; s++) {
        const mt_plot_series *series = &plot->series[s];
        const double         *values[] = {of_y ? series->y : series->x, of_y ? series->low : NULL, of_y ? series->high : NULL};
        for (int v = 0; v < 3; v++)
            for (int i = 0; values[v] != NULL && i < series->n; i++)
                widen(values[v][i], low, high);
        if (series->kind == MT_PLOT_BARS)
            widen(of_y ? 0 : *low - 0.5, low, high), widen(of_y ? 0 : *high + 0.5, low, high);
    }
    if (*low > *high)
        *low = 0, *high = 1;
    if (*low == *high)
        *low -= 0.5, *high += 0.5;
}

/* 1, 2 or 5 times a power of ten, about TICKS of them in the range. */
static double tick_step(double low, double high)
{
    double raw = (high - low) / TICKS, power = pow(10, floor(log10(raw))), share = raw / power;

    return power * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
}

static void tick_name(double value, double step, char text[G_ASCII_DTOSTR_BUF_SIZE])
{
    int  decimals = step < 1 ? (int)ceil(-log10(step) - 1e-9) : 0;
    char format[16];

    g_snprintf(format, sizeof format, step >= 1e6 || decimals > 6 ? "%%.3g" : "%%.%df", decimals);
    g_ascii_formatd(text, G_ASCII_DTOSTR_BUF_SIZE, format, fabs(value) < step / 1000 ? 0 : value);
}

static void draw_names(frame *f)
{
    for (int i = 0; f->plot->x_names[i] != NULL; i++)
        put_text(f->svg, at_x(f, i), f->top + f->height + 16, "text-anchor=\"middle\"", f->plot->x_names[i]);
}

static void draw_x_ticks(frame *f)
{
    double step = tick_step(f->x_min, f->x_max);
    char   name[G_ASCII_DTOSTR_BUF_SIZE];

    if (f->plot->x_names != NULL) {
        draw_names(f);
        return;
    }
    for (int64_t k = (int64_t)ceil(f->x_min / step - 1e-9); (double)k * step <= f->x_max + step * 1e-9; k++) {
        double x = at_x(f, (double)k * step);
        put_line(f->svg, x, f->top, x, f->top + f->height, "stroke=\"#e3e6ea\"");
        tick_name((double)k * step, step, name);
        put_text(f->svg, x, f->top + f->height + 16, "text-anchor=\"middle\"", name);
    }
}

static void draw_y_ticks(frame *f)
{
    double step = tick_step(f->y_min, f->y_max);
    char   name[G_ASCII_DTOSTR_BUF_SIZE];

    for (int64_t k = (int64_t)ceil(f->y_min / step - 1e-9); (double)k * step <= f->y_max + step * 1e-9; k++) {
        double y = at_y(f, (double)k * step);
        put_line(f->svg, f->left, y, f->left + f->width, y, "stroke=\"#e3e6ea\"");
        tick_name((double)k * step, step, name);
        put_text(f->svg, f->left - 6, y + 4, "text-anchor=\"end\"", name);
    }
}

static void draw_labels(frame *f)
{
    const mt_plot *plot = f->plot;
    double         middle = f->top + f->height / 2;

    if (plot->title != NULL)
        put_text(f->svg, f->left, 18, "font-size=\"14\" font-weight=\"bold\" fill=\"#18202e\"", plot->title);
    if (plot->x_label != NULL)
        put_text(f->svg, f->left + f->width / 2, f->top + f->height + 36, "text-anchor=\"middle\"", plot->x_label);
    if (plot->y_label != NULL) {
        g_autoptr(GString) turn = g_string_new("text-anchor=\"middle\" transform=\"rotate(-90 14 ");
        put_number(turn, middle);
        g_string_append(turn, ")\"");
        put_text(f->svg, 14, middle, turn->str, plot->y_label);
    }
}

static int color_of(const mt_plot *plot, int s)
{
    return plot->series[s].color > 0 ? plot->series[s].color : s % 7 + 1;
}

static char *stroke_of(const mt_plot *plot, int s)
{
    int         color = color_of(plot, s);
    const char *dash = plot->series[s].dashed ? "5 4" : color < (int)G_N_ELEMENTS(DASHES) ? DASHES[color] : "";

    return g_strdup_printf("fill=\"none\" stroke=\"%s\" stroke-width=\"%s\"%s%s%s", mt_plot_color(color),
                           plot->series[s].dashed ? "1.2" : "2", *dash != '\0' ? " stroke-dasharray=\"" : "", dash,
                           *dash != '\0' ? "\"" : "");
}

static void put_point(GString *path, char command, double x, double y)
{
    g_string_append_c(path, command);
    put_number(path, x);
    g_string_append_c(path, ' ');
    put_number(path, y);
}

static void draw_line(frame *f, int s)
{
    const mt_plot_series *series = &f->plot->series[s];
    g_autofree char      *stroke = stroke_of(f->plot, s);
    double                before_x = 0, before_y = 0;
    bool                  open = false;
    g_autoptr(GString) path = g_string_new(NULL);

    for (int i = 0; i < series->n; i++) {
        if (!isfinite(series->x[i]) || !isfinite(series->y[i])) {
            open = false;
            continue;
        }
        double x = at_x(f, series->x[i]), y = at_y(f, series->y[i]);
        if (open && series->kind == MT_PLOT_STEP)
            put_point(path, 'L', x, before_y);
        if (open && series->kind == MT_PLOT_STEP_BACK)
            put_point(path, 'L', before_x, y);
        put_point(path, open ? 'L' : 'M', x, y);
        before_x = x;
        before_y = y;
        open = true;
    }
    if (path->len > 0)
        g_string_append_printf(f->svg, "<path d=\"%s\" stroke-linejoin=\"round\" %s/>\n", path->str, stroke);
}

static void draw_bars(frame *f, int s)
{
    const mt_plot_series *series = &f->plot->series[s];
    double                spacing = series->n > 1 ? fabs(series->x[1] - series->x[0]) : 1;
    double                width = 0.8 * spacing / (f->x_max - f->x_min) * f->width;

    for (int i = 0; i < series->n; i++) {
        if (!isfinite(series->x[i]) || !isfinite(series->y[i]))
            continue;
        double zero = at_y(f, 0), y = at_y(f, series->y[i]);
        g_string_append(f->svg, "<rect");
        put_attr(f->svg, "x", at_x(f, series->x[i]) - width / 2);
        put_attr(f->svg, "y", MIN(zero, y));
        put_attr(f->svg, "width", width);
        put_attr(f->svg, "height", fabs(zero - y));
        g_string_append_printf(f->svg, " fill=\"%s\" fill-opacity=\"0.75\"/>\n", mt_plot_color(color_of(f->plot, s)));
    }
}

static void draw_whisker(frame *f, const mt_plot_series *series, int i, const char *color)
{
    g_autofree char *stroke = g_strdup_printf("stroke=\"%s\" stroke-width=\"1.4\"", color);
    double           x = at_x(f, series->x[i]), low, high;

    if (series->low == NULL || series->high == NULL || !isfinite(series->low[i]) || !isfinite(series->high[i]))
        return;
    low = at_y(f, series->low[i]);
    high = at_y(f, series->high[i]);
    put_line(f->svg, x, low, x, high, stroke);
    put_line(f->svg, x - 4, low, x + 4, low, stroke);
    put_line(f->svg, x - 4, high, x + 4, high, stroke);
}

static void draw_points(frame *f, int s)
{
    const mt_plot_series *series = &f->plot->series[s];
    const char           *color = mt_plot_color(color_of(f->plot, s));

    for (int i = 0; i < series->n; i++) {
        if (!isfinite(series->x[i]) || !isfinite(series->y[i]))
            continue;
        draw_whisker(f, series, i, color);
        g_string_append(f->svg, "<circle");
        put_attr(f->svg, "cx", at_x(f, series->x[i]));
        put_attr(f->svg, "cy", at_y(f, series->y[i]));
        g_string_append_printf(f->svg, " r=\"4\" fill=\"%s\" stroke=\"#fff\"/>\n", color);
    }
}

static void draw_band(frame *f, int s)
{
    const mt_plot_series *series = &f->plot->series[s];
    g_autoptr(GString) path = g_string_new(NULL);

    for (int i = 0; i < 2 * series->n; i++) {
        int    k = i < series->n ? i : 2 * series->n - 1 - i;
        double y = i < series->n ? series->low[k] : series->high[k];
        if (isfinite(series->x[k]) && isfinite(y))
            put_point(path, path->len > 0 ? 'L' : 'M', at_x(f, series->x[k]), at_y(f, y));
    }
    if (path->len > 0)
        g_string_append_printf(f->svg, "<path d=\"%sZ\" fill=\"%s\" fill-opacity=\"0.16\"/>\n", path->str,
                               mt_plot_color(color_of(f->plot, s)));
}

static void draw_series(frame *f, int s)
{
    static void (*const draw[])(frame *,
                                int) = {[MT_PLOT_LINE] = draw_line, [MT_PLOT_STEP] = draw_line,     [MT_PLOT_STEP_BACK] = draw_line,
                                        [MT_PLOT_BARS] = draw_bars, [MT_PLOT_POINTS] = draw_points, [MT_PLOT_BAND] = draw_band};

    draw[f->plot->series[s].kind](f, s);
}

static void draw_key(frame *f, int s, double x, double y)
{
    mt_plot_kind kind = f->plot->series[s].kind;

    if (kind == MT_PLOT_LINE || kind == MT_PLOT_STEP || kind == MT_PLOT_STEP_BACK) {
        g_autofree char *stroke = stroke_of(f->plot, s);
        put_line(f->svg, x, y - 4, x + 22, y - 4, stroke);
        return;
    }
    g_string_append(f->svg, "<rect");
    put_attr(f->svg, "x", x + 5);
    put_attr(f->svg, "y", y - 9);
    g_string_append_printf(f->svg, " width=\"12\" height=\"10\" fill=\"%s\"%s/>\n", mt_plot_color(color_of(f->plot, s)),
                           kind == MT_PLOT_BAND ? " fill-opacity=\"0.25\"" : "");
}

static int count_keys(const mt_plot *plot)
{
    int n = 0;

    for (int s = 0; s < plot->n_series; s++)
        n += plot->series[s].name != NULL;
    return n;
}

static double rows_height(const mt_plot *plot)
{
    return plot->n_rows > 0 ? ROW * (plot->n_rows + 1) + 6 : 0;
}

static void draw_rows(frame *f)
{
    const mt_plot *plot = f->plot;
    double         y = f->top + f->height + (plot->x_label != NULL ? 58 : 38);
    char           text[32];

    if (plot->n_rows > 0 && plot->rows_title != NULL)
        put_text(f->svg, f->left, y, "text-anchor=\"start\" font-weight=\"bold\"", plot->rows_title);
    for (int r = 0; r < plot->n_rows; r++) {
        g_autofree char *color = g_strdup_printf("text-anchor=\"end\" fill=\"%s\"", mt_plot_color(plot->rows[r].color));
        y += ROW;
        put_text(f->svg, f->left - 14, y, color, plot->rows[r].name);
        for (int i = 0; i < plot->n_row_x; i++) {
            g_snprintf(text, sizeof text, "%" G_GINT64_FORMAT, plot->rows[r].values[i]);
            put_text(f->svg, at_x(f, plot->row_x[i]), y, "text-anchor=\"middle\"", text);
        }
    }
}

static void draw_legend(frame *f)
{
    double y = f->top + f->height + (f->plot->x_label != NULL ? 58 : 38) + rows_height(f->plot);

    for (int s = 0; s < f->plot->n_series; s++) {
        if (f->plot->series[s].name == NULL)
            continue;
        draw_key(f, s, f->left, y);
        put_text(f->svg, f->left + 30, y, "text-anchor=\"start\"", f->plot->series[s].name);
        y += ROW;
    }
}

static void lay_out(frame *f, int width, int height)
{
    const mt_plot *plot = f->plot;
    int            keys = count_keys(plot);

    f->x_min = plot->x_min, f->x_max = plot->x_max, f->y_min = plot->y_min, f->y_max = plot->y_max;
    if (f->x_min == f->x_max)
        find_range(plot, false, &f->x_min, &f->x_max);
    if (f->y_min == f->y_max)
        find_range(plot, true, &f->y_min, &f->y_max);
    f->left = plot->n_rows > 0 ? 84 : plot->y_label != NULL ? 62 : 46;
    f->top = plot->title != NULL ? 32 : 12;
    f->width = width - f->left - 18;
    f->height = height - f->top - (plot->x_label != NULL ? 44 : 24) - (keys > 0 ? 6 + ROW * keys : 0) - rows_height(plot);
}

/* An inner picture, which cuts off what lies outside the axes; a point on them stays whole. */
static void open_inside(frame *f)
{
    const double margin = 6;
    const double box[4] = {f->left - margin, f->top - margin, f->width + 2 * margin, f->height + 2 * margin};

    g_string_append(f->svg, "<svg");
    put_attr(f->svg, "x", box[0]);
    put_attr(f->svg, "y", box[1]);
    put_attr(f->svg, "width", box[2]);
    put_attr(f->svg, "height", box[3]);
    g_string_append(f->svg, " viewBox=\"");
    for (int i = 0; i < 4; i++) {
        put_number(f->svg, box[i]);
        g_string_append(f->svg, i < 3 ? " " : "\">\n");
    }
}

char *mt_plot_svg(const mt_plot *plot)
{
    int              width = plot->width_px > 0 ? plot->width_px : 460, height = plot->height_px > 0 ? plot->height_px : 360;
    g_autofree char *title = g_markup_escape_text(plot->title != NULL ? plot->title : "plot", -1);
    frame            f = {.plot = plot, .svg = g_string_new(NULL)};

    lay_out(&f, width, height);
    g_string_append_printf(
        f.svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" "
        "aria-label=\"%s\" font-family=\"Helvetica, Arial, 'Noto Sans', sans-serif\" font-size=\"12\" fill=\"#4a5361\">\n",
        width, height, width, height, title);
    g_string_append_printf(f.svg, "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", width, height);
    draw_x_ticks(&f);
    draw_y_ticks(&f);
    draw_labels(&f);
    open_inside(&f);
    for (int s = 0; s < plot->n_series; s++)
        draw_series(&f, s);
    g_string_append(f.svg, "</svg>\n");
    put_line(f.svg, f.left, f.top + f.height, f.left + f.width, f.top + f.height, "stroke=\"#5b6472\"");
    put_line(f.svg, f.left, f.top, f.left, f.top + f.height, "stroke=\"#5b6472\"");
    draw_rows(&f);
    draw_legend(&f);
    g_string_append(f.svg, "</svg>\n");
    return g_string_free(f.svg, FALSE);
}
