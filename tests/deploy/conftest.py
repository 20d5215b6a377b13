import pathlib
import shutil

import pytest

from deploy import dockerfile
from deploy.tools import run


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """The Debian package, made by the very steps of the Dockerfile in a fresh copy of what goes to the builder."""
    source = tmp_path_factory.mktemp("source")
    out = tmp_path_factory.mktemp("out")
    build = dockerfile.stages()[0]
    *copied, everything = dockerfile.steps(build, "COPY")
    setup, make = dockerfile.steps(build, "RUN")
    assert everything == ". ."
    assert (setup, make) == ("scripts/setup package", "scripts/package /out")
    dockerfile.copy_context(source)
    first = tmp_path_factory.mktemp("first")  # the layer before `COPY . .`
    for files in copied:
        *names, folder = files.split()
        (first / folder).mkdir()
        for name in names:
            shutil.copy2(source / name, first / folder)
    run(*setup.split(), cwd=first, seconds=1500)
    run(*make.removesuffix("/out").split(), out, cwd=source, seconds=3000)
    made = list(out.iterdir())
    assert len(made) == 1 and made[0].name.startswith("push-cache_") and made[0].suffix == ".deb", made
    shutil.rmtree(source)
    return made[0]


@pytest.fixture(scope="session")
def unpacked(package, tmp_path_factory):
    """The files of the package, below a folder."""
    folder = tmp_path_factory.mktemp("unpacked")
    run("dpkg-deb", "-x", package, folder)
    return pathlib.Path(folder)
