#include "tiling/thickness.h"

#include "src/base/alloc.h"

typedef struct field {
    int64_t   width, height;
    uint16_t *distance;
} field;

static int at(const field *f, int64_t x, int64_t y)
{
    return x < 0 || y < 0 || x >= f->width || y >= f->height ? 0 : f->distance[y * f->width + x];
}

/* Half of the neighbourhood: those behind (dy = -1) or those ahead (dy = 1). */
static void relax(field *f, int64_t x, int64_t y, int64_t dy)
{
    uint16_t *here = &f->distance[y * f->width + x];

    if (*here == 0)
        return;
    int near = MIN(at(f, x + dy, y), at(f, x, y + dy)) + 3;
    int across = MIN(at(f, x - 1, y + dy), at(f, x + 1, y + dy)) + 4;
    *here = (uint16_t)MIN(*here, MIN(near, across));
}

uint16_t *mt_thickness_new(const uint8_t *pixels, int64_t width, int64_t height, GError **error)
{
    field f = {width, height, mt_alloc(width * height, sizeof(uint16_t), error)};

    if (f.distance == NULL)
        return NULL;
    for (int64_t i = 0; i < width * height; i++)
        f.distance[i] = pixels[i] ? UINT16_MAX : 0;
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++)
            relax(&f, x, y, -1);
    for (int64_t y = height - 1; y >= 0; y--)
        for (int64_t x = width - 1; x >= 0; x--)
            relax(&f, x, y, 1);
    return f.distance;
}
