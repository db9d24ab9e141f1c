#include "src/case/tiff_clean.h"

#include "src/base/alloc.h"
#include "src/base/limits.h"
#include "src/case/tiff_directory.h"

#include <errno.h>
#include <string.h>
#include <tiffio.h>
#include <unistd.h>

#define MIN_NEEDLE 4

/* What an Aperio description may keep: how it was scanned, not by whom, when or from what. */
static const char *const KEPT[] = {"AppMag",      "MPP",           "Left",           "Top",          "OriginalWidth", "OriginalHeight",
                                   "StripeWidth", "Exposure Time", "Exposure Scale", "DisplayColor", "SessonMode",    "Gamma",
                                   NULL};

static bool refuse(const char *what, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s", what);
    return false;
}

static void take(mt_tiff_clean *c, const char *what, const char *value)
{
    size_t n = strlen(value);

    for (guint i = 0; i < c->removed->len; i++)
        if (strcmp(c->removed->pdata[i], what) == 0)
            what = NULL, i = c->removed->len - 1;
    if (what != NULL)
        g_ptr_array_add(c->removed, g_strdup(what));
    if (n >= MIN_NEEDLE)
        g_ptr_array_add(c->needles, g_bytes_new(value, n));
}

/* "Aperio Image Library v11.2.1 \r\n46000x32914 [0,100 46000x32814] (256x256) JPEG/RGB Q=30|AppMag = 20|Filename = ..": the first part is what the
 * scanner's library writes; of the rest the keys above are kept. */
static char *clean_aperio(mt_tiff_clean *c, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "|", -1);
    GString *out = g_string_new(NULL);

    for (const char *at = parts[0]; *at != '\0'; at++) /* letters of its words, digits, signs: no line that somebody typed */
        g_string_append_c(out, *at);
    g_autofree char *head = g_strdup(out->str);
    char            *line = strchr(head, '\n');
    if (line != NULL && (strlen(line) > 200 || strspn(line, "\n\r 0123456789x[](),;.=QJPEGRBKDUfroidetaclsYCbC/->2000") != strlen(line))) {
        take(c, "ImageDescription: second line", line + 1);
        g_string_truncate(out, (gsize)(line - head));
    }
    for (char **part = parts + (parts[0] != NULL); part != NULL && *part != NULL; part++) {
        g_auto(GStrv) pair = g_strsplit(*part, "=", 2);
        const char *key = pair[0] != NULL ? g_strstrip(pair[0]) : "",
                   *value = pair[0] != NULL && pair[1] != NULL ? g_strstrip(pair[1]) : "";
        bool number = *value != '\0' && strspn(value, "0123456789.-+eE") == strlen(value);
        if (g_strv_contains(KEPT, key) && number)
            g_string_append_printf(out, "|%s = %s", key, value);
        else if (*key != '\0') {
            g_autofree char *what = g_strconcat("ImageDescription: ", key, NULL);
            take(c, what, value);
        }
    }
    return g_string_free(out, FALSE);
}

/* A maker whose files say more beside their tiles than can be taken out here. */
static const char *other_maker(const char *description, const char *make)
{
    static const struct {
        const char *word, *name;
    } makers[] = {{"<OME ", "OME-TIFF"},
                  {"<?xml", "a slide that is described in XML"},
                  {"<iScan", "a Ventana slide"},
                  {"DPUfsImport", "a Philips slide"},
                  {"<scn ", "a Leica slide"}};

    if (make != NULL && strstr(make, "Hamamatsu") != NULL)
        return "a Hamamatsu slide";
    for (size_t i = 0; description != NULL && i < G_N_ELEMENTS(makers); i++)
        if (strstr(description, makers[i].word) != NULL)
            return makers[i].name;
    return NULL;
}

static void copy_number(TIFF *from, TIFF *to, ttag_t tag)
{
    uint16_t value;

    if (TIFFGetField(from, tag, &value))
        TIFFSetField(to, tag, value);
}

static void copy_float(TIFF *from, TIFF *to, ttag_t tag)
{
    float value;

    if (TIFFGetField(from, tag, &value))
        TIFFSetField(to, tag, (double)value);
}

static void drop_texts(mt_tiff_clean *c, TIFF *from)
{
    static const struct {
        ttag_t      tag;
        const char *name;
    } texts[] = {{TIFFTAG_DATETIME, "DateTime"},
                 {TIFFTAG_ARTIST, "Artist"},
                 {TIFFTAG_HOSTCOMPUTER, "HostComputer"},
                 {TIFFTAG_SOFTWARE, "Software"},
                 {TIFFTAG_MAKE, "Make"},
                 {TIFFTAG_MODEL, "Model"},
                 {TIFFTAG_COPYRIGHT, "Copyright"},
                 {TIFFTAG_DOCUMENTNAME, "DocumentName"},
                 {TIFFTAG_PAGENAME, "PageName"},
                 {TIFFTAG_TARGETPRINTER, "TargetPrinter"}};
    char    *text = NULL;
    void    *data = NULL;
    uint32_t n = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        if (TIFFGetField(from, texts[i].tag, &text) && text != NULL)
            take(c, texts[i].name, text);
    if (TIFFGetField(from, TIFFTAG_ICCPROFILE, &n, &data))
        take(c, "ICCProfile", "");
    if (TIFFGetField(from, TIFFTAG_XMLPACKET, &n, &data))
        take(c, "XMP", "");
}

static bool copy_tags(mt_tiff_clean *c, TIFF *from, TIFF *to, const char *description, size_t (*scrub)(uint8_t *bytes, size_t n),
                      GError **error)
{
    static const ttag_t numbers[] = {TIFFTAG_BITSPERSAMPLE, TIFFTAG_SAMPLESPERPIXEL, TIFFTAG_COMPRESSION,    TIFFTAG_PHOTOMETRIC,
                                     TIFFTAG_PLANARCONFIG,  TIFFTAG_SAMPLEFORMAT,    TIFFTAG_RESOLUTIONUNIT, TIFFTAG_PREDICTOR};
    uint32_t            width = 0, height = 0, tile_width = 0, tile_height = 0, n = 0;
    uint16_t            across = 0, down = 0;
    void               *tables = NULL;

    if (!TIFFGetField(from, TIFFTAG_IMAGEWIDTH, &width) || !TIFFGetField(from, TIFFTAG_IMAGELENGTH, &height) ||
        !TIFFGetField(from, TIFFTAG_TILEWIDTH, &tile_width) || !TIFFGetField(from, TIFFTAG_TILELENGTH, &tile_height))
        return refuse("a directory of it lacks its sizes", error);
    TIFFSetField(to, TIFFTAG_IMAGEWIDTH, width);
    TIFFSetField(to, TIFFTAG_IMAGELENGTH, height);
    TIFFSetField(to, TIFFTAG_TILEWIDTH, tile_width);
    TIFFSetField(to, TIFFTAG_TILELENGTH, tile_height);
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
        copy_number(from, to, numbers[i]);
    copy_float(from, to, TIFFTAG_XRESOLUTION);
    copy_float(from, to, TIFFTAG_YRESOLUTION);
    if (TIFFGetField(from, TIFFTAG_YCBCRSUBSAMPLING, &across, &down))
        TIFFSetField(to, TIFFTAG_YCBCRSUBSAMPLING, across, down);
    if (TIFFGetField(from, TIFFTAG_JPEGTABLES, &n, &tables) && n > 0) {
        g_autofree uint8_t *own = g_memdup2(tables, n);
        c->comments += (int64_t)scrub(own, n);
        TIFFSetField(to, TIFFTAG_JPEGTABLES, n, own);
    }
    if (description != NULL)
        TIFFSetField(to, TIFFTAG_IMAGEDESCRIPTION, description);
    if (c->levels > 0)
        TIFFSetField(to, TIFFTAG_SUBFILETYPE, FILETYPE_REDUCEDIMAGE);
    return true;
}

static bool copy_tiles(mt_tiff_clean *c, TIFF *from, TIFF *to, size_t (*scrub)(uint8_t *bytes, size_t n), GError **error)
{
    uint32_t            n = TIFFNumberOfTiles(from);
    g_autofree uint8_t *bytes = NULL;
    tmsize_t            room = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint64_t size = TIFFGetStrileByteCount(from, i);
        if (size == 0)
            continue;
        if (size > MT_LIMIT_TILE_BYTES)
            return refuse("a tile of it is larger than tiles may be", error);
        if ((tmsize_t)size > room) {
            g_free(bytes);
            room = (tmsize_t)size;
            bytes = g_malloc((gsize)room);
        }
        tmsize_t got = TIFFReadRawTile(from, i, bytes, (tmsize_t)size);
        if (got < 0)
            return refuse("a tile of it cannot be read", error);
        c->comments += (int64_t)scrub(bytes, (size_t)got);
        if (TIFFWriteRawTile(to, i, bytes, got) < 0) {
            g_set_error(error, MT_ERROR, MT_ERROR_IO, "its copy cannot be written: %s", g_strerror(errno));
            return false;
        }
    }
    return true;
}

static bool copy_directory(mt_tiff_clean *c, TIFF *from, TIFF *to, size_t (*scrub)(uint8_t *bytes, size_t n), GError **error)
{
    char *text = NULL, *make = NULL;

    TIFFGetField(from, TIFFTAG_MAKE, &make);
    if (!TIFFGetField(from, TIFFTAG_IMAGEDESCRIPTION, &text))
        text = NULL;
    const char *other = other_maker(text, make);
    if (other != NULL) {
        g_autofree char *what = g_strconcat(other, ": its maker's data hold more than tiles; convert it to a tiled TIFF first", NULL);
        return refuse(what, error);
    }
    bool             aperio = text != NULL && g_str_has_prefix(text, "Aperio");
    g_autofree char *description = aperio ? clean_aperio(c, text) : NULL;
    if (text != NULL && !aperio)
        take(c, "ImageDescription", text);
    c->aperio |= aperio;
    drop_texts(c, from);
    if (!copy_tags(c, from, to, description, scrub, error) || !copy_tiles(c, from, to, scrub, error))
        return false;
    c->levels++;
    if (TIFFWriteDirectory(to))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_IO, "its copy cannot be written: %s", g_strerror(errno));
    return false;
}

static void drop_directory(mt_tiff_clean *c, TIFF *from)
{
    char *text = NULL;

    c->dropped++;
    drop_texts(c, from);
    if (TIFFGetField(from, TIFFTAG_IMAGEDESCRIPTION, &text) && text != NULL && g_str_has_prefix(text, "Aperio"))
        g_free(clean_aperio(c, text));
}

bool mt_tiff_clean_copy(const char *path, const char *target, size_t (*scrub)(uint8_t *bytes, size_t n), mt_tiff_clean *c, GError **error)
{
    *c = (mt_tiff_clean){.removed = g_ptr_array_new_with_free_func(g_free),
                         .needles = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref)};
    mt_tiff_handle *handle = mt_tiff_handle_open(path);
    TIFF           *from = handle != NULL ? mt_tiff_handle_get(handle) : NULL, *to = NULL;
    bool            ok = from != NULL && TIFFIsTiled(from);

    if (!ok)
        refuse("it is no tiled TIFF", error);
    if (ok && (to = TIFFOpen(target, TIFFIsBigTIFF(from) ? "w8" : "w")) == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "its copy cannot be written: %s", g_strerror(errno));
        ok = false;
    }
    while (ok) {
        if (TIFFIsTiled(from))
            ok = copy_directory(c, from, to, scrub, error);
        else
            drop_directory(c, from);
        if (!ok || !TIFFReadDirectory(from))
            break;
    }
    if (ok && *mt_tiff_handle_problem(handle) != '\0' && c->levels == 0)
        ok = refuse("it has no level that can be read", error);
    if (to != NULL)
        TIFFClose(to);
    mt_tiff_handle_free(handle);
    return ok;
}

void mt_tiff_clean_clear(mt_tiff_clean *c)
{
    g_clear_pointer(&c->removed, g_ptr_array_unref);
    g_clear_pointer(&c->needles, g_ptr_array_unref);
}
