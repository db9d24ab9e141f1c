#include "src/case/dicom_walk.h"

#include "src/base/limits.h"

#include <string.h>

#define TAG_ITEM 0xfffee000u
#define TAG_ITEM_END 0xfffee00du
#define TAG_SEQUENCE_END 0xfffee0ddu
#define TAG_PIXELS 0x7fe00010u
#define TAG_FLOATS 0x7fe00008u
#define TAG_DOUBLES 0x7fe00009u

static mt_dicom_step skip_value(mt_dicom_walk *w, const mt_dicom_element *e, size_t end, bool explicit_vr, int depth, GError **error);

uint16_t mt_dicom_u16(const uint8_t *b, bool big_endian)
{
    return (uint16_t)(big_endian ? b[0] << 8 | b[1] : b[1] << 8 | b[0]);
}

uint32_t mt_dicom_u32(const uint8_t *b, bool big_endian)
{
    uint32_t first = mt_dicom_u16(b, big_endian), second = mt_dicom_u16(b + 2, big_endian);

    return big_endian ? first << 16 | second : second << 16 | first;
}

static bool is_long_vr(const char *vr)
{
    static const char names[][3] = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (memcmp(vr, names[i], 2) == 0)
            return true;
    return false;
}

static bool is_short_vr(const char *vr)
{
    static const char names[][3] = {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FL", "FD", "IS", "LO",
                                    "LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (memcmp(vr, names[i], 2) == 0)
            return true;
    return false;
}

bool mt_dicom_walk_names_vr(const uint8_t *bytes, size_t n)
{
    return n >= 6 && (is_long_vr((const char *)bytes + 4) || is_short_vr((const char *)bytes + 4));
}

static mt_dicom_step fail(const mt_dicom_walk *w, const mt_dicom_element *e, const char *what, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "element (%04x,%04x) at byte %zu of the data set %s", e->tag >> 16, e->tag & 0xffff, w->at,
                what);
    return MT_DICOM_STEP_ERROR;
}

/* The bytes end: more of them may follow, or the file is cut. */
static mt_dicom_step short_of(const mt_dicom_walk *w, const mt_dicom_element *e, size_t end, GError **error)
{
    if (!w->whole && end == w->n)
        return MT_DICOM_STEP_MORE;
    return fail(w, e, "is longer than what holds it: the file is cut short or damaged", error);
}

static mt_dicom_step read_element(mt_dicom_walk *w, size_t end, bool explicit_vr, mt_dicom_element *e, GError **error)
{
    const uint8_t *b = w->bytes + w->at;
    size_t         left = end - w->at, head = 8;

    *e = (mt_dicom_element){0};
    if (left < 8)
        return short_of(w, e, end, error);
    e->tag = (uint32_t)mt_dicom_u16(b, w->big_endian) << 16 | mt_dicom_u16(b + 2, w->big_endian);
    if (e->tag >> 16 == 0xfffe || !explicit_vr) {
        e->length = mt_dicom_u32(b + 4, w->big_endian);
    } else {
        memcpy(e->vr, b + 4, 2);
        if (is_long_vr(e->vr)) {
            head = 12;
            if (left < head)
                return short_of(w, e, end, error);
            e->length = mt_dicom_u32(b + 8, w->big_endian);
        } else if (is_short_vr(e->vr)) {
            e->length = mt_dicom_u16(b + 6, w->big_endian);
        } else {
            return fail(w, e, "names no value representation", error);
        }
    }
    e->value = w->at + head;
    if (++w->elements > MT_LIMIT_DICOM_ELEMENTS) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "its header has more than %d elements", MT_LIMIT_DICOM_ELEMENTS);
        return MT_DICOM_STEP_ERROR;
    }
    return MT_DICOM_STEP_ELEMENT;
}

/* Elements of one item up to `end`, or up to its delimiter when its length is undefined. */
static mt_dicom_step skip_item(mt_dicom_walk *w, size_t end, bool delimited, bool explicit_vr, int depth, GError **error)
{
    while (delimited || w->at < end) {
        mt_dicom_element e;
        mt_dicom_step    step = read_element(w, end, explicit_vr, &e, error);

        if (step != MT_DICOM_STEP_ELEMENT)
            return step;
        if (e.tag == TAG_ITEM_END) {
            w->at = e.value;
            return delimited ? MT_DICOM_STEP_ELEMENT : fail(w, &e, "stands where no item ends", error);
        }
        step = skip_value(w, &e, end, explicit_vr, depth, error);
        if (step != MT_DICOM_STEP_ELEMENT)
            return step;
    }
    return MT_DICOM_STEP_ELEMENT;
}

static mt_dicom_step skip_items(mt_dicom_walk *w, size_t end, bool delimited, bool raw, bool explicit_vr, int depth, GError **error)
{
    if (depth > MT_LIMIT_DICOM_DEPTH) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "its sequences are nested more than %d deep", MT_LIMIT_DICOM_DEPTH);
        return MT_DICOM_STEP_ERROR;
    }
    while (delimited || w->at < end) {
        mt_dicom_element e;
        mt_dicom_step    step = read_element(w, end, explicit_vr, &e, error);

        if (step != MT_DICOM_STEP_ELEMENT)
            return step;
        if (e.tag == TAG_SEQUENCE_END) {
            w->at = e.value;
            return delimited ? MT_DICOM_STEP_ELEMENT : fail(w, &e, "stands where no sequence ends", error);
        }
        if (e.tag != TAG_ITEM)
            return fail(w, &e, "stands where an item of a sequence was expected", error);
        bool open = e.length == MT_DICOM_UNDEFINED;
        if (!open && e.length > end - e.value)
            return short_of(w, &e, end, error);
        if (raw && open)
            return fail(w, &e, "is a fragment without a length", error);
        w->at = e.value;
        if (raw)
            w->at += e.length;
        else
            step = skip_item(w, open ? end : e.value + e.length, open, explicit_vr, depth, error);
        if (step != MT_DICOM_STEP_ELEMENT)
            return step;
    }
    return MT_DICOM_STEP_ELEMENT;
}

/* Values that hold items, for sure or perhaps: without named representations only the dictionary could tell. */
static bool may_hold_items(const mt_dicom_walk *w, const mt_dicom_element *e)
{
    const uint8_t *b = w->bytes + e->value;

    return e->length >= 8 && ((uint32_t)mt_dicom_u16(b, w->big_endian) << 16 | mt_dicom_u16(b + 2, w->big_endian)) == TAG_ITEM;
}

static mt_dicom_step skip_value(mt_dicom_walk *w, const mt_dicom_element *e, size_t end, bool explicit_vr, int depth, GError **error)
{
    bool is_sequence = memcmp(e->vr, "SQ", 2) == 0, unknown = memcmp(e->vr, "UN", 2) == 0 || !explicit_vr;

    if (e->length == MT_DICOM_UNDEFINED) {
        bool raw = e->tag == TAG_PIXELS || (explicit_vr && !is_sequence && !unknown);
        /* unknown, of undefined length: its elements name no representation */
        bool inner = explicit_vr && !unknown;

        w->at = e->value;
        return skip_items(w, end, true, raw, inner, depth + 1, error);
    }
    if (e->length > end - e->value)
        return short_of(w, e, end, error);
    size_t after = e->value + e->length;
    if (is_sequence || (unknown && may_hold_items(w, e))) {
        g_autoptr(GError) reason = NULL;

        w->at = e->value;
        mt_dicom_step step = skip_items(w, after, false, false, explicit_vr && !unknown, depth + 1, &reason);
        /* where no representation is named, DCMTK goes by its dictionary: what begins like a sequence has to be one, for it believes lengths */
        if (step != MT_DICOM_STEP_ELEMENT && (is_sequence || !explicit_vr || g_error_matches(reason, MT_ERROR, MT_ERROR_LIMIT))) {
            g_propagate_error(error, g_steal_pointer(&reason));
            return step;
        }
    }
    w->at = after;
    return MT_DICOM_STEP_ELEMENT;
}

mt_dicom_step mt_dicom_walk_next(mt_dicom_walk *w, mt_dicom_element *e, GError **error)
{
    size_t  start = w->at;
    int64_t elements = w->elements;

    if (w->at == w->n)
        return w->whole ? MT_DICOM_STEP_END : MT_DICOM_STEP_MORE;
    mt_dicom_step step = read_element(w, w->n, w->explicit_vr, e, error);
    if (step == MT_DICOM_STEP_ELEMENT && (e->tag == TAG_PIXELS || e->tag == TAG_FLOATS || e->tag == TAG_DOUBLES))
        return MT_DICOM_STEP_PIXELS;
    if (step == MT_DICOM_STEP_ELEMENT)
        step = skip_value(w, e, w->n, w->explicit_vr, 0, error);
    if (step == MT_DICOM_STEP_MORE || step == MT_DICOM_STEP_PIXELS) {
        w->at = start;
        w->elements = elements;
    }
    return step;
}
