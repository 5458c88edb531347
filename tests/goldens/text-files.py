"""Texts and data sets in bytes as people have them, with what Python reads from them: text-files.json beside this file.

Python 3.11, its own codecs, gzip and json. `python tests/goldens/text-files.py` writes the file anew, alike by its seed.
"""

import base64
import gzip
import io
import json
import pathlib
import random

RANDOM = random.Random(20)
ALPHABET = list("ab{}[]\",:\\ \t") + ["é", "ß", "€", "日", "本", "😀", "\u2028", "\ufeff", "П", "ا"]


def text(most):
    return "".join(RANDOM.choice(ALPHABET) for _ in range(RANDOM.randrange(1, most)))


def encoded(data):
    return base64.b64encode(data).decode()


def texts():
    """Each text in each encoding with a byte order mark, and in UTF-8 without, with Python's decoding."""
    for _ in range(12):
        plain = "a" + text(30)
        for codec, mark in (("utf-8", b""), ("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")):
            data = mark + plain.encode(codec)
            yield {"bytes": encoded(data), "text": data[len(mark):].decode(codec)}


def damaged():
    """Texts in UTF-8 with a wrong byte, and the offset at which Python's decoder stops."""
    while True:
        data = bytearray(("a" + text(20)).encode())
        place = RANDOM.randrange(1, len(data))
        kind = RANDOM.randrange(3)
        if kind == 0:
            data[place] = RANDOM.randrange(0x80, 0x100)
        elif kind == 1:
            del data[place]
        else:
            data.insert(place, RANDOM.choice([0xC0, 0xE9, 0xED, 0xF5, 0xFF, 0x80]))
        try:
            bytes(data).decode("utf-8")
        except UnicodeDecodeError as error:
            yield {"bytes": encoded(bytes(data)), "at": error.start}


def gzips():
    """Gzip files of several members, with zeros between and behind them, and the rows that Python reads from them."""
    for members in range(1, 6):
        data = b""
        for _ in range(members):
            rows = [json.dumps({"prompt": text(40)}, ensure_ascii=RANDOM.random() < 0.5) + RANDOM.choice(["\n", "\r\n"])
                    for _ in range(RANDOM.randrange(0, 4))]
            data += gzip.compress("".join(rows).encode(), mtime=0) + bytes(RANDOM.choice([0, 0, 1, 700]))
        data += gzip.compress(b'{"prompt": "end"}', mtime=0)
        content = gzip.GzipFile(fileobj=io.BytesIO(data)).read().decode()
        yield {"bytes": encoded(data), "rows": [json.loads(line) for line in content.split("\n") if line.strip()]}


def arrays():
    """Arrays of JSON as Python writes them, with NaN among the numbers, and their elements with null for NaN."""
    for indent in (None, 0, 2):
        rows = [{"prompt": text(40), "parts": [text(9), {"}": text(9)}], "score": RANDOM.choice([1.5, float("nan"), float("-inf")])}
                for _ in range(6)]
        wanted = [{**row, "score": row["score"] if row["score"] == 1.5 else None} for row in rows]
        data = json.dumps(rows, indent=indent, ensure_ascii=indent == 0)
        yield {"bytes": encoded(data.encode()), "rows": wanted}


def first(count, values):
    return [value for value, _ in zip(values, range(count))]


if __name__ == "__main__":
    content = {"texts": list(texts()), "damaged": first(60, damaged()), "gzips": list(gzips()), "arrays": list(arrays())}
    lines = [f'"{name}": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]" for name, cases in content.items()]
    pathlib.Path(__file__).with_suffix(".json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
