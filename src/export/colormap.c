#include <microtome/colormap.h>

#include <math.h>
#include <string.h>

#define ANCHORS_MAX 256

struct mt_colormap {
    const char *name;
    int         n;
    uint8_t     anchors[ANCHORS_MAX][3]; /* equally spaced over [0, 1] */
    char       *own_name;                /* of a table that was read */
};

/* Colours published with ColorBrewer (YlOrRd), matplotlib (inferno, viridis, magma, cividis), Google's turbo and Moreland's diverging map. */
static const mt_colormap maps[] = {
    {"heat",
     9,
     {{255, 255, 204},
      {255, 237, 160},
      {254, 217, 118},
      {254, 178, 76},
      {253, 141, 60},
      {252, 78, 42},
      {227, 26, 28},
      {189, 0, 38},
      {128, 0, 38}}},
    {"inferno",
     11,
     {{0, 0, 3},
      {22, 11, 57},
      {65, 9, 103},
      {106, 23, 110},
      {147, 37, 103},
      {187, 54, 84},
      {220, 80, 57},
      {243, 119, 26},
      {251, 165, 10},
      {246, 214, 68},
      {252, 254, 164}}},
    {"viridis",
     11,
     {{68, 1, 84},
      {72, 35, 116},
      {64, 67, 135},
      {52, 94, 141},
      {41, 120, 142},
      {32, 143, 140},
      {34, 167, 132},
      {66, 190, 113},
      {121, 209, 81},
      {186, 222, 39},
      {253, 231, 36}}},
    {"magma",
     11,
     {{0, 0, 4},
      {20, 14, 54},
      {59, 15, 112},
      {100, 26, 128},
      {140, 41, 129},
      {183, 55, 121},
      {222, 73, 104},
      {247, 112, 92},
      {254, 159, 109},
      {254, 207, 146},
      {252, 253, 191}}},
    {"cividis",
     11,
     {{0, 34, 78},
      {8, 51, 112},
      {53, 69, 108},
      {79, 87, 108},
      {102, 105, 112},
      {125, 124, 120},
      {148, 142, 119},
      {174, 163, 113},
      {200, 184, 102},
      {229, 207, 82},
      {254, 232, 56}}},
    {"turbo",
     12,
     {{48, 18, 59},
      {68, 84, 195},
      {68, 143, 254},
      {31, 200, 222},
      {41, 239, 162},
      {125, 255, 86},
      {193, 243, 52},
      {241, 202, 58},
      {254, 146, 42},
      {234, 79, 13},
      {190, 33, 2},
      {122, 4, 3}}},
    {"coolwarm",
     9,
     {{59, 76, 192},
      {98, 130, 234},
      {141, 176, 254},
      {184, 208, 249},
      {221, 221, 221},
      {245, 196, 173},
      {244, 154, 123},
      {222, 96, 77},
      {180, 4, 38}}},
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

static bool read_color(const char *line, uint8_t rgb[3])
{
    g_auto(GStrv) parts = g_strsplit(line, ",", -1);
    guint64 value;

    if (g_strv_length(parts) != 3)
        return false;
    for (int c = 0; c < 3; c++) {
        if (!g_ascii_string_to_unsigned(g_strstrip(parts[c]), 10, 0, 255, &value, NULL))
            return false;
        rgb[c] = (uint8_t)value;
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
        if (map->n == ANCHORS_MAX || !read_color(line, map->anchors[map->n])) {
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
        float a = map->anchors[low][c], b = map->anchors[low + 1][c];
        rgb[c] = (uint8_t)(a + (b - a) * (place - (float)low) + 0.5f);
    }
}
