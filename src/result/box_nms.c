#include "src/result/box_nms.h"

#include "src/encoder/preprocess.h"

#include <math.h>
#include <string.h>

mt_box_frame mt_box_frame_of_card(const mt_card *card, int64_t width, int64_t height)
{
    mt_box_frame frame = {.offset = {0, 0, 0}, .scale = {1, 1, 1}};

    mt_preprocess_frame(card, width, height, frame.offset, frame.scale);
    return frame;
}

static bool place(mt_found_box *box, const mt_box_frame *frame)
{
    for (int axis = 0; axis < 3; axis++) {
        double *low = &box->at[axis], *high = &box->at[axis + 3];
        *low = (*low - frame->offset[axis]) * frame->scale[axis] + frame->origin[axis];
        *high = (*high - frame->offset[axis]) * frame->scale[axis] + frame->origin[axis];
        if (frame->size[axis] > 0) {
            *low = CLAMP(*low, 0, frame->size[axis]);
            *high = CLAMP(*high, 0, frame->size[axis]);
        }
        if (!(*high > *low))
            return false;
    }
    return true;
}

void mt_boxes_place(GArray *boxes, guint first, const mt_box_frame *frame)
{
    mt_found_box *list = (mt_found_box *)(void *)boxes->data;
    guint         n = first;

    for (guint i = first; i < boxes->len; i++)
        if (place(&list[i], frame))
            list[n++] = list[i];
    g_array_set_size(boxes, n);
}

static double extent(const mt_found_box *box)
{
    double extent = 1;

    for (int axis = 0; axis < 3; axis++)
        extent *= fmax(0, box->at[axis + 3] - box->at[axis]);
    return extent;
}

double mt_detection_iou(const mt_found_box *a, const mt_found_box *b)
{
    double common = 1;

    for (int axis = 0; axis < 3; axis++)
        common *= fmax(0, fmin(a->at[axis + 3], b->at[axis + 3]) - fmax(a->at[axis], b->at[axis]));
    double joint = extent(a) + extent(b) - common;
    return joint > 0 ? common / joint : 0;
}

typedef struct ranked_box {
    mt_found_box box;
    guint        order;
} ranked_box;

static int by_score(const void *a, const void *b)
{
    const ranked_box *x = a, *y = b;

    if (x->box.score != y->box.score)
        return x->box.score < y->box.score ? 1 : -1;
    return (x->order > y->order) - (x->order < y->order);
}

/* Kept boxes by the cell of their corner; a cell is as large as the largest box, so that what overlaps lies in a neighbouring one. */
typedef struct cells {
    GHashTable         *lists; /* cell -> GArray of indices into `kept` */
    const mt_found_box *kept;
    double              edge;
} cells;

/* Two cells of one key would cost time, nothing else. */
static gint64 cell_key(double x, double y, double edge, int dx, int dy)
{
    gint64 column = (gint64)floor(x / edge) + dx, row = (gint64)floor(y / edge) + dy;

    return (gint64)((guint64)column * G_GUINT64_CONSTANT(0x9E3779B97F4A7C15) + (guint64)row);
}

static bool is_suppressed(const cells *c, const mt_found_box *box, double iou, bool agnostic)
{
    for (int dy = -1; dy <= 1; dy++)
        for (int dx = -1; dx <= 1; dx++) {
            gint64        key = cell_key(box->at[0], box->at[1], c->edge, dx, dy);
            const GArray *list = g_hash_table_lookup(c->lists, &key);
            for (guint i = 0; list != NULL && i < list->len; i++) {
                const mt_found_box *other = &c->kept[g_array_index(list, guint, i)];
                if ((agnostic || other->label == box->label) && mt_detection_iou(other, box) > iou)
                    return true;
            }
        }
    return false;
}

static void keep(cells *c, const mt_found_box *box, guint index)
{
    gint64  key = cell_key(box->at[0], box->at[1], c->edge, 0, 0);
    GArray *list = g_hash_table_lookup(c->lists, &key);

    if (list == NULL) {
        list = g_array_new(FALSE, FALSE, sizeof(guint));
        g_hash_table_insert(c->lists, g_memdup2(&key, sizeof key), list);
    }
    g_array_append_val(list, index);
}

static void free_list(gpointer list)
{
    g_array_free(list, TRUE);
}

static double largest_edge(const mt_found_box *list, guint n)
{
    double edge = 1;

    for (guint i = 0; i < n; i++)
        edge = fmax(edge, fmax(list[i].at[3] - list[i].at[0], list[i].at[4] - list[i].at[1]));
    return edge;
}

void mt_boxes_nms(GArray *boxes, double iou, bool agnostic, guint max_boxes)
{
    mt_found_box          *list = (mt_found_box *)(void *)boxes->data;
    g_autofree ranked_box *ranked = g_new(ranked_box, boxes->len);
    cells c = {.lists = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, free_list), .edge = largest_edge(list, boxes->len)};
    guint n = 0;

    for (guint i = 0; i < boxes->len; i++)
        ranked[i] = (ranked_box){list[i], i};
    if (boxes->len > 0)
        qsort(ranked, boxes->len, sizeof *ranked, by_score);
    c.kept = list; /* the best are written over what is ranked already */
    for (guint i = 0; i < boxes->len && (max_boxes == 0 || n < max_boxes); i++)
        if (!is_suppressed(&c, &ranked[i].box, iou, agnostic)) {
            list[n] = ranked[i].box;
            keep(&c, &list[n], n);
            n++;
        }
    g_hash_table_unref(c.lists);
    g_array_set_size(boxes, n);
}
