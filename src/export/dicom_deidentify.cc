#include "src/export/dicom_deidentify.h"

#include "src/case/dicom_file.h"

extern "C" {
#include "src/base/hash.h"
#include "src/base/publish.h"
#include "src/export/deidentify_scrub.h"
}

#include <cstdio>
#include <cstring>

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dctk.h>

#define MIN_NEEDLE 4
#define MAX_SHIFT_DAYS 3650

struct walker {
    const mt_dicom_deidentify *settings;
    mt_dicom_changes          *changes;
    GHashTable                *said; /* texts of changes->attributes */
    int64_t                    days; /* dates are moved by */
    bool                       any_private;
};

static void say(walker *w, const DcmTag &tag, const char *what)
{
    DcmTag named(tag);
    char  *text = g_strdup_printf("(%04X,%04X) %s: %s", tag.getGroup(), tag.getElement(), named.getTagName(), what);

    if (g_hash_table_contains(w->said, text)) {
        g_free(text);
        return;
    }
    g_ptr_array_add(w->changes->attributes, text); /* which owns it; the table looks on */
    g_hash_table_add(w->said, text);
}

static void add_needle(walker *w, const char *bytes, size_t n)
{
    while (n > 0 && (bytes[n - 1] == ' ' || bytes[n - 1] == '\0'))
        n--;
    while (n > 0 && *bytes == ' ')
        bytes++, n--;
    if (n >= MIN_NEEDLE)
        g_ptr_array_add(w->changes->needles, g_bytes_new(bytes, n));
}

/* Whole values, and of names their parts. */
static void add_needles(walker *w, DcmElement *element, DcmEVR vr)
{
    char *text = NULL;

    if (element->getString(text).bad() || text == NULL)
        return;
    g_auto(GStrv) values = g_strsplit(text, "\\", -1);
    for (char **value = values; *value != NULL; value++) {
        add_needle(w, *value, strlen(*value));
        g_auto(GStrv) parts = vr == EVR_PN ? g_strsplit_set(*value, "^= ", -1) : NULL;
        for (char **part = parts; part != NULL && *part != NULL; part++)
            add_needle(w, *part, strlen(*part));
    }
}

static char *keyed(const walker *w, const char *kind, const char *text)
{
    g_autofree char *all = g_strconcat(kind, " ", text, NULL);

    return mt_hash_keyed(w->settings->key, w->settings->key_bytes, all, strlen(all));
}

/* 2.25. and a UUID as a number: PS3.5 B.2. */
static char *new_uid(walker *w, const char *uid)
{
    g_autofree char *hash = keyed(w, "uid", uid);
    unsigned char    bytes[16];
    char             digits[48];
    int              n = 0;

    for (int i = 0; i < 16; i++)
        bytes[i] = (unsigned char)(g_ascii_xdigit_value(hash[2 * i]) << 4 | g_ascii_xdigit_value(hash[2 * i + 1]));
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x50);
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    do { /* long division by ten */
        unsigned rest = 0;
        bool     more = false;
        for (int i = 0; i < 16; i++) {
            unsigned value = rest << 8 | bytes[i];
            bytes[i] = (unsigned char)(value / 10);
            rest = value % 10;
            more |= bytes[i] != 0;
        }
        digits[n++] = (char)('0' + rest);
        if (!more)
            break;
    } while (n < 40);
    digits[n] = '\0';
    g_hash_table_add(w->changes->uids, g_strdup(uid));
    g_autofree char *number = g_strreverse(g_strdup(digits));
    return g_strconcat("2.25.", number, NULL);
}

static void replace_uids(walker *w, DcmElement *element)
{
    char *text = NULL;

    if (element->getString(text).bad() || text == NULL || *text == '\0')
        return;
    g_auto(GStrv) values = g_strsplit(text, "\\", -1);
    bool changed = false;
    for (char **value = values; *value != NULL; value++) {
        g_strstrip(*value);
        if (g_str_has_prefix(*value, "1.2.840.10008.") || **value == '\0')
            continue;
        char *other = new_uid(w, *value);
        g_free(*value);
        *value = other;
        changed = true;
    }
    if (!changed)
        return;
    g_autofree char *joined = g_strjoinv("\\", values);
    element->putString(joined);
    say(w, element->getTag(), "replaced");
}

/* DA, and the date of a DT, moved by the patient's days; false: it is no date. */
static bool shift_date(const walker *w, DcmElement *element)
{
    char *text = NULL;
    int   year, month, day;

    if (element->getString(text).bad() || text == NULL || strlen(text) < 8 || strchr(text, '\\') != NULL ||
        sscanf(text, "%4d%2d%2d", &year, &month, &day) != 3 || !g_date_valid_dmy((GDateDay)day, (GDateMonth)month, (GDateYear)year))
        return false;
    GDate date;
    g_date_clear(&date, 1);
    g_date_set_dmy(&date, (GDateDay)day, (GDateMonth)month, (GDateYear)year);
    g_date_subtract_days(&date, (guint)w->days);
    g_autofree char *moved =
        g_strdup_printf("%04u%02u%02u%s", g_date_get_year(&date), g_date_get_month(&date), g_date_get_day(&date), text + 8);
    return element->putString(moved).good();
}

static bool is_text(DcmEVR vr)
{
    static const DcmEVR texts[] = {EVR_AE, EVR_AS, EVR_LO, EVR_LT, EVR_SH, EVR_ST, EVR_UC, EVR_UR, EVR_UT};

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        if (vr == texts[i])
            return true;
    return false;
}

static bool is_description(const DcmTagKey &tag)
{
    return tag == DCM_StudyDescription || tag == DCM_SeriesDescription || tag == DCM_ProtocolName;
}

static bool is_characteristic(const DcmTagKey &tag)
{
    return tag == DCM_PatientSex || tag == DCM_PatientAge || tag == DCM_PatientSize || tag == DCM_PatientWeight;
}

static mt_deidentify_action action_of(walker *w, const DcmTagKey &tag, DcmEVR vr, bool *identifying)
{
    mt_deidentify_action action = mt_deidentify_profile_action(w->settings->profile, tag.getGroup(), tag.getElement(), identifying);

    if ((w->settings->keep_descriptions && is_description(tag)) || (w->settings->keep_characteristics && is_characteristic(tag)))
        return MT_DEIDENTIFY_KEEP;
    if (action != MT_DEIDENTIFY_DEFAULT)
        return action;
    *identifying = vr == EVR_PN || vr == EVR_DA || vr == EVR_DT;
    if (vr == EVR_PN || vr == EVR_DA || vr == EVR_DT || vr == EVR_TM || is_text(vr))
        return MT_DEIDENTIFY_REMOVE;
    return vr == EVR_UI ? MT_DEIDENTIFY_UID : MT_DEIDENTIFY_KEEP;
}

static void walk(walker *w, DcmItem *set);

static void put_pseudonym(walker *w, DcmElement *element)
{
    char *text = NULL;

    if (element->getString(text).bad() || text == NULL)
        text = (char *)"";
    g_autofree char *trimmed = g_strstrip(g_strdup(text));
    bool             patient = element->getTag() == DCM_PatientName || element->getTag() == DCM_PatientID;
    g_autofree char *hash = keyed(w, "id", trimmed), *own = g_strdup_printf("ID-%.10s", hash);
    element->putString(patient ? w->changes->pseudonym : own);
}

/* True: the element goes. */
static bool treat(walker *w, DcmElement *element)
{
    const DcmTag         tag = element->getTag();
    DcmEVR               vr = element->ident() == EVR_SQ ? EVR_SQ : tag.getEVR();
    bool                 identifying = false, private_tag = (tag.getGroup() & 1) != 0;
    mt_deidentify_action action = private_tag ? MT_DEIDENTIFY_REMOVE : action_of(w, tag, vr, &identifying);

    if (identifying || (private_tag && vr == EVR_PN))
        add_needles(w, element, vr);
    if ((vr == EVR_DA || vr == EVR_DT) && w->settings->shift_dates && !private_tag && tag != DCM_PatientBirthDate &&
        action != MT_DEIDENTIFY_KEEP && tag.getGroup() != 0x0010 && shift_date(w, element)) {
        say(w, tag, "moved");
        return false;
    }
    switch (action) {
    case MT_DEIDENTIFY_REMOVE:
        if (private_tag)
            w->any_private = true;
        else
            say(w, tag, "removed");
        return true;
    case MT_DEIDENTIFY_EMPTY:
        if (element->getLengthField() > 0) {
            element->clear();
            say(w, tag, "emptied");
        }
        return false;
    case MT_DEIDENTIFY_DUMMY:
        put_pseudonym(w, element);
        say(w, tag, "replaced");
        return false;
    case MT_DEIDENTIFY_UID:
        replace_uids(w, element);
        return false;
    default:
        break;
    }
    if (vr == EVR_SQ) {
        DcmSequenceOfItems *sequence = static_cast<DcmSequenceOfItems *>(element);
        for (unsigned long i = 0; i < sequence->card(); i++)
            walk(w, sequence->getItem(i));
    }
    return false;
}

static void walk(walker *w, DcmItem *set)
{
    for (unsigned long i = set->card(); i > 0; i--) {
        DcmElement *element = set->getElement(i - 1);
        if (element != NULL && treat(w, element))
            delete set->remove(element);
    }
}

/* A kept text that holds part of a name or number of the patient goes as well. */
static bool holds_needle(const walker *w, const char *text)
{
    g_autofree char *low = g_ascii_strdown(text, -1);

    for (guint i = 0; i < w->changes->needles->len; i++) {
        gsize            n;
        const char      *bytes = (const char *)g_bytes_get_data((GBytes *)w->changes->needles->pdata[i], &n);
        g_autofree char *needle = g_ascii_strdown(bytes, (gssize)n);
        if (strstr(low, needle) != NULL)
            return true;
    }
    return false;
}

static void clean_kept(walker *w, DcmItem *set)
{
    for (unsigned long i = set->card(); i > 0; i--) {
        DcmElement *element = set->getElement(i - 1);
        DcmEVR      vr = element->getTag().getEVR();
        char       *text = NULL;
        if (element->ident() == EVR_SQ) {
            DcmSequenceOfItems *sequence = static_cast<DcmSequenceOfItems *>(element);
            for (unsigned long k = 0; k < sequence->card(); k++)
                clean_kept(w, sequence->getItem(k));
            continue;
        }
        if (!(is_text(vr) || vr == EVR_CS || vr == EVR_PN) || element->getString(text).bad() || text == NULL || !holds_needle(w, text) ||
            element->getTag() == DCM_PatientName || element->getTag() == DCM_PatientID)
            continue;
        say(w, element->getTag(), "removed: it named the patient");
        delete set->remove(element);
    }
}

static OFString text_of(DcmItem *set, const DcmTagKey &tag)
{
    OFString text;

    if (set->findAndGetOFStringArray(tag, text).bad())
        text.clear();
    while (!text.empty() && (text[text.length() - 1] == ' ' || text[text.length() - 1] == '\0'))
        text.erase(text.length() - 1);
    return text;
}

static bool has(const OFString &text, const char *word)
{
    return text.find(word) != OFString_npos;
}

/* Pictures that people and devices write into. */
static bool may_be_burnt(DcmItem *set, const OFString &modality, const OFString &sop_class)
{
    static const char *const modalities[] = {"US", "IVUS", "SC", "ES", "XC", "OT", "GM", "DOC", "SR"};
    OFString                 type = text_of(set, DCM_ImageType), burnt = text_of(set, DCM_BurnedInAnnotation);

    if (burnt == "YES" || has(type, "SCREEN") || has(sop_class, "1.2.840.10008.5.1.4.1.1.7") ||
        has(sop_class, "1.2.840.10008.5.1.4.1.1.6.") || has(sop_class, "1.2.840.10008.5.1.4.1.1.3.1"))
        return true;
    for (size_t i = 0; i < G_N_ELEMENTS(modalities); i++)
        if (modality == modalities[i] && set->tagExists(DCM_PixelData) && has(sop_class, "1.2.840.10008.5.1.4.1.1.77.1.") == OFFalse)
            return true;
    return false;
}

/* Ultrasound says where its picture is: kept is the union of those boxes. */
static bool take_regions(DcmItem *set, GArray *kept)
{
    DcmItem *region = NULL;

    for (long i = 0; set->findAndGetSequenceItem(DcmTagKey(0x0018, 0x6011), region, i).good() && region != NULL; i++) {
        Uint32 edge[4];
        for (int k = 0; k < 4; k++)
            if (region->findAndGetUint32(DcmTagKey(0x0018, (Uint16)(0x6018 + 2 * k)), edge[k]).bad())
                return false;
        int64_t box[4] = {edge[0], edge[1], edge[2], edge[3]};
        g_array_append_vals(kept, box, 1);
    }
    return kept->len > 0;
}

static void blacken(uint8_t *frame, int64_t columns, int64_t rows, int64_t pixel, bool planar, int samples, const GArray *kept,
                    const GArray *cut)
{
    for (int64_t y = 0; y < rows; y++)
        for (int64_t x = 0; x < columns; x++) {
            bool stays = kept == NULL;
            for (guint i = 0; kept != NULL && i < kept->len; i++) {
                const int64_t *b = &g_array_index(kept, int64_t, 4 * i);
                stays |= x >= b[0] && x <= b[2] && y >= b[1] && y <= b[3];
            }
            for (guint i = 0; cut != NULL && i < cut->len; i++) {
                const int64_t *b = &g_array_index(cut, int64_t, 4 * i);
                stays &= !(x >= b[0] && x < b[0] + b[2] && y >= b[1] && y < b[1] + b[3]);
            }
            if (stays)
                continue;
            for (int s = 0; s < (planar ? samples : 1); s++)
                memset(frame + (planar ? (s * rows * columns + y * columns + x) * (pixel / samples) : (y * columns + x) * pixel), 0,
                       (size_t)(planar ? pixel / samples : pixel));
        }
}

/* Decoded, and written without compression: black outside what is kept, in every frame. */
static bool blank(DcmDataset *set, const GArray *kept, const GArray *cut, GError **error)
{
    Uint16      columns = 0, rows = 0, samples = 1, bits = 8, planar = 0;
    Sint32      frames = 1;
    DcmElement *pixels = NULL;
    Uint8      *bytes = NULL;

    if (set->chooseRepresentation(EXS_LittleEndianExplicit, NULL).bad()) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "its pictures are compressed in a way that cannot be decoded for blacking out: export them uncompressed");
        return false;
    }
    set->removeAllButCurrentRepresentations();
    set->findAndGetUint16(DCM_Columns, columns);
    set->findAndGetUint16(DCM_Rows, rows);
    set->findAndGetUint16(DCM_BitsAllocated, bits);
    set->findAndGetUint16(DCM_PlanarConfiguration, planar);
    if (set->findAndGetUint16(DCM_SamplesPerPixel, samples).bad())
        samples = 1;
    if (set->findAndGetSint32(DCM_NumberOfFrames, frames).bad())
        frames = 1;
    int64_t pixel = (int64_t)samples * bits / 8, frame = (int64_t)columns * rows * pixel;
    if (set->findAndGetElement(DCM_PixelData, pixels).bad() || pixels == NULL || bits % 8 != 0 || frames < 1) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its pictures cannot be blacked out");
        return false;
    }
    OFCondition got = pixels->getUint8Array(bytes);
    Uint16     *words = NULL;
    if (got.bad() || bytes == NULL) {
        got = pixels->getUint16Array(words);
        bytes = reinterpret_cast<Uint8 *>(words);
    }
    if (got.bad() || bytes == NULL || (int64_t)pixels->getLengthField() < frame * frames) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its pixel data are shorter than its pictures");
        return false;
    }
    for (Sint32 i = 0; i < frames; i++)
        blacken(bytes + i * frame, columns, rows, pixel, planar == 1 && samples > 1, samples, kept, cut);
    return true;
}

/* What text there may be in the pictures, and what becomes of it.  False: the file is refused. */
static bool treat_pixels(walker *w, DcmDataset *set, GError **error)
{
    OFString modality = text_of(set, DCM_Modality), sop_class = text_of(set, DCM_SOPClassUID);
    Uint16   columns = 0, rows = 0;
    g_autoptr(GArray) kept = g_array_new(FALSE, FALSE, 4 * sizeof(int64_t));

    if (!set->tagExists(DCM_PixelData))
        return true;
    set->findAndGetUint16(DCM_Columns, columns);
    set->findAndGetUint16(DCM_Rows, rows);
    const mt_deidentify_pixels *rule =
        mt_deidentify_profile_pixels(w->settings->profile, modality.c_str(), text_of(set, DCM_Manufacturer).c_str(),
                                     text_of(set, DCM_ManufacturerModelName).c_str(), columns, rows);
    if (rule != NULL) {
        w->changes->pixels = g_strdup(rule->boxes->len > 0 ? "blacked out by the profile" : "nothing to black out, by the profile");
        return rule->boxes->len == 0 || blank(set, NULL, rule->boxes, error);
    }
    if (!may_be_burnt(set, modality, sop_class))
        return true;
    if (take_regions(set, kept)) {
        w->changes->pixels = g_strdup("blacked out but for the ultrasound regions");
        return blank(set, kept, NULL, error);
    }
    if (w->settings->allow_burned_in) {
        w->changes->pixels = g_strdup("may hold burnt-in text: let through as asked");
        return true;
    }
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "its pictures may hold burnt-in text (%s), and the profile has no rule for them: add a line pixels %s * * %dx%d X,Y,W,H "
                "(or none), or "
                "look at them and allow it",
                modality.c_str(), modality.empty() ? "*" : modality.c_str(), columns, rows);
    return false;
}

/* Comments in compressed frames, in place. */
static int64_t scrub_frames(DcmDataset *set)
{
    DcmElement       *element = NULL;
    DcmPixelSequence *sequence = NULL;
    int64_t           cleared = 0;

    if (set->findAndGetElement(DCM_PixelData, element).bad() || element->ident() != EVR_PixelData)
        return 0;
    DcmPixelData    *pixels = static_cast<DcmPixelData *>(element);
    E_TransferSyntax syntax = set->getOriginalXfer();
    if (!DcmXfer(syntax).isEncapsulated() || pixels->getEncapsulatedRepresentation(syntax, NULL, sequence).bad() || sequence == NULL)
        return 0;
    for (unsigned long i = 1; i < sequence->card(); i++) {
        DcmPixelItem *item = NULL;
        Uint8        *bytes = NULL;
        if (sequence->getItem(item, i).good() && item != NULL && item->getUint8Array(bytes).good() && bytes != NULL)
            cleared += (int64_t)mt_scrub_picture(bytes, item->getLengthField());
    }
    return cleared;
}

static void put_code(DcmItem *set, long i, const char *value, const char *meaning)
{
    DcmItem *item = NULL;

    if (set->findOrCreateSequenceItem(DCM_DeidentificationMethodCodeSequence, item, i).bad() || item == NULL)
        return;
    item->putAndInsertString(DCM_CodeValue, value);
    item->putAndInsertString(DCM_CodingSchemeDesignator, "DCM");
    item->putAndInsertString(DCM_CodeMeaning, meaning);
}

static void mark(const walker *w, DcmDataset *set, bool blanked)
{
    long n = 0;

    set->putAndInsertString(DCM_PatientIdentityRemoved, "YES");
    set->putAndInsertString(DCM_DeidentificationMethod, "microtome " MT_VERSION);
    set->findAndDeleteElement(DCM_DeidentificationMethodCodeSequence);
    put_code(set, n++, "113100", "Basic Application Confidentiality Profile");
    if (blanked)
        put_code(set, n++, "113101", "Clean Pixel Data Option");
    if (w->settings->shift_dates)
        put_code(set, n++, "113107", "Retain Longitudinal Temporal Information Modified Dates Option");
    if (w->settings->keep_characteristics)
        put_code(set, n++, "113108", "Retain Patient Characteristics Option");
    set->putAndInsertString(DCM_LongitudinalTemporalInformationModified, w->settings->shift_dates ? "MODIFIED" : "REMOVED");
}

static bool refuse_documents(DcmDataset *set, GError **error)
{
    OFString sop_class = text_of(set, DCM_SOPClassUID);

    if (!has(sop_class, "1.2.840.10008.5.1.4.1.1.88.") && !has(sop_class, "1.2.840.10008.5.1.4.1.1.104.") &&
        !has(sop_class, "1.2.840.10008.5.1.4.1.1.11."))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "a report, document or presentation is text through and through: leave it out");
    return false;
}

/* A slide's label and overview show what is written on the glass. */
static bool is_label(DcmDataset *set)
{
    OFString type = text_of(set, DCM_ImageType);

    return text_of(set, DCM_Modality) == "SM" && (has(type, "LABEL") || has(type, "OVERVIEW"));
}

static void describe(walker *w, DcmDataset *set)
{
    OFString         id = text_of(set, DCM_PatientID), name = text_of(set, DCM_PatientName);
    g_autofree char *both = g_strconcat(id.c_str(), id.empty() ? name.c_str() : "", NULL), *hash = keyed(w, "patient", both);

    w->changes->patient = g_strdup(both);
    w->changes->pseudonym = g_strdup_printf("ID-%.10s", hash);
    w->changes->modality = g_strdup(text_of(set, DCM_Modality).c_str());
    g_autofree char *days = keyed(w, "days", both);
    w->days = 1 + (int64_t)(g_ascii_strtoull((days[8] = '\0', days), NULL, 16) % MAX_SHIFT_DAYS);
}

void mt_dicom_changes_clear(mt_dicom_changes *c)
{
    g_clear_pointer(&c->attributes, g_ptr_array_unref);
    g_clear_pointer(&c->needles, g_ptr_array_unref);
    g_clear_pointer(&c->uids, g_hash_table_unref);
    g_free(c->patient);
    g_free(c->pseudonym);
    g_free(c->study);
    g_free(c->series);
    g_free(c->instance);
    g_free(c->modality);
    g_free(c->left_out);
    g_free(c->pixels);
    memset(c, 0, sizeof *c);
}

/* With a meta header and a preamble of our own. */
static bool write_file(DcmFileFormat *file, const char *target, GError **error)
{
    E_TransferSyntax syntax = file->getDataset()->getCurrentXfer();
    DcmFileFormat    fresh(file->getAndRemoveDataset(), OFFalse);

    if (syntax == EXS_Unknown)
        syntax = EXS_LittleEndianExplicit;
    OFCondition done = fresh.saveFile(target, syntax, EET_UndefinedLength, EGL_recalcGL, EPD_noChange, 0, 0, EWM_createNewMeta);
    if (done.good())
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_IO, "it cannot be written: %s", done.text());
    return false;
}

bool mt_dicom_deidentify_file(const mt_dicom_deidentify *settings, const char *path, const char *target, mt_dicom_changes *changes,
                              GError **error)
{
    mt_dicom_start();
    memset(changes, 0, sizeof *changes);
    changes->attributes = g_ptr_array_new_with_free_func(g_free);
    changes->needles = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    changes->uids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    mt_dicom_layout *layout = mt_dicom_layout_read(path, error); /* every length in the file lies in it */
    if (layout == NULL)
        return false;
    mt_dicom_layout_free(layout);
    DcmFileFormat file;
    OFCondition   loaded = file.loadFile(path, EXS_Unknown, EGL_noChange, DCM_MaxReadLength, ERM_autoDetect);
    DcmDataset   *set = file.getDataset();
    if (loaded.good() && set != NULL && set->tagExists(DCM_DirectoryRecordSequence)) {
        changes->left_out = g_strdup("a directory of files (DICOMDIR)");
        return true;
    }
    if (loaded.bad() || set == NULL || !set->tagExists(DCM_SOPInstanceUID)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "it is no whole DICOM object: %s", loaded.bad() ? loaded.text() : "no SOPInstanceUID");
        return false;
    }
    if (!refuse_documents(set, error))
        return false;
    if (is_label(set)) {
        changes->left_out = g_strdup("the label or overview of a slide");
        return true;
    }
    set->loadAllDataIntoMemory();
    g_autoptr(GHashTable) said = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, NULL);
    walker w = {settings, changes, said, 0, false};
    describe(&w, set);
    if (!treat_pixels(&w, set, error))
        return false;
    bool blanked = changes->pixels != NULL && g_str_has_prefix(changes->pixels, "blacked");
    changes->comments = scrub_frames(set);
    walk(&w, set);
    clean_kept(&w, set);
    if (w.any_private)
        g_ptr_array_add(changes->attributes, g_strdup("private attributes: removed"));
    mark(&w, set, blanked);
    changes->study = g_strdup(text_of(set, DCM_StudyInstanceUID).c_str());
    changes->series = g_strdup(text_of(set, DCM_SeriesInstanceUID).c_str());
    changes->instance = g_strdup(text_of(set, DCM_SOPInstanceUID).c_str());
    return write_file(&file, target, error);
}

bool mt_dicom_deidentify_takes(const char *path)
{
    return mt_dicom_layout_file_matches(path);
}
