#include <microtome/geojson.h>

#include <jansson.h>
#include <stdio.h>

#include "src/export/published_stream.h"

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

static void write_ring(FILE *out, const mt_ring *ring, const int64_t corner[2])
{
    bool reverse = (winding(ring) < 0) != ring->hole;

    fputc('[', out);
    for (int64_t k = 0; k <= ring->n; k++) {
        int64_t i = (reverse ? ring->n - k : k) % ring->n;
        fprintf(out, "%s[%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT "]", k ? "," : "", ring->points[2 * i] - corner[0],
                ring->points[2 * i + 1] - corner[1]);
    }
    fputc(']', out);
}

/* The foreground (kind < 0) or an artefact, as QuPath shows it. */
static const struct {
    const char *name, *colour;
} CLASSES[] = {{"Tissue", "150,200,150"},
               [1 + MT_ARTEFACT_PEN] = {"Pen", "30,80,220"},
               [1 + MT_ARTEFACT_FOLDS] = {"Fold", "220,120,20"},
               [1 + MT_ARTEFACT_BLUR] = {"Blur", "150,60,170"},
               [1 + MT_ARTEFACT_BUBBLES] = {"Bubble", "0,170,200"}};

/* The class that the region was drawn with, else "Tissue", or the artefact's; as a JSON string. */
static void write_class(FILE *out, const mt_mask *mask, int kind, int ring)
{
    const char *name = kind < 0 ? mt_mask_ring_class(mask, ring) : NULL;
    json_t     *string = json_string(name != NULL ? name : CLASSES[1 + kind].name);

    json_dumpf(string, out, JSON_ENCODE_ANY);
    json_decref(string);
}

static mt_ring ring_of(const mt_mask *mask, int kind, int i)
{
    return kind < 0 ? mt_mask_ring(mask, i) : mt_mask_artefact_ring(mask, (mt_artefact)kind, i);
}

static void write_features(FILE *out, const mt_mask *mask, int kind, bool *first)
{
    int     n = kind < 0 ? mt_mask_n_rings(mask) : mt_mask_artefact_n_rings(mask, (mt_artefact)kind);
    int64_t corner[2];

    mt_mask_corner(mask, corner);
    for (int i = 0; i < n;) {
        fprintf(out, "%s\n{\"type\":\"Feature\",\"properties\":{\"objectType\":\"annotation\",\"name\":", *first ? "" : ",");
        *first = false;
        write_class(out, mask, kind, i);
        fputs(",\"classification\":{\"name\":", out);
        write_class(out, mask, kind, i);
        fprintf(out, ",\"color\":[%s]}},\"geometry\":{\"type\":\"Polygon\",\"coordinates\":[", CLASSES[1 + kind].colour);
        mt_ring ring = ring_of(mask, kind, i);
        write_ring(out, &ring, corner);
        for (i++; i < n && (ring = ring_of(mask, kind, i)).hole; i++) {
            fputc(',', out);
            write_ring(out, &ring, corner);
        }
        fputs("]}}", out);
    }
}

bool mt_geojson_write_mask(const mt_mask *mask, const char *path, bool replace, GError **error)
{
    mt_published_stream stream;
    bool                first = true;

    if (!mt_published_stream_begin(&stream, path, error))
        return false;
    fputs("{\"type\":\"FeatureCollection\",\"features\":[", stream.out);
    for (int kind = -1; kind < MT_ARTEFACT_KINDS; kind++)
        write_features(stream.out, mask, kind, &first);
    fputs("\n]}\n", stream.out);
    return mt_published_stream_end(&stream, path, replace, true, error);
}
