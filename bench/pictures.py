"""The pictures of the docs: pages that Initium writes, as a browser shows them.

Needs Chromium: `apt install chromium`, or its path in CHROMIUM. The page of `make demo`, if it is there, is in README.
"""

import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

import initium

ROOT = Path(__file__).parents[1]
# By picture: which sick net, under which start beside it, and how much of the page, in pixels.
PICTURES = {"torch_default_50": ("auto", 1060)}
DEMO, SEEN = ROOT / "compare.html", 1170


def main():
    (ROOT / "docs" / "images").mkdir(exist_ok=True)
    for name, (recipe, height) in PICTURES.items():
        torch.manual_seed(0)
        model = runpy.run_path(str(ROOT / "examples" / "sick" / f"{name}.py"))["build"]()
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder, "page.html")
            initium.diagnose(model).beside(recipe).save(page)
            shoot(page, ROOT / "docs" / "images" / f"{name}.png", height)
    if DEMO.exists():
        shoot(DEMO, ROOT / "docs" / "compare.png", SEEN)


def shoot(page, picture, height):
    subprocess.run(
        [os.environ.get("CHROMIUM", "chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--virtual-time-budget=8000", f"--window-size=1280,{height}", f"--screenshot={picture}", page.as_uri()],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    print(picture.relative_to(ROOT))


if __name__ == "__main__":
    sys.exit(main())
