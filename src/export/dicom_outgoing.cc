/* The UIDs of a DICOM file, from its header and the first elements of its data set; pixels stay in the file. */
#include "src/export/dicom_outgoing.h"

#include "src/case/dicom_file.h"

#include <cstdio>
#include <cstring>

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dctk.h>

#include <glib/gstdio.h>

static char *text_of(DcmItem *set, const DcmTagKey &tag)
{
    OFString text;

    return set->findAndGetOFString(tag, text).good() && !text.empty() ? g_strdup(text.c_str()) : NULL;
}

static bool refuse(const char *path, const char *why, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s: %s", path, why);
    return false;
}

static bool read_uids(mt_dicom_outgoing *object, GError **error)
{
    DcmFileFormat file;
    OFCondition   status =
        file.loadFileUntilTag(object->path, EXS_Unknown, EGL_noChange, DCM_MaxReadLength, ERM_fileOnly, DcmTagKey(0x0008, 0x0020));

    if (status.bad())
        return refuse(object->path, "it is no DICOM file, or a damaged one", error);
    g_autofree char *said = text_of(file.getDataset(), DCM_SOPInstanceUID);
    object->sop_class = text_of(file.getDataset(), DCM_SOPClassUID);
    object->sop_instance = text_of(file.getMetaInfo(), DCM_MediaStorageSOPInstanceUID);
    object->syntax = text_of(file.getMetaInfo(), DCM_TransferSyntaxUID);
    if (object->sop_class == NULL || object->sop_instance == NULL || object->syntax == NULL)
        return refuse(object->path, "it has no SOP class, SOP instance or transfer syntax: nothing that a PACS stores", error);
    if (said == NULL || strcmp(said, object->sop_instance) != 0)
        return refuse(object->path, "the SOP instance of its header is another than that of its data set", error);
    DcmXfer syntax(object->syntax);
    object->native = syntax.isNotEncapsulated() && syntax.getStreamCompression() == ESC_none;
    return true;
}

mt_dicom_outgoing *mt_dicom_outgoing_read(const char *path, GError **error)
{
    mt_dicom_outgoing *object = g_new0(mt_dicom_outgoing, 1);
    GStatBuf           about;

    mt_dicom_start();
    object->path = g_strdup(path);
    if (g_stat(path, &about) == 0)
        object->bytes = about.st_size;
    if (read_uids(object, error))
        return object;
    mt_dicom_outgoing_free(object);
    return NULL;
}

void mt_dicom_outgoing_free(mt_dicom_outgoing *object)
{
    if (object == NULL)
        return;
    g_free(object->path);
    g_free(object->sop_class);
    g_free(object->sop_instance);
    g_free(object->syntax);
    g_free(object->sha256);
    g_free(object);
}

bool mt_dicom_outgoing_looks(const char *path)
{
    char  head[132] = "";
    FILE *file = g_fopen(path, "rb");
    bool  looks = file != NULL && fread(head, 1, sizeof head, file) == sizeof head && memcmp(head + 128, "DICM", 4) == 0;

    if (file != NULL)
        fclose(file);
    return looks;
}
