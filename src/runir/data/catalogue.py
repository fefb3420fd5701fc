"""The public data sets that runir knows: layouts, counts, sizes, licences, pages, and which of them share pictures.

Only what is sure is stated: a count, size or licence that could not be confirmed is None or "unknown".
"""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

from runir.data.dataset import UNKNOWN, DataSet, Part
from runir.data.layout import Layout
from runir.errors import UsageError, nearest

_BSDS_SIZES = ((481, 321), (321, 481))
_GOPRO_TRAIN = MappingProxyType(
    {
        "GOPR0372_07_00": 100, "GOPR0372_07_01": 75, "GOPR0374_11_00": 150, "GOPR0374_11_01": 80,
        "GOPR0374_11_02": 100, "GOPR0374_11_03": 48, "GOPR0378_13_00": 110, "GOPR0379_11_00": 100,
        "GOPR0380_11_00": 60, "GOPR0384_11_01": 100, "GOPR0384_11_02": 100, "GOPR0384_11_03": 100,
        "GOPR0384_11_04": 100, "GOPR0385_11_00": 100, "GOPR0386_11_00": 100, "GOPR0477_11_00": 80,
        "GOPR0857_11_00": 100, "GOPR0868_11_01": 100, "GOPR0868_11_02": 100, "GOPR0871_11_01": 100,
        "GOPR0881_11_00": 100, "GOPR0884_11_00": 100,
    }
)  # fmt: skip
_GOPRO_TEST = MappingProxyType(
    {
        "GOPR0384_11_00": 100, "GOPR0384_11_05": 100, "GOPR0385_11_01": 100, "GOPR0396_11_00": 100,
        "GOPR0410_11_00": 134, "GOPR0854_11_00": 100, "GOPR0862_11_00": 77, "GOPR0868_11_00": 100,
        "GOPR0869_11_00": 100, "GOPR0871_11_00": 100, "GOPR0881_11_01": 100,
    }
)  # fmt: skip
_EVAL15 = ("1", "22", "23", "55", "79", "111", "146", "179", "493", "547", "665", "669", "748", "778", "780")
_BSDS_TERMS = "non-commercial research and education"


def _pairs(degraded: str, target: str) -> Layout:
    return Layout(degraded, target)


def _in_and_out(*tops: str, generic: bool = False) -> tuple[Layout, ...]:
    return tuple(Layout(f"{top}input/{{name}}.*", f"{top}target/{{name}}.*", generic) for top in tops)


def _clean(*patterns: str, generic: bool = False) -> tuple[Layout, ...]:
    return tuple(Layout(None, pattern, generic) for pattern in patterns)


_GOPRO = DataSet(
    name="gopro",
    title="GOPRO_Large",
    task="deblur",
    source="Nah et al., CVPR 2017",
    page="https://seungjunnah.github.io/Datasets/gopro.html",
    licence="CC BY 4.0",
    folders=("GOPRO_Large", "GOPRO", "GoPro"),
    parts=tuple(
        Part(
            name=name,
            role="train" if name == "train" else "test",
            count=sum(groups.values()),
            sizes=((1280, 720),),
            layouts=(_pairs(f"{name}/{{scene}}/blur/{{frame}}.png", f"{name}/{{scene}}/sharp/{{frame}}.png"),),
            groups=groups,
            protocol="gopro-rgb",
            note="blur/ is used (averaged in sRGB, linear response), as MPRNet and its followers score; blur_gamma/ is "
            "averaged with gamma 2.2, and the original paper's figures are of that: do not compare the two",
        )
        for name, groups in (("train", _GOPRO_TRAIN), ("test", _GOPRO_TEST))
    ),
)

_SIDD = DataSet(
    name="sidd",
    title="SIDD Medium sRGB, with validation and benchmark blocks",
    task="photo",
    source="Abdelhamed et al., CVPR 2018",
    page="https://abdokamel.github.io/sidd/",
    licence="MIT",
    folders=("SIDD_Medium_Srgb", "SIDD", "SIDD_Validation", "SIDD_Benchmark"),
    parts=(
        Part(
            name="train",
            role="train",
            count=320,
            layouts=tuple(
                _pairs(f"{top}/{{number}}_NOISY_SRGB_{{shot}}.PNG", f"{top}/{{number}}_GT_SRGB_{{shot}}.PNG")
                for top in ("Data/{scene}", "SIDD_Medium_Srgb/Data/{scene}")
            ),
            note="160 scene instances with two pairs each",
        ),
        Part(
            name="validation",
            role="test",
            count=1280,
            sizes=((256, 256),),
            layouts=(_pairs("ValidationNoisyBlocksSrgb.mat", "ValidationGtBlocksSrgb.mat"),),
            protocol="sidd-rgb",
            note="40 pictures with 32 blocks each; published tables score these",
        ),
        Part(
            name="benchmark",
            role="validation",
            count=1280,
            sizes=((256, 256),),
            layouts=(Layout("BenchmarkNoisyBlocksSrgb.mat", None),),
            note="no public ground truth: results are scored on Kaggle (sidd-benchmark-srgb-psnr and -ssim), since the "
            "benchmark's own server is down",
        ),
    ),
)


def _rain(name: str, count: int, note: str, sizes: tuple[tuple[int, int], ...] | None = None) -> Part:
    return Part(
        name=name.lower(),
        role="test",
        count=count,
        sizes=sizes,
        layouts=_in_and_out(f"test/{name}/", f"{name}/"),
        protocol="rain13k-y-uint8",
        note=note,
    )


_RAIN13K = DataSet(
    name="rain13k",
    title="Rain13K and its five tests",
    task="derain",
    source="gathered by Jiang et al. (MSPFN), CVPR 2020; arranged as by Zamir et al. (MPRNet), CVPR 2021",
    page="https://github.com/swz30/Restormer/tree/main/Deraining",
    licence=UNKNOWN,
    folders=("Rain13K", "Deraining", "Datasets", "derain"),
    parts=(
        Part(
            name="train",
            role="train",
            count=13_711,
            or_count=13_712,
            layouts=_in_and_out("train/Rain13K/", "Rain13K/") + _in_and_out("train/", "", generic=True),
            note="papers say 13,712 pairs, others count 13,711; either is taken for complete",
        ),
        _rain("Rain100H", 100, "heavy rain on BSD pictures (Yang et al., CVPR 2017)", _BSDS_SIZES),
        _rain("Rain100L", 100, "light rain on the same pictures as Rain100H", _BSDS_SIZES),
        _rain(
            "Test100", 98, "98 of the 100 test pairs of Rain800 (Zhang et al., 2017), as MSPFN and MPRNet score them"
        ),
        _rain("Test1200", 1200, "the test of Zhang and Patel (DID-MDN), CVPR 2018"),
        _rain("Test2800", 2800, "the test of Rain14000 (Fu et al., CVPR 2017)"),
    ),
)


def _lol(name: str, title: str, folders: tuple[str, ...], source: str, page: str, *parts: Part) -> DataSet:
    return DataSet(name=name, title=title, task="lowlight", source=source, page=page, licence=UNKNOWN,
                   folders=folders, parts=parts)  # fmt: skip


_LOL_V1 = _lol(
    "lol-v1",
    "LOL (LOw-Light), version 1",
    ("LOLdataset", "LOL", "LOL-v1", "LOLv1"),
    "Wei et al., BMVC 2018",
    "https://daooshee.github.io/BMVC2018website/",
    Part(name="train", role="train", count=485, sizes=((600, 400),),
         layouts=(_pairs("our485/low/{name}.png", "our485/high/{name}.png"),)),
    Part(name="test", role="test", count=15, sizes=((600, 400),), names=_EVAL15, protocol="lol-rgb",
         layouts=(_pairs("eval15/low/{name}.png", "eval15/high/{name}.png"),),
         note="many training pictures show similar views: a property of the published split"),
)  # fmt: skip


def _lol_v2(kind: str, folder: str, train: int, size: tuple[int, int], *, numbered: bool) -> DataSet:
    """numbered: the names are numbers from 1, the test's after the training's."""

    def part(name: str, first: int, count: int) -> Part:
        here = f"{folder}/{name}"
        return Part(
            name=name.lower(),
            role="train" if name == "Train" else "test",
            count=count,
            sizes=(size,),
            names=tuple(f"{k:05d}" for k in range(first, first + count)) if numbered else (),
            layouts=(_pairs(f"{here}/Low/low{{name}}.png", f"{here}/Normal/normal{{name}}.png"),
                     _pairs(f"{here}/Low/{{name}}.png", f"{here}/Normal/{{name}}.png")),
            protocol=None if name == "Train" else "lol-rgb",
        )  # fmt: skip

    return _lol(
        f"lol-v2-{kind}",
        f"LOL, version 2, {kind}",
        ("LOL-v2", "LOLv2", "LOL_v2"),
        "Yang et al., CVPR 2020 and TIP 2021",
        "https://github.com/flyywh/CVPR-2020-Semi-Low-Light",
        part("Train", 1, train),
        part("Test", train + 1, 100),
    )


def _awgn(
    name: str,
    title: str,
    count: int,
    sizes: tuple[tuple[int, int], ...] | None,
    page: str,
    source: str,
    *,
    licence: str = UNKNOWN,
    note: str = "",
    names: tuple[str, ...] = (),
    patterns: tuple[str, ...] = ("{name}.*",),
    also: tuple[str, ...] = (),
    train: bool = False,
) -> DataSet:
    part = Part(name="train" if train else "test", role="train" if train else "test", count=count, sizes=sizes,
                layouts=_clean(*patterns, generic=True), names=names, protocol="awgn-rgb", note=note)  # fmt: skip
    return DataSet(name=name, title=title, task="denoise", source=source, page=page, licence=licence,
                   folders=(title, *also), parts=(part,))  # fmt: skip


_BSDS_PAGE = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/resources.html"
_BSDS_SOURCE = "Arbelaez et al., PAMI 2011; Martin et al., ICCV 2001"


def _div2k(name: str, folder: str, first: int, last: int) -> Part:
    return Part(name=name, role="train" if name == "train" else "test", count=last - first + 1, longest=2040,
                layouts=_clean(f"{folder}/{{name}}.png"), names=tuple(f"{k:04d}" for k in range(first, last + 1)),
                protocol="awgn-rgb")  # fmt: skip


_KNOWN = (
    _GOPRO,
    _SIDD,
    _RAIN13K,
    _LOL_V1,
    _lol_v2("real", "Real_captured", 689, (600, 400), numbered=True),
    _lol_v2("synthetic", "Synthetic", 900, (384, 384), numbered=False),
    _awgn("cbsd68", "CBSD68", 68, _BSDS_SIZES, _BSDS_PAGE, "Roth and Black, CVPR 2005, of " + _BSDS_SOURCE,
          licence=_BSDS_TERMS, note="68 of the 100 test pictures of BSDS300, which are the validation part of BSDS500"),
    _awgn("cbsd400", "CBSD400", 400, _BSDS_SIZES, _BSDS_PAGE, "the training and test parts of BSDS500; " + _BSDS_SOURCE,
          licence=_BSDS_TERMS, train=True),
    _awgn("cbsd432", "CBSD432", 432, _BSDS_SIZES, _BSDS_PAGE, "BSDS500 without CBSD68; " + _BSDS_SOURCE,
          licence=_BSDS_TERMS, train=True),
    DataSet(
        name="bsds500",
        title="BSDS500",
        task="denoise",
        source=_BSDS_SOURCE,
        page=_BSDS_PAGE,
        licence=_BSDS_TERMS,
        folders=("BSDS500", "BSR"),
        parts=(
            Part(name="train", role="train", count=500, sizes=_BSDS_SIZES,
                 layouts=_clean("BSDS500/data/images/{part}/{name}.jpg")
                 + _clean("data/images/{part}/{name}.jpg", generic=True),
                 groups=MappingProxyType({"train": 200, "val": 100, "test": 200}),
                 note="all three parts; do not train on what is in CBSD68 or behind Rain100"),
        ),
    ),
    _awgn("kodak24", "Kodak24", 24, ((500, 500), (768, 512), (512, 768)), "https://r0k.us/graphics/kodak/",
          "Kodak PhotoCD; crops by Zhang et al. (FFDNet), TIP 2018", licence="free to use, as its page says",
          names=tuple(f"kodim{k:02d}" for k in range(1, 25)),
          note="FFDNet and many after it score crops of 500 x 500, others the whole pictures: do not compare the two"),
    _awgn("mcmaster", "McMaster", 18, ((500, 500),), "https://www4.comp.polyu.edu.hk/~cslzhang/CDM_Dataset.htm",
          "Zhang et al., Journal of Electronic Imaging 2011", also=("McM",)),
    _awgn("urban100", "Urban100", 100, None, "https://github.com/jbhuang0604/SelfExSR", "Huang et al., CVPR 2015",
          patterns=("image_SRF_2/{name}_HR.png", "image_SRF_4/{name}_HR.png", "HR/{name}.png", "{name}.png")),
    DataSet(
        name="div2k",
        title="DIV2K",
        task="denoise",
        source="Agustsson and Timofte, CVPR Workshops 2017",
        page="https://data.vision.ee.ethz.ch/cvl/DIV2K/",
        licence="academic research only",
        folders=("DIV2K",),
        parts=(_div2k("train", "DIV2K_train_HR", 1, 800), _div2k("validation", "DIV2K_valid_HR", 801, 900)),
    ),
)  # fmt: skip

DATA_SETS: MappingProxyType[str, DataSet] = MappingProxyType({one.name: one for one in _KNOWN})


def get_data_set(name: str) -> DataSet:
    """Look a data set up by name; UsageError names the nearest one if there is none."""
    if name.lower() not in DATA_SETS:
        raise UsageError(f"unknown data set {name!r}; {nearest(name.lower(), DATA_SETS)}")
    return DATA_SETS[name.lower()]


class Overlap(NamedTuple):
    """Two parts ((data set, part) each) that are known to share pictures, and why; disjoint: that are meant not to."""

    one: tuple[str, str]
    other: tuple[str, str]
    why: str
    disjoint: bool = False


_BEHIND_RAIN = "the pictures behind Rain100 are from BSDS"
OVERLAPS = (
    Overlap(("bsds500", "train"), ("cbsd68", "test"), "CBSD68 is part of BSDS500"),
    Overlap(("cbsd432", "train"), ("cbsd68", "test"), "CBSD432 must be BSDS500 without CBSD68", disjoint=True),
    Overlap(("cbsd400", "train"), ("cbsd68", "test"), "CBSD400 must be BSDS500 without its validation part",
            disjoint=True),
    *(Overlap((bsds, "train"), ("rain13k", test), _BEHIND_RAIN)
      for bsds in ("bsds500", "cbsd432", "cbsd400") for test in ("rain100h", "rain100l")),
    Overlap(("bsds500", "train"), ("rain13k", "test100"), "half of Rain800's pictures are from BSDS"),
    Overlap(("rain13k", "train"), ("rain13k", "rain100h"),
            "546 pairs of Rain1800, which went into Rain13K, show pictures of Rain100H (noted by Ren et al., PReNet)"),
    Overlap(("rain13k", "train"), ("rain13k", "rain100l"), "Rain100L has the pictures of Rain100H"),
    Overlap(("rain13k", "rain100h"), ("rain13k", "rain100l"), "two tests on one set of pictures"),
    Overlap(("lol-v2-real", "train"), ("lol-v1", "test"), "LOL-v2-real was made from LOL-v1 and more pictures"),
    Overlap(("lol-v1", "train"), ("lol-v2-real", "test"), "LOL-v2-real was made from LOL-v1 and more pictures"),
)  # fmt: skip
