#include "src/result/object_places.h"

#include <math.h>
#include <string.h>

static bool has(const uint8_t members[32], uint8_t value)
{
    return members[value / 8] >> (value % 8) & 1;
}

/* Voxels of each place in the object's box, wider by `reach` mm. */
static void count(const mt_objects *objects, const mt_object *object, double reach, const uint8_t *map, const mt_object_place *places,
                  int n, int64_t *votes)
{
    const int64_t *size = objects->frame.size;
    int64_t        low[3], high[3];

    for (int d = 0; d < 3; d++) {
        double  mm = objects->frame.spacing_mm[d] > 0 ? objects->frame.spacing_mm[d] : 1;
        int64_t more = size[d] > 1 ? (int64_t)ceil(reach / mm) : 0;
        low[d] = MAX(0, object->box[d] - more);
        high[d] = MIN(size[d], object->box[3 + d] + more);
    }
    memset(votes, 0, (size_t)n * sizeof *votes);
    for (int64_t z = low[2]; z < high[2]; z++)
        for (int64_t y = low[1]; y < high[1]; y++)
            for (int64_t x = low[0]; x < high[0]; x++) {
                uint8_t value = map[(z * size[1] + y) * size[0] + x];
                for (int k = 0; k < n && value != 0; k++)
                    votes[k] += has(places[k].members, value);
            }
}

static int most(const int64_t *votes, int n)
{
    int best = -1;

    for (int k = 0; k < n; k++)
        if (votes[k] > 0 && (best < 0 || votes[k] > votes[best]))
            best = k;
    return best;
}

static bool is_place(const mt_object *object, const mt_object_place *places, int n)
{
    for (int k = 0; k < n; k++)
        if (places[k].label == object->label)
            return true;
    return false;
}

void mt_objects_place(mt_objects *objects, const uint8_t *map, const mt_object_place *places, int n)
{
    static const double reaches[] = {5, 20};
    g_autofree int64_t *votes = g_new0(int64_t, n + 1);

    for (guint i = 0; n > 0 && i < objects->list->len; i++) {
        mt_object *object = objects->list->pdata[i];
        int        best = -1;

        if (is_place(object, places, n))
            continue;
        for (size_t r = 0; best < 0 && r < G_N_ELEMENTS(reaches); r++) {
            count(objects, object, reaches[r], map, places, n, votes);
            best = most(votes, n);
        }
        if (best < 0)
            continue;
        g_free(object->location);
        object->location = g_strdelimit(g_strdup(objects->labels[places[best].label]), "_", ' ');
    }
}
