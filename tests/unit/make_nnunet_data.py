#!/usr/bin/python3
"""plans.json and dataset.json as nnU-Net v2's planner writes them, for a model of two MR sequences and three labels whose folds are
data/sliding/deep_a.onnx and deep_b.onnx; a CT model; one with regions.  Writes data/nnunet/."""
import json
import os

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "nnunet")


def resampling(order, seg=False):
    return {"is_seg": seg, "order": order, "order_z": 0, "force_separate_z": None}


def configuration(patch, spacing, schemes, masks, **more):
    return {"data_identifier": "nnUNetPlans_3d_fullres", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2, "patch_size": patch,
            "median_image_size_in_voxels": [13.0, 17.0, 23.0], "spacing": spacing, "normalization_schemes": schemes, "use_mask_for_norm": masks,
            "resampling_fn_data": "resample_data_or_seg_to_shape", "resampling_fn_seg": "resample_data_or_seg_to_shape",
            "resampling_fn_data_kwargs": resampling(3), "resampling_fn_seg_kwargs": resampling(1, True),
            "resampling_fn_probabilities": "resample_data_or_seg_to_shape", "resampling_fn_probabilities_kwargs": resampling(1),
            "architecture": {"network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet", "arch_kwargs": {"n_stages": 2}},
            "batch_dice": False, **more}


def plans(schemes, masks, properties, patch, spacing, forward=(0, 1, 2)):
    backward = [list(forward).index(i) for i in range(3)]
    return {"dataset_name": "Dataset900_Phantom", "plans_name": "nnUNetPlans", "original_median_spacing_after_transp": spacing,
            "original_median_shape_after_transp": [13, 17, 23], "image_reader_writer": "SimpleITKIO", "transpose_forward": list(forward),
            "transpose_backward": backward,
            "configurations": {
                "2d": configuration(patch[1:], spacing[1:], schemes, masks),
                "3d_lowres": configuration(patch, [2 * s for s in spacing], schemes, masks, next_stage="3d_cascade_fullres"),
                "3d_fullres": configuration(patch, spacing, schemes, masks),
                "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}},
            "experiment_planner_used": "ExperimentPlanner", "label_manager": "LabelManager",
            "foreground_intensity_properties_per_channel": properties}


def dataset(channels, labels, **more):
    return {"channel_names": {str(i): c for i, c in enumerate(channels)}, "labels": labels, "numTraining": 20, "file_ending": ".nii.gz", **more}


def write(name, of_plans, of_dataset):
    folder = os.path.join(OUT, name)
    os.makedirs(folder, exist_ok=True)
    for file, content in (("plans.json", of_plans), ("dataset.json", of_dataset)):
        with open(os.path.join(folder, file), "w") as f:
            json.dump(content, f, indent=1)
            f.write("\n")


def properties(n):
    return {str(i): {"max": 3071.0, "mean": 99.5 + i, "median": 101.0, "min": -1024.0, "percentile_00_5": -958.0, "percentile_99_5": 270.0,
                     "std": 137.25} for i in range(n)}


def main():
    z2 = ["ZScoreNormalization"] * 2
    write("mr", plans(z2, [True, False], properties(2), [8, 10, 12], [1.5, 1.0, 1.0]),
          dataset(["T1", "T2"], {"background": 0, "organ": 1, "tumour": 2, "ignore": 3}, licence="CC0-1.0"))
    write("ct", plans(["CTNormalization"], [False], properties(1), [8, 10, 12], [3.0, 0.75, 0.75], (1, 0, 2)),
          dataset(["CT"], {"background": 0, "liver": 1}))
    write("regions", plans(z2, [True, True], properties(2), [8, 10, 12], [1.0, 1.0, 1.0]),
          dataset(["T1", "FLAIR"], {"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": [3]},
                  regions_class_order=[1, 2, 3]))


if __name__ == "__main__":
    main()
