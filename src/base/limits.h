/* One table of limits for what files may ask of us. */
#ifndef MT_LIMITS_H
#define MT_LIMITS_H

#include <stdint.h>

#define MT_LIMIT_SLIDE_EDGE_PX INT64_C(2147483647)
#define MT_LIMIT_SLIDE_PX INT64_C(400000000000)
#define MT_LIMIT_TILE_BYTES (INT64_C(64) << 20)
#define MT_LIMIT_RASTER_BYTES (INT64_C(4) << 30) /* decoded picture that is not stored in tiles */
#define MT_LIMIT_ONNX_BYTES ((INT64_C(2) << 30) - 1)
#define MT_LIMIT_EXTERNAL_BYTES (INT64_C(64) << 30)
#define MT_LIMIT_GRAPH_NODES 200000
#define MT_LIMIT_SUBGRAPH_DEPTH 16
#define MT_LIMIT_TENSOR_BYTES (INT64_C(64) << 30)
#define MT_LIMIT_SAFETENSORS_HEADER (INT64_C(100) << 20)
#define MT_LIMIT_TORCH_ENTRIES 65536  /* storages of a PyTorch checkpoint, and keys of its state dict */
#define MT_LIMIT_ATTENTION_HEADS 1024 /* of one layer */
#define MT_LIMIT_PICKLE_BYTES (INT64_C(64) << 20)
#define MT_LIMIT_PICKLE_VALUES 2000000 /* on the stack, in the memo, made */
#define MT_LIMIT_PICKLE_DEPTH 64
#define MT_LIMIT_NIFTI_VOXELS (INT64_C(1) << 33)
#define MT_LIMIT_NIFTI_BYTES (INT64_C(16) << 30)
#define MT_LIMIT_GZIP_RATIO 400
#define MT_LIMIT_DEFLATE_RATIO 1032 /* no deflate stream holds more: 258 bytes from two bits */
#define MT_LIMIT_DICOM_HEADER_BYTES (INT64_C(128) << 20) /* what stands before the pixel data */
#define MT_LIMIT_DICOM_ELEMENTS 3000000
#define MT_LIMIT_DICOM_DEPTH 24                /* of nested sequences */
#define MT_LIMIT_DICOM_FRAMES 2000000          /* of one file, fragments too */
#define MT_LIMIT_DICOM_FRAME_SAMPLES (INT64_C(1) << 28)
#define MT_LIMIT_DICOM_INFLATED_BYTES (INT64_C(1) << 30)
#define MT_LIMIT_DICOM_VOLUME_BYTES (INT64_C(16) << 30)
#define MT_LIMIT_DICOM_FILES 100000            /* of one folder */
#define MT_LIMIT_JSON_BYTES (INT64_C(64) << 20)
#define MT_LIMIT_JSON_DEPTH 64
#define MT_LIMIT_ANNOTATION_POINTS INT64_C(4000000) /* corners of all outlines of a drawn mask */
#define MT_LIMIT_KEY_FILE_BYTES (INT64_C(1) << 20)
#define MT_LIMIT_TILE_PX_MIN 16
#define MT_LIMIT_TILE_PX_MAX 4096
#define MT_LIMIT_CASE_ID_BYTES 180

#endif
