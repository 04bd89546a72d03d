"""What pyproject.toml cannot say: the package has the catalog of images in a form that every Python reads."""

import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

REPO = Path(__file__).parent
sys.path.insert(0, str(REPO / "bin/bundle"))

from contents import catalog  # noqa: E402


class WithCatalog(build_py):
    def run(self):
        super().run()
        target = Path(self.build_lib, "jobwrap/image/catalog.json")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(catalog(REPO))


setup(cmdclass={"build_py": WithCatalog})
