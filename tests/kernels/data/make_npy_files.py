#!/usr/bin/python3
"""Makes the .npy files of test_tensor.c beside itself, with NumPy.

usage: make_npy_files.py [FOLDER]
"""
import os
import sys

import numpy as np

HERE = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
six = np.arange(6).reshape(2, 3)
for name in ["float32", "float64", "float16", "int64", "int32", "int16", "uint16", "int8", "uint8", "bool", "uint32", "uint64"]:
  np.save(os.path.join(HERE, f"six_{name}.npy"), six.astype(name))
np.save(os.path.join(HERE, "scalar.npy"), np.float64(2.5))
np.save(os.path.join(HERE, "empty.npy"), np.zeros((0, 4), np.float32))
with open(os.path.join(HERE, "version2.npy"), "wb") as f:
  np.lib.format.write_array(f, six.astype(np.float32), version=(2, 0))
np.save(os.path.join(HERE, "refuse_fortran.npy"), np.asfortranarray(six.astype(np.float32)))
np.save(os.path.join(HERE, "refuse_big_endian.npy"), six.astype(">f4"))
np.save(os.path.join(HERE, "refuse_complex64.npy"), six.astype(np.complex64))
