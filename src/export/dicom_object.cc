#include "src/export/dicom_object.h"

#include "src/case/dicom_file.h"

extern "C" {
#include "src/base/publish.h"
}

#include <ctime>
#include <sys/stat.h>
#include <unistd.h>

#define LARGEST_BULK UINT64_C(0xfffffffe)
#define ENGINE "microtome"

struct mt_dicom_sink {
    int         fd;
    const char *path;
    uint64_t    written;
};

void mt_dicom_put(DcmItem *set, const DcmTagKey &tag, const char *text)
{
    if (text != NULL && *text != '\0')
        set->putAndInsertString(tag, text);
    else
        set->insertEmptyElement(tag);
}

void mt_dicom_put_numbers(DcmItem *set, const DcmTagKey &tag, const double *values, int n)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (int i = 0; i < n; i++) {
        char number[G_ASCII_DTOSTR_BUF_SIZE];
        char form[8];
        int  digits = 15;
        do
            g_snprintf(form, sizeof form, "%%.%dg", digits);
        while (strlen(g_ascii_formatd(number, sizeof number, form, values[i])) > 16 && --digits > 5);
        g_string_append_printf(text, "%s%s", i > 0 ? "\\" : "", number);
    }
    set->putAndInsertString(tag, text->str);
}

void mt_dicom_put_number(DcmItem *set, const DcmTagKey &tag, double value)
{
    mt_dicom_put_numbers(set, tag, &value, 1);
}

void mt_dicom_put_integer(DcmItem *set, const DcmTagKey &tag, int64_t value)
{
    char text[32];

    g_snprintf(text, sizeof text, "%" G_GINT64_FORMAT, value);
    set->putAndInsertString(tag, text);
}

DcmItem *mt_dicom_item(DcmItem *set, const DcmTagKey &sequence, long i)
{
    DcmItem *item = NULL;

    set->findOrCreateSequenceItem(sequence, item, i);
    return item;
}

void mt_dicom_put_code(DcmItem *set, const DcmTagKey &sequence, const char *value, const char *scheme, const char *meaning)
{
    DcmItem *item = mt_dicom_item(set, sequence, 0);

    mt_dicom_put(item, DCM_CodeValue, value);
    mt_dicom_put(item, DCM_CodingSchemeDesignator, scheme);
    mt_dicom_put(item, DCM_CodeMeaning, meaning);
}

char *mt_dicom_words(const char *text, size_t bytes)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    const char      *end = valid + MIN(strlen(valid), bytes);

    while (end > valid && (*end & 0xc0) == 0x80)
        end--;
    char *words = g_strndup(valid, (size_t)(end - valid));
    for (char *c = words; *c != '\0'; c++)
        if (*c == '\\' || g_ascii_iscntrl(*c))
            *c = ' ';
    return g_strstrip(words);
}

/* Of the study, else when the result's file was written. */
static void put_times(DcmDataset *set, const mt_handover_case *c)
{
    const mt_dicom_identity *d = c->identity;
    char                     date[16] = "19000101", time[16] = "000000";
    struct stat              status;
    struct tm                utc;

    if (stat(mt_result_path(c->result), &status) == 0 && gmtime_r(&status.st_mtime, &utc) != NULL) {
        strftime(date, sizeof date, "%Y%m%d", &utc);
        strftime(time, sizeof time, "%H%M%S", &utc);
    }
    const char     *day = d->study_date != NULL ? d->study_date : date;
    const char     *hour = d->study_date == NULL ? time : d->study_time != NULL ? d->study_time : "000000";
    const DcmTagKey days[] = {DCM_SeriesDate, DCM_ContentDate, DCM_InstanceCreationDate};
    const DcmTagKey hours[] = {DCM_SeriesTime, DCM_ContentTime, DCM_InstanceCreationTime};

    for (int i = 0; i < 3; i++) {
        mt_dicom_put(set, days[i], day);
        mt_dicom_put(set, hours[i], hour);
    }
}

static void put_patient(DcmDataset *set, const mt_dicom_identity *d)
{
    mt_dicom_put(set, DCM_PatientName, d->patient_name);
    mt_dicom_put(set, DCM_PatientID, d->patient_id);
    if (d->patient_id_issuer != NULL)
        mt_dicom_put(set, DCM_IssuerOfPatientID, d->patient_id_issuer);
    mt_dicom_put(set, DCM_PatientBirthDate, d->birth_date);
    mt_dicom_put(set, DCM_PatientSex, d->sex);
    mt_dicom_put(set, DCM_StudyInstanceUID, d->study_uid);
    mt_dicom_put(set, DCM_StudyDate, d->study_date);
    mt_dicom_put(set, DCM_StudyTime, d->study_time);
    mt_dicom_put(set, DCM_ReferringPhysicianName, d->referring);
    mt_dicom_put(set, DCM_StudyID, d->study_id);
    mt_dicom_put(set, DCM_AccessionNumber, d->accession);
    if (d->study_description != NULL)
        mt_dicom_put(set, DCM_StudyDescription, d->study_description);
}

void mt_dicom_object_begin(DcmDataset *set, const mt_handover_case *c, const mt_dicom_object_kind *kind)
{
    mt_dicom_start(); /* DCMTK is quiet */
    g_autofree char *instance = kind->worded ? mt_handover_uid(c, "instance") : mt_handover_uid_of(c, c->kind, "instance");
    g_autofree char *series = kind->worded ? mt_handover_uid(c, "series") : mt_handover_uid_of(c, c->kind, "series");

    mt_dicom_put(set, DCM_SpecificCharacterSet, "ISO_IR 192");
    mt_dicom_put(set, DCM_SOPClassUID, kind->sop_class);
    mt_dicom_put(set, DCM_SOPInstanceUID, instance);
    mt_dicom_put(set, DCM_SeriesInstanceUID, series);
    mt_dicom_put(set, DCM_Modality, kind->modality);
    mt_dicom_put_integer(set, DCM_SeriesNumber, kind->series_number);
    mt_dicom_put(set, DCM_SeriesDescription, kind->description);
    mt_dicom_put(set, DCM_InstanceNumber, "1");
    put_patient(set, c->identity);
    put_times(set, c);
    mt_dicom_put(set, DCM_Manufacturer, ENGINE);
    mt_dicom_put(set, DCM_ManufacturerModelName, ENGINE);
    /* the model that answered is what tells two such devices apart */
    mt_dicom_put(set, DCM_DeviceSerialNumber, c->headline->model_sha256 != NULL ? c->headline->model_sha256 : ENGINE);
    mt_dicom_put(set, DCM_SoftwareVersions, MT_VERSION);
}

void mt_dicom_object_sources(DcmItem *set, const DcmTagKey &sequence, const mt_dicom_identity *d)
{
    const char *last = NULL;

    for (guint i = 0; i < d->instances->len; i++) {
        const mt_dicom_instance *one = (const mt_dicom_instance *)d->instances->pdata[i];
        if (one->sop_instance == NULL || one->sop_class == NULL || g_strcmp0(last, one->sop_instance) == 0)
            continue;
        DcmItem *item = mt_dicom_item(set, sequence, -2); /* behind the last */
        mt_dicom_put(item, DCM_ReferencedSOPClassUID, one->sop_class);
        mt_dicom_put(item, DCM_ReferencedSOPInstanceUID, one->sop_instance);
        last = one->sop_instance;
    }
}

void mt_dicom_object_references(DcmItem *set, const DcmTagKey &instances, const mt_dicom_identity *d)
{
    if (d->instances->len == 0 || !d->is_dicom)
        return;
    DcmItem *series = mt_dicom_item(set, DCM_ReferencedSeriesSequence, 0);
    mt_dicom_put(series, DCM_SeriesInstanceUID, d->series_uid);
    mt_dicom_object_sources(series, instances, d);
}

bool mt_dicom_sink_put(struct mt_dicom_sink *sink, const void *data, size_t bytes, GError **error)
{
    sink->written += bytes;
    return mt_publish_write(sink->fd, data, bytes, sink->path, error);
}

static bool write_bulk(const mt_dicom_bulk *bulk, struct mt_dicom_sink *sink, GError **error)
{
    const uint64_t padded = bulk->bytes + bulk->bytes % 2;
    const uint16_t group = GUINT16_TO_LE(bulk->tag.getGroup()), element = GUINT16_TO_LE(bulk->tag.getElement());
    const uint32_t length = GUINT32_TO_LE((uint32_t)padded);
    uint8_t        head[12] = {0};

    memcpy(head, &group, 2);
    memcpy(head + 2, &element, 2);
    memcpy(head + 4, bulk->vr, 2);
    memcpy(head + 8, &length, 4);
    if (!mt_dicom_sink_put(sink, head, sizeof head, error))
        return false;
    sink->written = 0;
    if (!bulk->write(bulk->user, sink, error))
        return false;
    if (sink->written == bulk->bytes)
        return bulk->bytes % 2 == 0 || mt_dicom_sink_put(sink, "", 1, error);
    g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "write %s: %" G_GUINT64_FORMAT " bytes in place of %" G_GUINT64_FORMAT, sink->path,
                sink->written, bulk->bytes);
    return false;
}

bool mt_dicom_object_write(DcmDataset *set, const mt_handover_case *c, const mt_dicom_bulk *bulk, const char *path, GError **error)
{
    int           fd = -1;
    DcmFileFormat file(set, OFTrue); /* copies: headers are small */

    if (bulk != NULL && bulk->bytes > LARGEST_BULK) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "write %s: its pixels are of %" G_GUINT64_FORMAT " MB, an object holds 4,294", path,
                    bulk->bytes / 1000000);
        return false;
    }
    g_autofree char *temporary = mt_publish_begin(path, &fd, error);
    if (temporary == NULL)
        return false;
    const OFCondition    status = file.saveFile(temporary, EXS_LittleEndianExplicit, EET_UndefinedLength, EGL_recalcGL, EPD_withoutPadding);
    struct mt_dicom_sink sink = {fd, path, 0};
    bool                 ok = status.good();
    if (!ok)
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "write %s: %s", path, status.text());
    ok = ok && lseek(fd, 0, SEEK_END) >= 0 && (bulk == NULL || write_bulk(bulk, &sink, error));
    if (ok)
        return mt_publish_commit(temporary, fd, path, c->replace, error);
    mt_publish_abandon(temporary, fd);
    return false;
}
