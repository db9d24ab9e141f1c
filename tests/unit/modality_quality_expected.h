/* Written by modality_quality_expected.py: blur of the picture, of its means over 3 x 3 and over 7 x 7. */
static const double expected_blur[3] = {0.306411263205, 0.25900288397, 0.321906672492};
