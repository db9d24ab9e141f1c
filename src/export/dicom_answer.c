/* Statuses of DICOM storage in words. */
#include "src/export/dicom_answer.h"

typedef struct meaning {
    unsigned         from, to;
    mt_dicom_outcome outcome;
    const char      *words;
} meaning;

/* the first that holds the number */
static const meaning meanings[] = {
    {0x0000, 0x0000, MT_DICOM_STORED, "stored"},
    {0x0111, 0x0111, MT_DICOM_STORED, "the receiver has this object already"},
    {0x0110, 0x0110, MT_DICOM_DOUBTED, "processing failure at the receiver"},
    {0x0118, 0x0119, MT_DICOM_REFUSED, "the receiver does not know this SOP class"},
    {0x0122, 0x0122, MT_DICOM_REFUSED, "the receiver does not store this SOP class"},
    {0x0124, 0x0124, MT_DICOM_REFUSED, "not authorized"},
    {0x0131, 0x0132, MT_DICOM_REFUSED, "the receiver limits what it takes"},
    {0x0001, 0x0001, MT_DICOM_STORED, "stored, with a warning"},
    {0xa700, 0xa7ff, MT_DICOM_LATER, "the receiver is out of resources (a full disk?)"},
    {0xa900, 0xa9ff, MT_DICOM_REFUSED, "the data set does not match its SOP class"},
    {0xb000, 0xbfff, MT_DICOM_STORED, "stored, with a warning"},
    {0xc000, 0xcfff, MT_DICOM_REFUSED, "the receiver cannot understand the object"},
    {0x0000, 0xffff, MT_DICOM_REFUSED, "refused"},
};

void mt_dicom_answer_set(mt_dicom_answer *answer, mt_dicom_outcome outcome, const char *format, ...)
{
    va_list args;

    g_free(answer->words);
    va_start(args, format);
    answer->words = g_strdup_vprintf(format, args);
    va_end(args);
    answer->outcome = outcome;
}

void mt_dicom_answer_status(mt_dicom_answer *answer, unsigned status)
{
    const meaning *m = meanings;

    while (status < m->from || (status > m->to && m->to < 0xffff))
        m++;
    mt_dicom_answer_set(answer, m->outcome, "status %04X: %s", status, m->words);
    if (status == 0)
        g_clear_pointer(&answer->words, g_free);
}
