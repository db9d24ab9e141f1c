#include "src/case/dicom_layout.h"

#include "src/base/alloc.h"
#include "src/base/limits.h"
#include "src/case/dicom_walk.h"
#include "src/case/file_bytes.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define PREAMBLE_BYTES 128
#define FIRST_READ_BYTES (64 << 10)
#define START_BYTES 160
#define IMPLICIT_LE "1.2.840.10008.1.2"
#define EXPLICIT_LE "1.2.840.10008.1.2.1"
#define DEFLATED_LE "1.2.840.10008.1.2.1.99"
#define EXPLICIT_BE "1.2.840.10008.1.2.2"

/* Where layouts come from: the file, growing in memory as the header asks. */
typedef struct reading {
    mt_dicom_layout *layout;
    mt_file_bytes   *file;
    uint8_t         *bytes; /* the first `have` of the file */
    uint64_t         have, size;
} reading;

static bool has_magic(const uint8_t *bytes, size_t n)
{
    return n >= PREAMBLE_BYTES + 4 && memcmp(bytes + PREAMBLE_BYTES, "DICM", 4) == 0;
}

bool mt_dicom_layout_matches(const uint8_t *bytes, size_t n)
{
    if (has_magic(bytes, n))
        return true;
    if (n < 16)
        return false;
    /* without preamble: the first element is of group 2 or 8, in either byte order */
    bool     big = bytes[0] == 0;
    uint16_t group = mt_dicom_u16(bytes, big), element = mt_dicom_u16(bytes + 2, big);

    if ((group != 2 && group != 8) || element > 0x0100)
        return false;
    return mt_dicom_walk_names_vr(bytes, n) || mt_dicom_u32(bytes + 4, big) <= 128;
}

bool mt_dicom_layout_file_matches(const char *path)
{
    uint8_t bytes[START_BYTES];
    int     fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd >= 0 ? read(fd, bytes, sizeof bytes) : -1;

    if (fd >= 0)
        close(fd);
    return n > 0 && mt_dicom_layout_matches(bytes, (size_t)n);
}

/* At least the first `wanted` bytes, or all of the file. */
static bool have_bytes(reading *r, uint64_t wanted, GError **error)
{
    wanted = MIN(wanted, r->size);
    if (wanted <= r->have)
        return true;
    uint8_t *bytes = mt_alloc((int64_t)wanted, 1, error);
    if (bytes == NULL || !mt_file_bytes_read(r->file, r->have, wanted - r->have, bytes + r->have, error)) {
        mt_free(bytes);
        return false;
    }
    if (r->have > 0)
        memcpy(bytes, r->bytes, r->have);
    mt_free(r->bytes);
    r->bytes = bytes;
    r->have = wanted;
    return true;
}

static bool grow(reading *r, GError **error)
{
    if (r->have >= MT_LIMIT_DICOM_HEADER_BYTES) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "its header is over the limit of %" G_GINT64_FORMAT " bytes",
                    MT_LIMIT_DICOM_HEADER_BYTES);
        return false;
    }
    return have_bytes(r, MIN(r->have * 4, (uint64_t)MT_LIMIT_DICOM_HEADER_BYTES), error);
}

/* One step of a walk over what is in memory, with more of the file when it asks for that. */
static mt_dicom_step step_over(reading *r, mt_dicom_walk *walk, mt_dicom_element *e, size_t base, GError **error)
{
    for (;;) {
        walk->bytes = r->bytes + base;
        walk->n = (size_t)r->have - base;
        walk->whole = r->have == r->size;
        mt_dicom_step step = mt_dicom_walk_next(walk, e, error);
        if (step != MT_DICOM_STEP_MORE)
            return step;
        if (!grow(r, error))
            return MT_DICOM_STEP_ERROR;
    }
}

/* Group 2, always explicit and little endian; `start` moves past it. */
static bool read_meta(reading *r, size_t *start, GError **error)
{
    mt_dicom_walk    walk = {.explicit_vr = true};
    mt_dicom_element e;

    while (*start + walk.at + 4 <= r->have && mt_dicom_u16(r->bytes + *start + walk.at, false) == 2) {
        mt_dicom_step step = step_over(r, &walk, &e, *start, error);
        if (step != MT_DICOM_STEP_ELEMENT) {
            g_prefix_error(error, "its file meta information: ");
            return false;
        }
        if (e.tag == 0x00020010 && e.length < MT_DICOM_UID_BYTES) {
            memcpy(r->layout->syntax, walk.bytes + e.value, e.length);
            g_strchomp(r->layout->syntax);
            g_strcanon(r->layout->syntax, "0123456789.", '?'); /* it stands in messages */
        }
    }
    *start += walk.at;
    return true;
}

/* What the first element looks like is believed before what the file says: native files with a wrong transfer syntax exist. */
static void find_encoding(mt_dicom_layout *l, const uint8_t *bytes, size_t n)
{
    bool native = l->syntax[0] == '\0' || strcmp(l->syntax, IMPLICIT_LE) == 0 || strcmp(l->syntax, EXPLICIT_LE) == 0 ||
                  strcmp(l->syntax, EXPLICIT_BE) == 0;

    l->explicit_vr = true;
    if (!native || n < 8)
        return;
    l->explicit_vr = mt_dicom_walk_names_vr(bytes, n);
    l->big_endian = l->explicit_vr && mt_dicom_u16(bytes, false) > 0xff && mt_dicom_u16(bytes, true) <= 0xff;
    g_strlcpy(l->syntax, !l->explicit_vr ? IMPLICIT_LE : l->big_endian ? EXPLICIT_BE : EXPLICIT_LE, sizeof l->syntax);
}

static bool is_native(const mt_dicom_layout *l)
{
    return strcmp(l->syntax, IMPLICIT_LE) == 0 || strcmp(l->syntax, EXPLICIT_LE) == 0 || strcmp(l->syntax, EXPLICIT_BE) == 0 ||
           strcmp(l->syntax, DEFLATED_LE) == 0;
}

/* Room doubles with what comes out, so a small file costs little; the limit is absolute. */
static bool inflate_more(z_stream *z, uint8_t **out, size_t *room, GError **error)
{
    if (z->avail_out > 0)
        return true;
    if (*room * 2 > MT_LIMIT_DICOM_INFLATED_BYTES) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "it inflates to more than %" G_GINT64_FORMAT " bytes", MT_LIMIT_DICOM_INFLATED_BYTES);
        return false;
    }
    uint8_t *larger = mt_alloc((int64_t)*room * 2, 1, error);
    if (larger == NULL)
        return false;
    memcpy(larger, *out, *room);
    mt_free(*out);
    *out = larger;
    z->next_out = larger + *room;
    z->avail_out = (uInt)*room;
    *room *= 2;
    return true;
}

static bool run_inflate(z_stream *z, uint8_t **out, size_t *room, GError **error)
{
    for (;;) {
        int code = inflate(z, Z_NO_FLUSH);

        if (code == Z_STREAM_END)
            return true;
        if (code != Z_OK && code != Z_BUF_ERROR) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its deflated data set is damaged: %s", z->msg != NULL ? z->msg : "zlib gives up");
            return false;
        }
        if (z->avail_out > 0 && z->avail_in == 0) {
            g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "its deflated data set is cut short");
            return false;
        }
        if (!inflate_more(z, out, room, error))
            return false;
    }
}

/* The whole data set in memory takes the place of the file. */
static bool inflate_set(reading *r, size_t start, GError **error)
{
    z_stream z = {0};
    size_t   room = MAX((size_t)r->size * 2, FIRST_READ_BYTES);

    if (r->size > MT_LIMIT_DICOM_INFLATED_BYTES / 4) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_LIMIT, "its deflated data set is over the limit");
        return false;
    }
    if (!have_bytes(r, r->size, error))
        return false;
    uint8_t *out = mt_alloc((int64_t)room, 1, error);
    if (out == NULL || inflateInit2(&z, -MAX_WBITS) != Z_OK) {
        mt_free(out);
        return false;
    }
    z.next_in = r->bytes + start;
    z.avail_in = (uInt)(r->size - start);
    z.next_out = out;
    z.avail_out = (uInt)room;
    bool ok = run_inflate(&z, &out, &room, error);
    r->layout->inflated = out;
    r->layout->inflated_bytes = z.total_out;
    inflateEnd(&z);
    return ok;
}

/* `size` bytes at `offset` of the file, or of what was inflated. */
static bool bytes_at(const mt_dicom_layout *l, mt_file_bytes *file, uint64_t offset, uint64_t size, void *out, GError **error)
{
    if (l->inflated == NULL)
        return mt_file_bytes_read(file, offset, size, out, error);
    if (offset > l->inflated_bytes || size > l->inflated_bytes - offset) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "the file is cut short");
        return false;
    }
    memcpy(out, l->inflated + offset, size);
    return true;
}

/* Offset table of item 0: byte 0 is that of the item after it. */
static bool read_offset_table(reading *r, uint64_t at, uint32_t bytes, GError **error)
{
    if (bytes / 4 > MT_LIMIT_DICOM_FRAMES || bytes % 4 != 0)
        return true; /* not to be believed; fragments are counted instead */
    g_autofree uint8_t *table = g_malloc(bytes + 1);

    if (!mt_file_bytes_read(r->file, at, bytes, table, error))
        return false;
    for (uint32_t i = 0; i < bytes / 4; i++) {
        uint64_t offset = mt_dicom_u32(table + 4 * (size_t)i, false);
        g_array_append_val(r->layout->offsets, offset);
    }
    return true;
}

static bool read_fragments(reading *r, GError **error)
{
    mt_dicom_layout *l = r->layout;
    uint64_t         at = l->pixel_offset;

    for (int64_t i = 0; i <= MT_LIMIT_DICOM_FRAMES; i++) {
        uint8_t head[8];

        /* a file whose last delimiter is missing is whole all the same */
        if (i > 1 && at == r->size)
            return true;
        if (!mt_file_bytes_read(r->file, at, sizeof head, head, error))
            return false;
        uint32_t tag = (uint32_t)mt_dicom_u16(head, false) << 16 | mt_dicom_u16(head + 2, false), bytes = mt_dicom_u32(head + 4, false);
        at += sizeof head;
        if (tag == 0xfffee0dd)
            return true;
        if (tag != 0xfffee000 || bytes > r->size - at) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                        "fragment %" G_GINT64_FORMAT " of its pixel data, at byte %" G_GUINT64_FORMAT ", %s", i, at - sizeof head,
                        tag != 0xfffee000 ? "is no item" : "is longer than the file: it is cut short");
            return false;
        }
        mt_dicom_fragment fragment = {at, bytes};
        if (i == 0 && !read_offset_table(r, at, bytes, error))
            return false;
        if (i > 0)
            g_array_append_val(l->fragments, fragment);
        at += bytes;
    }
    g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "its pixel data have more than %d fragments", MT_LIMIT_DICOM_FRAMES);
    return false;
}

static bool place_pixels(reading *r, const mt_dicom_element *e, size_t base, GError **error)
{
    mt_dicom_layout *l = r->layout;
    uint64_t         size = l->inflated != NULL ? l->inflated_bytes : r->size;

    l->pixels = e->tag == 0x7fe00010 ? MT_DICOM_INTEGERS : e->tag == 0x7fe00008 ? MT_DICOM_FLOATS : MT_DICOM_DOUBLES;
    l->pixel_offset = base + e->value;
    l->words = l->explicit_vr ? memcmp(e->vr, "OW", 2) == 0 : true;
    l->encapsulated = e->length == MT_DICOM_UNDEFINED;
    if (l->encapsulated == is_native(l)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its transfer syntax %s is %s and its pixel data are not", l->syntax,
                    l->encapsulated ? "native" : "compressed");
        return false;
    }
    if (l->encapsulated)
        return read_fragments(r, error);
    l->pixel_bytes = MIN(e->length, size - l->pixel_offset);
    return true;
}

/* Extended offset table: 64-bit, stands before the pixel data. */
static void take_extended_offsets(mt_dicom_layout *l, const mt_dicom_walk *w, const mt_dicom_element *e)
{
    if (e->tag != 0x7fe00001 || e->length == MT_DICOM_UNDEFINED || e->length / 8 > MT_LIMIT_DICOM_FRAMES)
        return;
    for (uint32_t i = 0; i < e->length / 8; i++) {
        const uint8_t *b = w->bytes + e->value + 8 * (size_t)i;
        uint64_t       offset = (uint64_t)mt_dicom_u32(b + 4, false) << 32 | mt_dicom_u32(b, false);

        g_array_append_val(l->offsets, offset);
    }
}

static bool walk_set(reading *r, size_t start, GError **error)
{
    mt_dicom_layout *l = r->layout;
    mt_dicom_walk    walk = {.explicit_vr = l->explicit_vr, .big_endian = l->big_endian};
    mt_dicom_element e;
    mt_dicom_step    step;

    do {
        if (l->inflated != NULL) {
            walk.bytes = l->inflated;
            walk.n = l->inflated_bytes;
            walk.whole = true;
            step = mt_dicom_walk_next(&walk, &e, error);
        } else {
            step = step_over(r, &walk, &e, start, error);
        }
        if (step == MT_DICOM_STEP_ELEMENT)
            take_extended_offsets(l, &walk, &e);
    } while (step == MT_DICOM_STEP_ELEMENT);
    if (step == MT_DICOM_STEP_ERROR || (step == MT_DICOM_STEP_PIXELS && !place_pixels(r, &e, l->inflated != NULL ? 0 : start, error)))
        return false;
    l->header = mt_alloc((int64_t)walk.at, 1, error);
    if (l->header == NULL)
        return false;
    memcpy(l->header, walk.bytes, walk.at);
    l->header_bytes = walk.at;
    return true;
}

static bool read_layout(reading *r, GError **error)
{
    mt_dicom_layout *l = r->layout;

    if (!have_bytes(r, FIRST_READ_BYTES, error))
        return false;
    size_t start = has_magic(r->bytes, r->have) ? PREAMBLE_BYTES + 4 : 0;
    if (!mt_dicom_layout_matches(r->bytes, r->have)) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "it is no DICOM file");
        return false;
    }
    if (!read_meta(r, &start, error))
        return false;
    l->deflated = strcmp(l->syntax, DEFLATED_LE) == 0;
    if (l->deflated && !inflate_set(r, start, error))
        return false;
    if (l->deflated)
        l->explicit_vr = true;
    else
        find_encoding(l, r->bytes + start, r->have - start);
    return walk_set(r, start, error);
}

mt_dicom_layout *mt_dicom_layout_read(const char *path, GError **error)
{
    g_autoptr(mt_file_bytes) file = mt_file_bytes_open(path, error);

    if (file == NULL)
        return NULL;
    g_autoptr(mt_dicom_layout) layout = g_new0(mt_dicom_layout, 1);
    layout->path = g_strdup(path);
    layout->fragments = g_array_new(FALSE, FALSE, sizeof(mt_dicom_fragment));
    layout->offsets = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    reading r = {.layout = layout, .file = file, .size = mt_file_bytes_size(file)};
    bool    ok = read_layout(&r, error);
    mt_free(r.bytes);
    return ok ? g_steal_pointer(&layout) : NULL;
}

void mt_dicom_layout_drop_header(mt_dicom_layout *l)
{
    mt_free(l->header);
    l->header = NULL;
    l->header_bytes = 0;
}

void mt_dicom_layout_free(mt_dicom_layout *l)
{
    if (l == NULL)
        return;
    mt_dicom_layout_drop_header(l);
    mt_free(l->inflated);
    g_clear_pointer(&l->fragments, g_array_unref);
    g_clear_pointer(&l->offsets, g_array_unref);
    g_free(l->path);
    g_free(l);
}

/* Fragments [first, last) of a frame: one each, or by the offset table, or all of a lone frame's. */
static bool find_fragments(const mt_dicom_layout *l, int64_t frame, int64_t frames, guint *first, guint *last)
{
    const mt_dicom_fragment *f = (const mt_dicom_fragment *)(void *)l->fragments->data;

    *first = *last = 0;
    if (frames == 1)
        *last = l->fragments->len;
    else if (l->fragments->len == (guint64)frames)
        *last = (*first = (guint)frame) + 1;
    else if (l->offsets->len == (guint64)frames && l->fragments->len > 0) {
        uint64_t zero = f[0].offset - 8, from = g_array_index(l->offsets, uint64_t, frame);
        uint64_t to = frame + 1 < frames ? g_array_index(l->offsets, uint64_t, frame + 1) : UINT64_MAX;

        while (*first < l->fragments->len && f[*first].offset - 8 - zero < from)
            (*first)++;
        for (*last = *first; *last < l->fragments->len && f[*last].offset - 8 - zero < to; (*last)++)
            ;
    }
    return *last > *first;
}

uint8_t *mt_dicom_layout_frame(const mt_dicom_layout *l, int64_t frame, int64_t frames, size_t *n, GError **error)
{
    guint    first, last;
    uint64_t bytes = 0;

    if (!find_fragments(l, frame, frames, &first, &last)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "its pixel data have %u fragments for %" G_GINT64_FORMAT " frames, and no offset table says which is whose",
                    l->fragments->len, frames);
        return NULL;
    }
    for (guint i = first; i < last; i++)
        bytes += g_array_index(l->fragments, mt_dicom_fragment, i).bytes;
    g_autoptr(mt_file_bytes) file = mt_file_bytes_open(l->path, error);
    uint8_t *out = file != NULL ? mt_alloc((int64_t)bytes + 2, 1, error) : NULL;
    *n = 0;
    for (guint i = first; out != NULL && i < last; i++) {
        const mt_dicom_fragment *f = &g_array_index(l->fragments, mt_dicom_fragment, i);

        if (!mt_file_bytes_read(file, f->offset, f->bytes, out + *n, error)) {
            mt_free(out);
            return NULL;
        }
        *n += f->bytes;
    }
    return out;
}

bool mt_dicom_layout_native(const mt_dicom_layout *l, uint64_t offset, uint64_t bytes, void *out, GError **error)
{
    if (offset > l->pixel_bytes || bytes > l->pixel_bytes - offset) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "its pixel data have %" G_GUINT64_FORMAT " bytes, %" G_GUINT64_FORMAT " are wanted: the file is cut short",
                    l->pixel_bytes, offset + bytes);
        return false;
    }
    if (l->inflated != NULL)
        return bytes_at(l, NULL, l->pixel_offset + offset, bytes, out, error);
    g_autoptr(mt_file_bytes) file = mt_file_bytes_open(l->path, error);
    return file != NULL && bytes_at(l, file, l->pixel_offset + offset, bytes, out, error);
}
