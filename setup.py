"""Builds every `.pyx` in the tree; everything else is said in pyproject.toml.

Extensions are optional: all that the agent runs has a pure-Python twin, so that an industrial PC
without a compiler still runs it. The hub's sequencing search (`_search`, `_plant`, `_released`) has
none, and is not to be had without one. `make build` checks afterwards that all were really built.
"""

from pathlib import Path

from setuptools import Extension, setup


def extensions() -> list[Extension]:
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    root = Path(__file__).parent
    found = [
        Extension(
            ".".join(source.relative_to(root).with_suffix("").parts),
            [str(source.relative_to(root))],
            extra_compile_args=["-O3"],
            optional=True,
        )
        for package in ("protocols", "edge", "hub")
        for source in sorted((root / package).rglob("*.pyx"))
    ]
    return cythonize(
        found,
        build_dir="build/cython",
        compiler_directives={
            "language_level": "3",
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
        },
    )


setup(ext_modules=extensions())
