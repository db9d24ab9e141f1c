/* made by feature_reference_values.py */
#define EXPECTED_NEAR 0.615537903575812
#define EXPECTED_FAR 1.4187672192843688
