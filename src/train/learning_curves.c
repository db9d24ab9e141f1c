#include "src/train/learning_curves.h"

#include "src/base/csv.h"
#include "src/base/decimal.h"
#include "src/base/publish.h"
#include "src/export/plot_svg.h"
#include "src/export/svg_png.h"

#include <math.h>

#define MAX_DRAWN 8 /* the final head and the first folds: more lines cannot be told apart */
#define WIDTH_PX 640
#define HEIGHT_PX 420
#define SCALE 2.0

static void append_number(GString *text, double value)
{
    char digits[MT_DECIMAL_BYTES];

    g_string_append_printf(text, ",%s", isfinite(value) ? mt_decimal_text(value, digits) : "");
}

bool mt_learning_curves_csv(const mt_learning_curve *curves, int n, const char *path, GError **error)
{
    g_autoptr(GString) text = g_string_new("fold,epoch,train_loss,val_loss,val_metric\n");

    for (int k = 0; k < n; k++)
        for (guint i = 0; i < curves[k].curve->len; i++) {
            const mt_train_epoch *epoch = &g_array_index(curves[k].curve, mt_train_epoch, i);
            mt_csv_append_text(text, curves[k].name, true);
            g_string_append_printf(text, ",%d", epoch->epoch);
            append_number(text, epoch->train_loss);
            append_number(text, epoch->val_loss);
            append_number(text, epoch->val_metric);
            g_string_append_c(text, '\n');
        }
    return mt_publish_text(path, text->str, true, error);
}

/* Values of one curve, for as long as the plot needs them. */
static double *values(GPtrArray *memory, const GArray *curve, int which)
{
    double *v = g_new(double, MAX(curve->len, 1));

    for (guint i = 0; i < curve->len; i++) {
        const mt_train_epoch *epoch = &g_array_index(curve, mt_train_epoch, i);
        v[i] = which == 0 ? epoch->epoch : which == 1 ? epoch->train_loss : which == 2 ? epoch->val_loss : epoch->val_metric;
    }
    g_ptr_array_add(memory, v);
    return v;
}

/* Column `which` of a curve, unless nothing was watched. */
static void add_column(GArray *series, GPtrArray *memory, const mt_learning_curve *c, int which, const char *what, mt_plot_series form)
{
    const double *y = values(memory, c->curve, which);
    char         *name = g_strdup_printf("fold %s, %s", c->name, what);
    bool          any = false;

    g_ptr_array_add(memory, name);
    form.name = name;
    form.n = (int)c->curve->len;
    form.x = values(memory, c->curve, 0);
    form.y = y;
    for (int i = 0; i < form.n; i++)
        any |= isfinite(y[i]);
    if (any)
        g_array_append_val(series, form);
}

static void add_curve(GArray *series, GPtrArray *memory, const mt_learning_curve *c, const char *metric, int color)
{
    add_column(series, memory, c, 1, "train", (mt_plot_series){.kind = MT_PLOT_LINE, .color = color});
    add_column(series, memory, c, 2, "validation", (mt_plot_series){.kind = MT_PLOT_LINE, .color = color, .dashed = true});
    add_column(series, memory, c, 3, metric, (mt_plot_series){.kind = MT_PLOT_POINTS, .color = color});
}

bool mt_learning_curves_png(const mt_learning_curve *curves, int n, const char *title, const char *metric, const char *path, GError **error)
{
    g_autoptr(GArray) series = g_array_new(FALSE, FALSE, sizeof(mt_plot_series));
    g_autoptr(GPtrArray) memory = g_ptr_array_new_with_free_func(g_free);

    for (int k = 0; k < MIN(n, MAX_DRAWN); k++)
        add_curve(series, memory, &curves[n > MAX_DRAWN ? (k == 0 ? n - 1 : k - 1) : k], metric, 1 + k);
    g_autofree char *y_label = g_strdup_printf("loss (lines), %s of validation (points)", metric);
    const mt_plot    plot = {.title = title,
                             .x_label = "epoch",
                             .y_label = y_label,
                             .width_px = WIDTH_PX,
                             .height_px = HEIGHT_PX,
                             .series = (const mt_plot_series *)(void *)series->data,
                             .n_series = (int)series->len};
    g_autofree char *svg = mt_plot_svg(&plot);
    return mt_svg_png_write(path, svg, SCALE, error);
}
