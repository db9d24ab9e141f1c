#include <microtome/colormap.h>

#include <math.h>
#include <string.h>

#define ANCHORS_MAX 256

struct mt_colormap {
    const char *name;
    int         n;
    uint32_t    anchors[ANCHORS_MAX]; /* 0xRRGGBB, equally spaced over [0, 1] */
    char       *own_name;             /* of a table that was read */
};

/* Colours published with ColorBrewer (YlOrRd), matplotlib (inferno, viridis, magma, cividis), Google's turbo and Moreland's diverging map. */
static const mt_colormap maps[] = {
    {"heat", 9, {0xffffcc, 0xffeda0, 0xfed976, 0xfeb24c, 0xfd8d3c, 0xfc4e2a, 0xe31a1c, 0xbd0026, 0x800026}},
    {"inferno", 33, {0x000004, 0x040312, 0x0b0724, 0x150b37, 0x210c4a, 0x2e0a5a, 0x3c0965, 0x4a0c6b, 0x57106d, 0x63146e, 0x70196e,
                     0x7d1e6d, 0x89226a, 0x962766, 0xa32b61, 0xaf315c, 0xbb3755, 0xc63e4d, 0xd14644, 0xdb4f3b, 0xe35932, 0xeb6528,
                     0xf1711e, 0xf67f14, 0xf98d0a, 0xfb9c06, 0xfcab0f, 0xfbba1f, 0xf9ca32, 0xf5d949, 0xf2e865, 0xf3f586, 0xfcffa4}},
    {"viridis", 33, {0x440154, 0x470d60, 0x48186a, 0x482374, 0x472d7b, 0x453681, 0x424086, 0x3f4989, 0x3b528b, 0x375a8d, 0x33638d,
                     0x2f6a8e, 0x2c728e, 0x297a8e, 0x26818e, 0x23898e, 0x21908c, 0x1f988b, 0x1f9f88, 0x21a685, 0x28ae80, 0x31b57b,
                     0x3ebc74, 0x4cc26c, 0x5dc963, 0x6ece58, 0x82d34c, 0x96d83f, 0xabdc32, 0xc0df24, 0xd5e21a, 0xeae51a, 0xfde725}},
    {"magma", 33, {0x000004, 0x030311, 0x0a0822, 0x130d33, 0x1d1146, 0x28115a, 0x36106a, 0x430f76, 0x50127c, 0x5d177f, 0x691c81,
                   0x762181, 0x822681, 0x8f2a81, 0x9c2e7f, 0xa9327d, 0xb63779, 0xc33b75, 0xcf4170, 0xdb486a, 0xe65163, 0xee5c5e,
                   0xf5695c, 0xf9785d, 0xfb8761, 0xfd9668, 0xfea571, 0xfeb47b, 0xfec387, 0xfed194, 0xfde0a2, 0xfceeb0, 0xfcfdbf}},
    {"cividis", 33, {0x00224e, 0x00285b, 0x002e6a, 0x043371, 0x1a386f, 0x273e6e, 0x32436d, 0x3b496c, 0x434e6c, 0x4b546c, 0x52596d,
                     0x5a5f6e, 0x61656f, 0x686a71, 0x6f7073, 0x757676, 0x7c7b78, 0x848179, 0x8b8778, 0x938d78, 0x9b9376, 0xa39a75,
                     0xaba072, 0xb3a670, 0xbbad6c, 0xc3b469, 0xccba64, 0xd4c15f, 0xddc958, 0xe6d051, 0xefd748, 0xf8df3c, 0xfee838}},
    {"turbo", 33, {0x30123b, 0x392a73, 0x4040a1, 0x4456c7, 0x466be3, 0x467ff6, 0x4293ff, 0x37a7fa, 0x29bbec, 0x1dcdd8, 0x18dcc3,
                   0x1ee8b0, 0x31f299, 0x4cf97e, 0x6bfd64, 0x8aff4d, 0xa3fd3c, 0xb8f735, 0xcced34, 0xdee037, 0xedd03a, 0xf8c03a,
                   0xfdae35, 0xfe982c, 0xfb8022, 0xf56817, 0xec520f, 0xe04009, 0xd23105, 0xc02302, 0xac1701, 0x950d01, 0x7a0403}},
    {"coolwarm", 33, {0x3b4cc0, 0x445acc, 0x4d68d7, 0x5775e1, 0x6282ea, 0x6c8ef1, 0x779af7, 0x82a5fb, 0x8db0fe, 0x98b9ff, 0xa3c2fe,
                      0xaec9fc, 0xb8d0f9, 0xc2d5f4, 0xccd9ee, 0xd5dbe6, 0xdddddd, 0xe5d8d1, 0xecd3c5, 0xf1ccb9, 0xf4c4ad, 0xf7bba0,
                      0xf7b194, 0xf7a687, 0xf49a7b, 0xf18d6f, 0xec7f63, 0xe57058, 0xde604d, 0xd55042, 0xcb3e38, 0xc0282f, 0xb40426}},
};

const mt_colormap *mt_colormap_find(const char *name, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(maps); i++)
        if (strcmp(name != NULL ? name : MT_COLORMAP_DEFAULT, maps[i].name) == 0)
            return &maps[i];
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "colour map %s is unknown: choose one of: %s", name, mt_colormap_names());
    return NULL;
}

const char *mt_colormap_names(void)
{
    return "heat, inferno, viridis, magma, cividis, turbo, coolwarm";
}

static bool read_color(const char *line, uint32_t *color)
{
    g_auto(GStrv) parts = g_strsplit(line, ",", -1);
    guint64 value;

    if (g_strv_length(parts) != 3)
        return false;
    for (int c = 0; c < 3; c++) {
        if (!g_ascii_string_to_unsigned(g_strstrip(parts[c]), 10, 0, 255, &value, NULL))
            return false;
        *color = *color << 8 | (uint32_t)value;
    }
    return true;
}

mt_colormap *mt_colormap_read(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) cause = NULL;
    g_autofree mt_colormap *map = g_new0(mt_colormap, 1);

    if (!g_file_get_contents(path, &text, NULL, &cause)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "read the colours of %s: %s", path, cause->message);
        return NULL;
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++) {
        const char *line = g_strstrip(lines[i]);

        if (*line == '\0' || *line == '#')
            continue;
        if (map->n == ANCHORS_MAX || !read_color(line, &map->anchors[map->n])) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read the colours of %s: line %u: R,G,B of 0 to 255 are wanted, in 2 to %d lines",
                        path, i + 1, ANCHORS_MAX);
            return NULL;
        }
        map->n++;
    }
    if (map->n < 2) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read the colours of %s: 2 to %d lines of R,G,B are wanted, it has %d", path,
                    ANCHORS_MAX, map->n);
        return NULL;
    }
    map->name = map->own_name = g_path_get_basename(path);
    return g_steal_pointer(&map);
}

void mt_colormap_free(mt_colormap *map)
{
    if (map == NULL)
        return;
    g_free(map->own_name);
    g_free(map);
}

const char *mt_colormap_name(const mt_colormap *map)
{
    return map->name;
}

void mt_colormap_color(const mt_colormap *map, float value, uint8_t rgb[3])
{
    float place = (isnan(value) ? 0 : CLAMP(value, 0, 1)) * (float)(map->n - 1);
    int   low = MIN((int)place, map->n - 2);

    for (int c = 0; c < 3; c++) {
        float a = (float)(map->anchors[low] >> (16 - 8 * c) & 255), b = (float)(map->anchors[low + 1] >> (16 - 8 * c) & 255);
        rgb[c] = (uint8_t)(a + (b - a) * (place - (float)low) + 0.5f);
    }
}
