"""Fails if the core is not compiled here as it is shipped: compares the release profiles of the root and of this workspace.

Debug information may differ: it changes no code. Cargo applies "*" to what is no member, and the core is one in the root only.
"""

import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = "aead aes cipher ctutils ghash inout polyval subtle tablecrypt-core universal-hash zeroize".split()


def release(manifest: Path) -> dict[str, object]:
    return tomllib.loads(manifest.read_text())["profile"]["release"]


def settings(profile: dict[str, object], package: str, is_member: bool) -> dict[str, object]:
    packages = profile.get("package", {})
    result = {"opt-level": 3, **{name: value for name, value in profile.items() if name not in ("package", "debug")}}
    if not is_member:
        result |= packages.get("*", {})
    return result | packages.get(package, {})


def main() -> None:
    root, ours = release(HERE.parent / "Cargo.toml"), release(HERE / "Cargo.toml")
    wrong = []
    for package in PACKAGES:
        shipped = settings(root, package, is_member=package == "tablecrypt-core")
        here = settings(ours, package, is_member=False)
        if shipped != here:
            wrong.append(f"{package}: shipped with {shipped}, looked at with {here}")
    sys.exit("\n".join(wrong) or None)


if __name__ == "__main__":
    main()
