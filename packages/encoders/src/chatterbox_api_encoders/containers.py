"""Finds the container of a file by its first bytes, and names the kinds of files that are not supported.

FFmpeg may then use the demuxer of this container alone, so that it opens what was checked.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["MEDIA_TYPES", "container_of", "foreign_name", "text_name"]

MEDIA_TYPES: Final = {
    # container: media type
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "mp4": "audio/mp4",
    "webm": "audio/webm",
    "aiff": "audio/aiff",
    "aac": "audio/aac",
}
_BOXES: Final = frozenset(
    (
        b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"junk", b"pict", b"pnot", b"udta", b"uuid", b"prfl",
        b"styp", b"sidx", b"moof", b"hoov", b"ediw",
    )
)  # fmt: skip
"""Types of an MP4 or QuickTime file's first box, as FFmpeg's `mov_probe` knows them."""
_BRANDS: Final = {
    b"heic": "a HEIC picture", b"heix": "a HEIC picture", b"hevc": "a HEIC picture", b"mif1": "a HEIF picture",
    b"msf1": "a HEIF picture", b"avif": "an AVIF picture", b"avis": "an AVIF picture", b"jp2 ": "a JPEG 2000 picture",
    b"crx ": "a CR3 picture", b"aax ": "a protected Audible (AAX) file", b"aaxc": "a protected Audible (AAX) file",
}  # fmt: skip
_RIFF: Final = {
    b"AVI ": "an AVI video", b"AVIX": "an AVI video", b"WEBP": "a WebP picture", b"RMID": "a MIDI file",
    b"sfbk": "a SoundFont", b"CDXA": "a Video CD file", b"CDDA": "a CD track", b"ACON": "an animated cursor",
    b"PAL ": "a palette", b"XWMA": "an xWMA file", b"QLCM": "a QCP file",
}  # fmt: skip
_FOREIGN: Final[tuple[tuple[bytes, str], ...]] = (
    # first bytes: name. Sound:
    (b"RIFX", "a big-endian WAV (RIFX) file"),
    (b"FFIR", "a big-endian WAV (RIFX) file"),
    (b"caff", "a CAF file"),
    (bytes.fromhex("3026b2758e66cf11"), "a Windows Media (WMA, ASF) file"),
    (b"riff\x2e\x91\xcf\x11", "a Wave64 (W64) file"),
    (b".snd", "an AU file"),
    (b"dns.", "an AU file"),
    (b"#!AMR", "an AMR file"),
    (b"#!EVS", "an EVS file"),
    (b"#!SILK", "a SILK file"),
    (b"\x02#!SILK", "a SILK file"),
    (b"\x0b\x77", "an AC-3 file"),
    (b"\x77\x0b", "an AC-3 file"),
    (b"\x7f\xfe\x80\x01", "a DTS file"),
    (b"\xfe\x7f\x01\x80", "a DTS file"),
    (b"DTSHDHDR", "a DTS file"),
    (b"MThd", "a MIDI file"),
    (b"MAC ", "a Monkey's Audio (APE) file"),
    (b"wvpk", "a WavPack file"),
    (b"TTA1", "a True Audio (TTA) file"),
    (b"TTA2", "a True Audio (TTA) file"),
    (b"MPCK", "a Musepack file"),
    (b"MP+", "a Musepack file"),
    (b"tBaK", "a TAK file"),
    (b"OFR ", "an OptimFROG file"),
    (b"ajkg", "a Shorten file"),
    (b"DSD ", "a DSF file"),
    (b"FRM8", "a DSDIFF file"),
    (b"Creative Voice File", "a Creative Voice (VOC) file"),
    (b".ra\xfd", "a RealAudio file"),
    (b".RMF", "a RealMedia file"),
    (b"NIST_1A", "a NIST SPHERE file"),
    (b"\x64\xa3", "an IRCAM file"),
    (b"2BIT", "an AVR file"),
    (b"SOUND", "a sample dump"),
    (b"Extended Module", "a tracker module"),
    (b"IMPM", "a tracker module"),
    (b"qoaf", "a QOA file"),
    (b"SMDP", "a sample dump"),
    # Films:
    (b"FLV\x01", "a Flash video (FLV)"),
    (b"\x00\x00\x01\xba", "an MPEG video"),
    (b"\x00\x00\x01\xb3", "an MPEG video"),
    (b"\x06\x0e\x2b\x34", "an MXF video"),
    (b"DKIF", "an IVF video"),
    # Pictures:
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"BM", "a BMP picture"),
    (b"8BPS", "a Photoshop picture"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    # Archives, documents, programs:
    (b"PK\x03\x04", "a zip archive (or a document made of one)"),
    (b"PK\x05\x06", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "an RTF document"),
    (bytes.fromhex("d0cf11e0a1b11ae1"), "a Microsoft Office document"),
    (b"SQLite format 3", "a database"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"bplist", "a property list"),
)
_CERTAIN_BYTES: Final = 4
_TEXTS: Final[tuple[tuple[bytes, str], ...]] = (
    (rb"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<svg", "an SVG picture"),
    (rb"<!doctype html|<html|<head|<body", "a web page (HTML)"),
    (rb"<\?xml|<[a-z]+[ >]", "XML text"),
    (rb"#EXTM3U|\[playlist\]", "a playlist"),
    (rb"data:[a-z0-9.+-]+/[a-z0-9.+-]+[;,]", "text (a data URL)"),
    (rb"#!/", "a script"),
    (rb"[{\[]", "JSON text"),
)


def container_of(data: bytes) -> str | None:
    """The container, a key of MEDIA_TYPES; None where the first bytes do not tell, as with most mp3 and aac files."""
    if data[:4] in (b"RIFF", b"RF64", b"BW64") and data[8:12] == b"WAVE":
        return "wav"
    if data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if data[:4] == b"fLaC":
        return "flac"
    if data[:4] == b"OggS":
        return "ogg"
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return "webm"
    if data[4:8] in _BOXES:
        return "mp4"
    return None


def foreign_name(data: bytes, *, certain: bool) -> str | None:
    """The kind of an unsupported file with its article, such as "a PNG picture"; None where it is unknown.

    Args:
        certain: whether a signature of two or three bytes is too short; an mp3 that lacks its beginning may match it.
    """
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12])
    if data[:4] == b"RIFF" and data[8:12] != b"WAVE":
        return _RIFF.get(data[8:12], "a RIFF file without sound")
    if data[:4] == b"FORM" and data[8:12] not in (b"AIFF", b"AIFC"):
        return "an IFF file"
    if data[257:262] == b"ustar":
        return "a tar archive"
    if len(data) > 188 and data[0] == data[188] == 0x47 and data[376:377] in (b"", b"\x47"):
        return "an MPEG transport stream"
    shortest = _CERTAIN_BYTES if certain else 1
    return next((name for begin, name in _FOREIGN if len(begin) >= shortest and data.startswith(begin)), None)


def text_name(data: bytes) -> str | None:
    """The kind of a text file in any encoding; None for a binary file. Every recording contains control codes."""
    head = data[:4096].removeprefix(b"\xef\xbb\xbf")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head.decode("utf-16", errors="replace").encode()
    head = head.strip()
    if not head or re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", head):
        return None
    return next((name for form, name in _TEXTS if re.match(form, head, re.IGNORECASE | re.DOTALL)), "text")
