"""Arrays in the safetensors format (https://github.com/huggingface/safetensors#format), read without its package."""

import json
import struct

import numpy


def read_arrays(file):
    """The arrays of a safetensors file by name, in the order of the file, as float32."""
    with open(file, "rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
        data = stream.read()
    types = {"F32": numpy.float32, "F16": numpy.float16}
    arrays = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = numpy.frombuffer(data[begin:end], dtype=types[entry["dtype"]])
        arrays[name] = values.astype(numpy.float32).reshape(entry["shape"])
    return arrays
