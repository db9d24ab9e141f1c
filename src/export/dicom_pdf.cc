/* DICOM Encapsulated PDF: the pages of a result, in the patient's study. */
#include "src/export/dicom_object.h"

extern "C" {
#include "src/export/result_page.h"
}

static void put_document(DcmDataset *set, const mt_handover_case *c, gsize bytes)
{
    g_autofree char *title = mt_dicom_words(c->id, 64);

    mt_dicom_put(set, DCM_ConversionType, "WSD");
    mt_dicom_put(set, DCM_BurnedInAnnotation, "YES");
    mt_dicom_put(set, DCM_AcquisitionDateTime, NULL);
    mt_dicom_put(set, DCM_DocumentTitle, title);
    mt_dicom_put(set, DCM_MIMETypeOfEncapsulatedDocument, "application/pdf");
    mt_dicom_put_integer(set, DCM_EncapsulatedDocumentLength, (int64_t)bytes);
    set->insertEmptyElement(DCM_ConceptNameCodeSequence);
    mt_dicom_object_sources(set, DCM_SourceInstanceSequence, c->identity);
}

bool mt_dicom_pdf_write(const mt_handover_case *c, const char *path, GError **error)
{
    const mt_dicom_object_kind kind = {UID_EncapsulatedPDFStorage, "DOC", 9905, "microtome report", true};
    GBytes                    *pdf = mt_result_page_pdf(c->result, c->headline, c->id, c->language, nullptr, 0, error);
    DcmDataset                 set;
    gsize                      bytes = 0;

    if (pdf == NULL)
        return false;
    const void *data = g_bytes_get_data(pdf, &bytes);
    mt_dicom_object_begin(&set, c, &kind);
    put_document(&set, c, bytes);
    /* DCMTK pads to an even length, for which it wants an even array */
    g_autofree uint8_t *even = (uint8_t *)g_malloc0(bytes + 1);
    memcpy(even, data, bytes);
    set.putAndInsertUint8Array(DCM_EncapsulatedDocument, even, (unsigned long)(bytes + bytes % 2));
    g_bytes_unref(pdf);
    return mt_dicom_object_write(&set, c, NULL, path, error);
}
