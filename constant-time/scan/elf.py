"""The functions of a program, from its table of symbols (ELF-64, System V ABI)."""

import struct
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Function:
    name: str
    start: int
    code: bytes


class Program:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.read_bytes()
        self.moves = struct.unpack_from("<H", self.file, 16)[0] == 3  # ET_DYN: it is loaded anywhere
        self.machine = struct.unpack_from("<H", self.file, 18)[0]
        offset, size, count = struct.unpack_from("<Q", self.file, 40)[0], *struct.unpack_from("<HH", self.file, 58)
        # name, type, flags, address, offset, size, link, info, alignment, size of an entry
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", self.file, offset + i * size) for i in range(count)]
        self.names: dict[int, str] = {}
        self.imports = self._imports()
        self.functions = sorted(self._functions(), key=lambda function: function.start)

    def _functions(self) -> list[Function]:
        functions: dict[int, Function] = {}
        for section in self.sections:
            if section[1] != 2:  # SHT_SYMTAB
                continue
            strings = self.sections[section[6]][4]
            for at in range(section[4], section[4] + section[5], 24):
                name, info, _, where, start, size = struct.unpack_from("<IBBHQQ", self.file, at)
                if info & 15 != 2 or size == 0 or not 0 < where < len(self.sections):  # STT_FUNC
                    continue
                text = self.file[strings + name : self.file.index(b"\0", strings + name)].decode()
                home = self.sections[where]
                offset = home[4] + start - home[3]
                self.names[start] = text
                functions[start] = Function(text, start, self.file[offset : offset + size])
        return list(functions.values())

    def _imports(self) -> dict[int, str]:
        """The names of other libraries' functions, by the places that their addresses are written to."""
        imports: dict[int, str] = {}
        for section in self.sections:
            if section[1] != 4:  # SHT_RELA
                continue
            symbols = self.sections[section[6]]
            if symbols[1] != 11:  # SHT_DYNSYM
                continue
            strings = self.sections[symbols[6]][4]
            for at in range(section[4], section[4] + section[5], 24):
                place, info, _ = struct.unpack_from("<QQq", self.file, at)
                name = struct.unpack_from("<I", self.file, symbols[4] + (info >> 32) * 24)[0]
                start = strings + name
                imports[place] = self.file[start : self.file.index(b"\0", start)].decode()
        return imports
