/* What a build without DCMTK says. */
#include "src/export/dicom_deidentify.h"

#include <microtome/send.h>
#include <microtome/worklist.h>

#define WORDS "this build has no DCMTK (meson setup -Ddicom=enabled)"

bool mt_send(const mt_send_params *params, mt_send_facts *facts, GError **error)
{
    (void)params;
    *facts = (mt_send_facts){0};
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, WORDS);
    return false;
}

bool mt_worklist_write(const mt_worklist_params *params, const char *path, int64_t *rows, GError **error)
{
    (void)params, (void)path, (void)rows;
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, WORDS);
    return false;
}

bool mt_dicom_deidentify_file(const mt_dicom_deidentify *settings, const char *path, const char *target, mt_dicom_changes *changes,
                              GError **error)
{
    (void)settings, (void)path, (void)target, (void)changes;
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, WORDS);
    return false;
}

void mt_dicom_changes_clear(mt_dicom_changes *changes)
{
    (void)changes;
}

bool mt_dicom_deidentify_takes(const char *path)
{
    (void)path;
    return false;
}
