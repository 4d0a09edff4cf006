"""Mutants of small safetensors files, with what the format's own Python package says of each.

    python safetensors_verdicts.py COUNT SEED > safetensors_verdicts.json

Needs safetensors 0.8.0 and numpy. Prints a JSON array of pairs: a file in Base64, and the sorted
names of its tensors, or null where the package refuses it.
"""
import base64
import json
import os
import random
import struct
import sys
import tempfile

from safetensors import SafetensorError, safe_open

DTYPES = [("F32", 4), ("F16", 2), ("U8", 1), ("I64", 8), ("BOOL", 1), ("F8_E4M3", 1), ("C64", 8)]
NAMES = ["a", "weight", "__proto__", "é", "x.y", "constructor", ""]
NUMBERS = [0, 1, 2, -1, 3, 1e3, 1.5, 2**31, 2**53, 2**63, 2**64 - 1, 2**64, 2**65, "1", None, True,
           [], {}]
OTHER_DTYPES = ["F32", "F64", "BF16", "U8", "f32", "F4", "F6_E2M3", "X", 1, None, "F8_E8M0"]
METADATA = [{}, None, {"a": 1}, {"a": "b"}, [], "x", {"a": None}]
JSON_BYTES = b"{}[]\",: \n\t0123456789eE.-+\\u\x00\xff\xc3nft"


def whole(rng):
    """A header and the data of a file as it should be, of 0 to 4 tensors."""
    header, end = {}, 0
    if rng.random() < 0.5:
        header["__metadata__"] = {"format": "pt", "k": "v"}
    for name in rng.sample(NAMES, rng.randrange(5)):
        dtype, size = rng.choice(DTYPES)
        shape = [rng.randrange(4) for _ in range(rng.randrange(4))]
        for axis in shape:
            size *= axis
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    return header, bytes(end)


def change_header(rng, header, data):
    """One change of what a header says, or of how much data follows."""
    tensors = [
        entry for name, entry in header.items()
        if name != "__metadata__" and isinstance(entry, dict)
    ]
    kind = rng.randrange(10)
    if kind == 0:
        header[rng.choice(["__metadata__", "q"])] = rng.choice(METADATA)
    elif kind == 1:
        return data + bytes(rng.randrange(1, 9))
    elif kind == 2:
        return data[: -rng.randrange(1, 4)]
    if kind < 3 or not tensors:
        return data
    entry = rng.choice(tensors)
    shape, offsets = entry.get("shape"), entry.get("data_offsets")
    if kind == 3:
        entry["dtype"] = rng.choice(OTHER_DTYPES)
    elif kind == 4 and isinstance(shape, list) and shape:
        shape[rng.randrange(len(shape))] = rng.choice(NUMBERS)
    elif kind == 5 and isinstance(shape, list):
        shape.append(rng.choice(NUMBERS))
    elif kind == 6 and isinstance(offsets, list) and offsets:
        offsets[rng.randrange(len(offsets))] = rng.choice(NUMBERS)
    elif kind == 7 and entry:
        entry.pop(rng.choice(list(entry)))
    elif kind == 8:
        member = rng.choice(["extra", "dtype", "shape", "data_offsets"])
        entry[member] = rng.choice([1, None, "U8", [0, 0], [0, 1], [], {}])
    else:
        header[rng.choice(["new", *NAMES])] = json.loads(json.dumps(entry))
    return data


def change_bytes(rng, file):
    """One to three bytes or runs of bytes set, flipped, dropped, put in, doubled or cut off."""
    changed = bytearray(file)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if not changed:
            break
        at, kind = rng.randrange(len(changed)), rng.randrange(6)
        if kind == 0:
            changed[at] = rng.randrange(256)
        elif kind == 1:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del changed[at]
        elif kind == 3:
            changed.insert(at, rng.choice(JSON_BYTES))
        elif kind == 4:
            changed[at:at] = changed[at : at + rng.randrange(1, 12)]
        else:
            del changed[at:]
    return bytes(changed)


def packed(text, data, length=None):
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def mutant(rng):
    header, data = whole(rng)
    how = rng.random()
    if how < 0.45:
        for _ in range(rng.choice([1, 1, 2])):
            data = change_header(rng, header, data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=rng.random() < 0.5).encode()
    if 0.45 <= how < 0.75:
        return packed(change_bytes(rng, text), data)
    if 0.75 <= how < 0.8:
        near = len(text) + rng.choice([-2, -1, 1, 2])
        length = rng.choice([0, near, 2**31, 2**32, 10**8, 10**8 + 1, 2**63, 2**64 - 1])
        return packed(text, data, max(length, 0))
    file = packed(text, data)
    return change_bytes(rng, file) if 0.8 <= how < 0.97 else file


def verdict(path):
    try:
        with safe_open(path, framework="np") as opened:
            return sorted(opened.keys())
    except (SafetensorError, OSError, ValueError):
        return None


def main():
    count, rng = int(sys.argv[1]), random.Random(int(sys.argv[2]))
    verdicts = []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "mutant.safetensors")
        for _ in range(count):
            file = mutant(rng)
            # A new file each time: the package maps it.
            if os.path.exists(path):
                os.remove(path)
            with open(path, "wb") as out:
                out.write(file)
            verdicts.append([base64.b64encode(file).decode(), verdict(path)])
    print("[" + ",\n".join(json.dumps(one, separators=(",", ":")) for one in verdicts) + "]")


main()
