#include "src/pipeline/stored_bag.h"

#include "src/store/schema.h"

/* Move to bag row `row`: forward from where the last read ended, from the start otherwise. */
static void seek(mt_stored_bag *s, int64_t row)
{
    if (row < s->row)
        s->row = s->tile = 0;
    while (s->row < row || (s->tile < s->n && s->valid[s->tile] == 0))
        s->row += s->valid[s->tile++] != 0;
}

static bool read_rows(void *user, int64_t first, int64_t count, float *out, GError **error)
{
    mt_stored_bag *s = user;

    for (int64_t done = 0; done < count;) {
        int64_t run = 0;
        seek(s, first + done);
        while (done + run < count && s->tile + run < s->n && s->valid[s->tile + run] != 0)
            run++;
        if (run == 0) {
            g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "read the bag: row %" G_GINT64_FORMAT " is past its end", first + done);
            return false;
        }
        if (!mt_store_read_rows(s->store, MT_OBJECT_FEATURES, s->tile, run, out + done * s->dim, error))
            return false;
        s->row += run;
        s->tile += run;
        done += run;
    }
    return true;
}

mt_bag mt_stored_bag_new(mt_stored_bag *stored, mt_store *store, const uint8_t *valid, int64_t n, int64_t dim)
{
    int64_t n_valid = 0;

    *stored = (mt_stored_bag){.store = store, .valid = valid, .n = n, .dim = dim};
    for (int64_t i = 0; i < n; i++)
        n_valid += valid[i] != 0;
    return (mt_bag){.n = n_valid, .dim = dim, .read = read_rows, .user = stored};
}
