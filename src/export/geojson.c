#include <microtome/geojson.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "src/base/publish.h"

#define TISSUE_COLOUR "150,200,150"

/* Twice the signed area: its sign is the winding. */
static double winding(const mt_ring *ring)
{
    double sum = 0;

    for (int64_t i = 0; i < ring->n; i++) {
        const int32_t *p = ring->points + 2 * i, *q = ring->points + 2 * ((i + 1) % ring->n);
        sum += (double)p[0] * q[1] - (double)q[0] * p[1];
    }
    return sum;
}

static void write_ring(FILE *out, const mt_ring *ring)
{
    bool reverse = (winding(ring) < 0) != ring->hole;

    fputc('[', out);
    for (int64_t k = 0; k <= ring->n; k++) {
        int64_t i = (reverse ? ring->n - k : k) % ring->n;
        fprintf(out, "%s[%d,%d]", k ? "," : "", ring->points[2 * i], ring->points[2 * i + 1]);
    }
    fputc(']', out);
}

static void write_features(FILE *out, const mt_mask *mask)
{
    int n = mt_mask_n_rings(mask);

    for (int i = 0; i < n;) {
        fprintf(out,
                "%s\n{\"type\":\"Feature\",\"properties\":{\"objectType\":\"annotation\",\"name\":\"Tissue\",\"classification\":"
                "{\"name\":\"Tissue\",\"color\":[" TISSUE_COLOUR "]}},\"geometry\":{\"type\":\"Polygon\",\"coordinates\":[",
                i ? "," : "");
        mt_ring ring = mt_mask_ring(mask, i);
        write_ring(out, &ring);
        for (i++; i < n && (ring = mt_mask_ring(mask, i)).hole; i++) {
            fputc(',', out);
            write_ring(out, &ring);
        }
        fputs("]}}", out);
    }
}

bool mt_geojson_write_mask(const mt_mask *mask, const char *path, bool replace, GError **error)
{
    int              fd;
    g_autofree char *temporary = mt_publish_begin(path, &fd, error);

    if (temporary == NULL)
        return false;
    int   copy = dup(fd); /* the stream closes its own; the other is synchronised and closed on publishing */
    FILE *out = copy < 0 ? NULL : fdopen(copy, "w");
    if (out == NULL) {
        mt_publish_io_error(error, "write", path, errno);
        if (copy >= 0)
            close(copy);
        mt_publish_abandon(temporary, fd);
        return false;
    }
    fputs("{\"type\":\"FeatureCollection\",\"features\":[", out);
    write_features(out, mask);
    fputs("\n]}\n", out);
    bool failed = ferror(out) != 0;
    failed = fclose(out) != 0 || failed;
    if (failed) {
        mt_publish_io_error(error, "write", path, errno);
        mt_publish_abandon(temporary, fd);
        return false;
    }
    return mt_publish_commit(temporary, fd, path, replace, error);
}
