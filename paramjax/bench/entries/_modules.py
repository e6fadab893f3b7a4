"""Files of a user, loaded as modules that see the files beside them and no others.

The folder of a file is a package of its own, under a name made from its path; if it holds an
`__init__.py`, it is a package inside the folder above. A statement `import rule` in one of its
files means the `rule.py` beside it, or else above its packages, whenever it is executed, so that
two folders may hold helpers of one name. The standard library comes first, and what the process
has already imported from the same place is not loaded a second time.
"""

from __future__ import annotations

import builtins
import importlib
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from paramjax._hashes import content_hash, file_hash
from paramjax.bench.entries._refused import one_line
from paramjax.runs._interrupt import Terminated

_PREFIX = "paramjax_user_"


class LoadError(ValueError):
    """A file of a user cannot be loaded; the message says why."""


def load_module(path: Path) -> ModuleType:
    """Load a Python file as a module, once until it or a file that it imports changes.

    Args:
        path: The file. It may import the files and packages beside it, by name or relatively,
            at its top or later inside a function, and by `importlib.import_module`.

    Returns:
        The module, which stands in `sys.modules`.

    Raises:
        LoadError: If there is no such file, or executing it raises or exits; the message ends
            with the line.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> file = Path(folder.name, "mine.py")
        >>> _ = file.write_text("from rule import rate")
        >>> _ = file.with_name("rule.py").write_text("rate = 0.1")
        >>> load_module(file).rate, load_module(file) is load_module(file)
        (0.1, True)
        >>> folder.cleanup()
    """
    if not path.is_file():
        raise LoadError(f"there is no file {path}")
    file = path.resolve()
    root = _root(file.parent)
    package = _package(root)
    inside = [package, *file.parent.relative_to(root).parts]
    name = ".".join(inside if file.stem == "__init__" else [*inside, _module_name(file)])
    _forget_if_changed(package)
    try:
        importlib.import_module(".".join(inside))
        return sys.modules.get(name) or _execute(name, file)
    except Terminated:
        raise
    except (Exception, SystemExit) as error:
        _forget(package)
        raise LoadError(f"importing {path} raised {_described(error, file.parent)}") from error


def find_name(module: ModuleType, name: str) -> Any:
    """What a module holds under a name such as `mine` or `Mine.build`, None if nothing.

    Raises:
        LoadError: If looking for it raises, as a module and a class may make names when asked.
    """
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part, None)
        except Exception as error:
            raise LoadError(f"looking for {name} in it raised {one_line(error)}") from error
    return found


class _Loader(SourceFileLoader):
    """Executes a file as it is now, with the imports of its folder."""

    digest: str = ""

    def get_code(self, fullname: str) -> CodeType:
        """The code of the file; bytecode kept on disk may be older than an edit."""
        self.digest = file_hash(Path(self.path))
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code

    def exec_module(self, module: ModuleType) -> None:
        """Execute with an `import` statement that looks into the folder first."""
        vars(module)["__builtins__"] = {
            **vars(builtins), "__import__": _import_beside(module.__name__, self.path)
        }  # fmt: skip
        super().exec_module(module)


class _Finder:
    """Finds the modules of users' folders; stands in `sys.meta_path`."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The file or package of that name in a user's folder."""
        if path is None or not fullname.startswith(_PREFIX):
            return None
        for folder in path:
            file = _file_in(Path(folder), fullname.rpartition(".")[2])
            if file is not None:
                return _spec(fullname, file)
        return None


def _root(folder: Path) -> Path:
    """The folder that holds the outermost package around the files of a folder."""
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        folder = folder.parent
    return folder


def _package(folder: Path) -> str:
    """The name of the package that stands for a folder, which is made if it is missing."""
    name = _PREFIX + content_hash(str(folder))[:8]
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
    if name not in sys.modules:
        package = ModuleType(name, f"The files in {folder}.")
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    return name


def _module_name(file: Path) -> str:
    """The stem of a file, made unique if no import statement could name it."""
    if file.stem.isidentifier():
        return file.stem
    return f"{file.stem.replace('.', '_')}_{content_hash(file.stem)[:8]}"


def _spec(name: str, file: Path) -> ModuleSpec | None:
    """How to load a file, or a folder without an `__init__.py`."""
    if file.is_dir():
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(file)]
        return spec
    inside = [str(file.parent)] if file.name == "__init__.py" else None
    loader = _Loader(name, str(file))
    return spec_from_file_location(name, file, loader=loader, submodule_search_locations=inside)


def _execute(name: str, file: Path) -> ModuleType:
    """Load a file under a name, registered before it is executed as dataclasses need it."""
    spec = spec_from_file_location(name, file, loader=_Loader(name, str(file)))
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _import_beside(module: str, importer: str) -> Callable[..., ModuleType]:
    """The `__import__` of a file: names beside it first, then above its packages, then everybody's.

    Args:
        module: Its name.
        importer: Its path.
    """
    package = module.partition(".")[0]
    above = Path(sys.modules[package].__path__[0])
    depth = len(Path(importer).parent.relative_to(above).parts)
    # a folder without `__init__.py` is no package whose files know each other
    inside = ".".join(module.split(".")[: depth + 1])
    folders = {inside: Path(importer).parent, package: above}

    def beside(name: str) -> str | None:
        """The full name of a module of the user's."""
        top = name.partition(".")[0]
        for prefix, folder in folders.items():
            if _is_beside(folder, top, importer):
                return f"{prefix}.{name}"
        return None

    def import_module(name: str, package: str | None = None) -> ModuleType:
        """What `importlib.import_module` is in the file."""
        return importlib.import_module(beside(name) or name, package)

    def import_(
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        full = None if level else beside(name)
        if full is None:
            found = builtins.__import__(name, globals, locals, fromlist or (), level)
            return _Importlib(import_module) if found is importlib else found
        module = importlib.import_module(full)
        if not fromlist:
            return sys.modules[full.removesuffix(name) + name.partition(".")[0]]
        return builtins.__import__(module.__name__, globals, locals, fromlist, 0)

    return import_


class _Importlib(ModuleType):
    """The module `importlib` as a file of a user sees it."""

    def __init__(self, import_module: Callable[..., ModuleType]) -> None:
        super().__init__("importlib", importlib.__doc__)
        self.import_module = import_module

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib, name)


def _is_beside(folder: Path, top: str, importer: str) -> bool:
    """Whether `import top` in a file of the folder means a file of the folder."""
    file = _file_in(folder, top)
    if file is None or top in sys.stdlib_module_names:
        return False
    if str(file) == importer:  # a file named as an installed package may import that
        return _spec_elsewhere(top) is None
    if file.suffix == ".py" and file.name != "__init__.py":
        return not _is_from(getattr(sys.modules.get(top), "__file__", None), file)
    elsewhere = _spec_elsewhere(top)  # an installed package, perhaps this very one
    if file.is_dir():
        return elsewhere is None or elsewhere.origin is None
    return elsewhere is None or not _is_from(elsewhere.origin, file)


def _file_in(folder: Path, name: str) -> Path | None:
    """The package, module, or folder of modules of that name in a folder, as Python orders them."""
    found = [folder / name / "__init__.py", folder / f"{name}.py"]
    for file in found:
        if file.is_file():
            return file
    inside = folder / name
    return inside if inside.is_dir() and any(inside.glob("*.py")) else None


def _is_from(origin: str | None, file: Path) -> bool:
    """Whether a module was loaded from that file."""
    return origin is not None and Path(origin).resolve() == file.resolve()


def _spec_elsewhere(top: str) -> ModuleSpec | None:
    """Where a top-level name would be imported from by anybody else."""
    try:
        return find_spec(top)
    except ValueError:  # a module that was put into sys.modules by hand has no spec
        return None


def _forget_if_changed(package: str) -> None:
    """Drop the modules of a folder if one of their files is not what was executed."""
    loaders = [getattr(module, "__loader__", None) for module in _modules(package).values()]
    for loader in loaders:
        if isinstance(loader, _Loader):
            file = Path(loader.path)
            if not file.is_file() or file_hash(file) != loader.digest:
                return _forget(package)
    return None


def _forget(package: str) -> None:
    """Drop the modules of a folder, so that the next load executes them anew."""
    for name in _modules(package):
        del sys.modules[name]
    importlib.invalidate_caches()


def _modules(package: str) -> dict[str, ModuleType]:
    """The modules of a folder."""
    return {n: m for n, m in list(sys.modules.items()) if n.startswith(f"{package}.")}


def _described(error: BaseException, folder: Path) -> str:
    """An error in one line, with the user's line that raised it."""
    text = one_line(error)
    if isinstance(error, SyntaxError):
        return text  # names file and line itself
    frames = traceback.extract_tb(error.__traceback__)
    mine = [f for f in frames if Path(f.filename).is_relative_to(folder)]
    return f"{text} ({Path(mine[-1].filename).name}, line {mine[-1].lineno})" if mine else text
