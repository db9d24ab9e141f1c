#include "src/case/dicom_codec.h"

#include "src/case/dicom_file.h"

#include <cstring>
#include <new>

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>
#include <dcmtk/oflog/oflog.h>

void mt_dicom_start(void)
{
    static gsize started;

    if (!g_once_init_enter(&started))
        return;
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
    /* samples as they are stored: colour is turned by us, for all syntaxes alike */
    DJDecoderRegistration::registerCodecs(EDC_never, EUC_never, EPC_colorByPixel);
    DJLSDecoderRegistration::registerCodecs(EJLSUC_never, EJLSPC_colorByPixel);
    g_once_init_leave(&started, 1);
}

/* A data set of this one frame, with what a decoder asks for. */
static OFCondition fill_set(DcmDataset &set, const mt_dicom_picture *p, E_TransferSyntax syntax, const uint8_t *bytes, size_t n,
                            DcmPixelData **pixels)
{
    Uint16            allocated = p->precision <= 8 ? 8 : 16;
    DcmPixelSequence *sequence = new DcmPixelSequence(DCM_PixelSequenceTag);
    DcmPixelItem     *fragment = new DcmPixelItem(DCM_PixelItemTag);

    set.putAndInsertUint16(DCM_Rows, (Uint16)p->rows);
    set.putAndInsertUint16(DCM_Columns, (Uint16)p->columns);
    set.putAndInsertUint16(DCM_SamplesPerPixel, (Uint16)p->samples);
    set.putAndInsertUint16(DCM_BitsAllocated, allocated);
    set.putAndInsertUint16(DCM_BitsStored, (Uint16)p->precision);
    set.putAndInsertUint16(DCM_HighBit, (Uint16)(p->precision - 1));
    set.putAndInsertUint16(DCM_PixelRepresentation, 0);
    set.putAndInsertString(DCM_PhotometricInterpretation, p->samples == 3 ? "RGB" : "MONOCHROME2");
    set.putAndInsertString(DCM_NumberOfFrames, "1");
    if (p->samples == 3)
        set.putAndInsertUint16(DCM_PlanarConfiguration, 0);
    sequence->insert(new DcmPixelItem(DCM_PixelItemTag));
    sequence->insert(fragment);
    OFCondition put = fragment->putUint8Array(bytes, (unsigned long)n);
    *pixels = new DcmPixelData(DCM_PixelData);
    (*pixels)->putOriginalRepresentation(syntax, NULL, sequence);
    set.insert(*pixels);
    return put;
}

bool mt_dicom_dcmtk(const char *syntax, const uint8_t *bytes, size_t n, const mt_dicom_picture *p, void *out, GError **error)
{
    size_t out_bytes = (size_t)(p->rows * p->columns * p->samples) * (p->precision <= 8 ? 1 : 2);

    mt_dicom_start();
    try {
        DcmDataset       set;
        DcmPixelData    *pixels = NULL;
        OFString         colour;
        Uint32           fragment = 1;
        E_TransferSyntax xfer = DcmXfer(syntax).getXfer();
        OFCondition      done = fill_set(set, p, xfer, bytes, n, &pixels);

        if (done.good())
            done = pixels->getUncompressedFrame(&set, 0, fragment, out, (Uint32)out_bytes, colour);
        if (done.good())
            return true;
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "it cannot be decoded: %s", done.text());
    } catch (const std::bad_alloc &) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MEMORY, "it cannot be decoded: out of memory");
    } catch (...) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT, "it cannot be decoded: DCMTK gives up");
    }
    return false;
}
