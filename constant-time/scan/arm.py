"""How secrets go through an instruction of AArch64, by its name: one that is not named here cannot be followed.

As for x86-64, a move takes each byte's bit along, and every other instruction makes what it writes secret if anything that
it reads is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from capstone import CS_ARCH_ARM64, CS_MODE_ARM, Cs, CsInsn
from capstone.arm64 import ARM64_OP_IMM, ARM64_OP_MEM, ARM64_OP_REG

from .cover import ENDS, Flow
from .elf import Function, Program
from .shadow import Shadow

VECTOR = 32  # the first of the vector registers here; 31 is SP

LOADS = {
    "ldr": 0, "ldur": 0, "ldrb": 1, "ldurb": 1, "ldrh": 2, "ldurh": 2, "ldrsb": 1, "ldrsh": 2, "ldrsw": 4, "ldursw": 4,
    "ldar": 0, "ldarb": 1, "ldxr": 0, "ldxrb": 1, "ldaxr": 0, "ldaxrb": 1, "ldapr": 0, "ldaprb": 1, "ldp": 0, "ldnp": 0,
    "ld1": 0,
}  # fmt: skip
STORES = {
    "str": 0, "stur": 0, "strb": 1, "sturb": 1, "strh": 2, "sturh": 2, "stlr": 0, "stlrb": 1, "stp": 0, "stnp": 0, "st1": 0,
}  # fmt: skip
EXCLUSIVE = {"stxr": 0, "stxrb": 1, "stlxr": 0, "stlxrb": 1}
MOVES = {"mov", "fmov", "umov"}
# These write their first operand and read the others.
PLAIN = set(
    "add adds sub subs neg negs and ands orr orn eor eon bic bics mvn lsl lsr asr ror lslv lsrv asrv rorv extr ubfx ubfiz "
    "ubfm sbfx sbfiz sbfm uxtb uxth uxtw sxtb sxth sxtw mul madd msub mneg umulh smulh umull smull umaddl smaddl umsubl "
    "rbit rev rev16 rev32 rev64 clz cls adr adrp movz movn csel csinc csinv csneg cset csetm cinc cinv cneg adc adcs sbc "
    "sbcs ngc cmp cmn tst ccmp ccmn fcmp "
    "movi mvni dup ext zip1 zip2 uzp1 uzp2 trn1 trn2 tbl aesmc aesimc pmull pmull2 eor3 bcax rax1 xar addv umaxv uminv "
    "ushr sshr shl sshll ushll sshll2 ushll2 xtn shrn cmeq cmhi cmhs cmgt cmge cmtst umaxp uminp addp smov not cnt "
    "fcsel saddlv uaddlv rshrn abs".split()
)
# These read their first operand as well, or leave a part of it.
MIXES = set(
    "movk bfi bfxil bfm aese aesd ins bsl bit bif mla mls sli sri xtn2 shrn2 tbx sha1h umlal umlal2".split()
)
DIVISIONS = {"udiv", "sdiv"}
FLAGS_SET = {"adds", "subs", "ands", "bics", "negs", "cmp", "cmn", "tst", "ccmp", "ccmn", "adcs", "sbcs", "fcmp"}
FLAGS_READ = {
    "csel", "csinc", "csinv", "csneg", "cset", "csetm", "cinc", "cinv", "cneg", "adc", "adcs", "sbc", "sbcs", "ngc",
    "ccmp", "ccmn", "fcsel",
}  # fmt: skip
NOTHING = {"nop", "hint", "bti", "paciasp", "autiasp", "dmb", "dsb", "isb", "prfm", "yield", "clrex"}
BRANCHES = {"cbz", "cbnz", "tbz", "tbnz"}
ATOMICS = re.compile(r"(cas|swp|ldadd|ldset|ldclr|ldeor)(a|l|al)?(b|h)?$")


class Cpu(Protocol):
    def general(self, number: int) -> int: ...


def register(name: str) -> tuple[int, int]:
    """Its number here and how many bytes it has; -1: it is always zero, or no register that is followed."""
    if name in ("xzr", "wzr"):
        return -1, 8
    if name in ("sp", "wsp"):
        return 31, 8
    name = {"fp": "x29", "lr": "x30", "ip0": "x16", "ip1": "x17"}.get(name, name)
    kind, number = name[0], name[1:]
    if not number.isdigit():
        return -1, 8
    if kind in "xw":
        return int(number), 8 if kind == "x" else 4
    return VECTOR + int(number), {"b": 1, "h": 2, "s": 4, "d": 8, "q": 16, "v": 16}[kind]


class Taint:
    def __init__(self, leak: Callable[[int, str], None]) -> None:
        self.registers = [0] * 64
        self.flags = False
        self.memory = Shadow()
        self.leak = leak
        self.compiled: dict[int, Callable[[Cpu], None]] = {}
        self.decoder = decoder()

    def step(self, place: int, code: Callable[[], bytes], cpu: Cpu) -> None:
        run = self.compiled.get(place)
        if run is None:
            instruction = next(self.decoder.disasm(code()[:4], place), None)
            if instruction is None:
                raise ValueError(f"no instruction at {place:#x}")
            run = self.compiled[place] = self._compile(place, instruction)
        run(cpu)

    def _compile(self, place: int, instruction: CsInsn) -> Callable[[Cpu], None]:
        name = instruction.mnemonic
        operands = instruction.operands
        if name in NOTHING or name in ("b", "bl"):
            return lambda cpu: None
        if name.startswith("b."):
            return lambda cpu: self.leak(place, "branch") if self.flags else None
        if name in BRANCHES or name in ("br", "blr", "ret"):
            number = 30 if name == "ret" and not operands else self._registers(instruction)[0][0]
            kind = "branch" if name in BRANCHES else "jump"
            return lambda cpu: self.leak(place, kind) if number >= 0 and self.registers[number] else None
        if name in ("mrs", "msr", "dc"):
            return self._system(place, instruction)
        if name in LOADS or name in STORES or name in EXCLUSIVE or ATOMICS.match(name):
            return self._access(place, instruction)
        if name in PLAIN or name in MOVES or name in MIXES or name in DIVISIONS:
            return self._other(place, instruction)
        raise ValueError(f"{name} {instruction.op_str} at {place:#x} is an instruction that this scan cannot follow")

    def _registers(self, instruction: CsInsn) -> list[tuple[int, int]]:
        return [register(instruction.reg_name(operand.reg)) for operand in instruction.operands if operand.type == ARM64_OP_REG]

    def _system(self, place: int, instruction: CsInsn) -> Callable[[Cpu], None]:
        name = instruction.mnemonic
        if name == "mrs":
            number = self._registers(instruction)[0][0]

            def read(cpu: Cpu) -> None:
                self.registers[number] = 0

            return read
        if name == "msr":
            return lambda cpu: None
        if not instruction.op_str.startswith("zva"):
            raise ValueError(f"{name} {instruction.op_str} at {place:#x} cannot be followed")
        number = register(instruction.op_str.split()[-1])[0]

        def clear(cpu: Cpu) -> None:
            if self.registers[number]:
                self.leak(place, "address")
            self.memory.store(cpu.general(number) & ~63, 64, 0)

        return clear

    def _access(self, place: int, instruction: CsInsn) -> Callable[[Cpu], None]:
        name, text = instruction.mnemonic, instruction.op_str
        memory = next((operand for operand in instruction.operands if operand.type == ARM64_OP_MEM), None)
        if memory is None:
            # A load of a constant beside the code.
            if name == "ldr" and instruction.operands[-1].type == ARM64_OP_IMM:
                target = self._registers(instruction)[0][0]

                def constant(cpu: Cpu) -> None:
                    self.registers[target] = 0

                return constant
            raise ValueError(f"{name} {text} at {place:#x} cannot be followed")
        base = register(instruction.reg_name(memory.mem.base))[0]
        index = register(instruction.reg_name(memory.mem.index)) if memory.mem.index else (-1, 8)
        displacement = memory.mem.disp
        shift = memory.shift.value if memory.shift.type else 0
        inside = text[text.rindex("[") : text.rindex("]")]
        # [base], #n: the access is at the base alone.
        after = bool(re.search(r"\], ", text))
        if after:
            displacement = 0
        values = self._registers(instruction)
        if after and len(values) and re.search(r"\], x\d+$", text):
            values = values[:-1]
        lane = re.match(r"\{v\d+\.([bhsd])\}\[(\d+)\]", text)
        exclusive = name in EXCLUSIVE
        atomic = ATOMICS.match(name) is not None
        status = values.pop(0)[0] if exclusive else -1
        size = {**LOADS, **STORES, **EXCLUSIVE}.get(name, 0)
        sizes = [size or width for _, width in values]
        if name in ("ld1", "st1") and re.search(r"\.(8b|4h|2s|1d)", text):
            sizes = [8] * len(values)
        if name in ("ldrb", "strb", "ldrh", "strh"):
            sizes = sizes[:1]
        word = "w" in inside.split(",")[-1] and index[0] >= 0

        def find(cpu: Cpu) -> int:
            for number in (base, index[0]):
                if number >= 0 and self.registers[number]:
                    self.leak(place, "address")
            address = cpu.general(base) + displacement
            if index[0] >= 0:
                value = cpu.general(index[0])
                if word:
                    value &= 0xFFFF_FFFF
                    if "sxtw" in inside and value >> 31:
                        value -= 1 << 32
                address += value << shift
            return address & 0xFFFF_FFFF_FFFF_FFFF

        registers, memory_of = self.registers, self.memory
        if lane:
            width = {"b": 1, "h": 2, "s": 4, "d": 8}[lane[1]]
            at, number = int(lane[2]) * width, values[0][0]

            def element(cpu: Cpu) -> None:
                address, mask = find(cpu), (1 << width) - 1
                if name == "st1":
                    memory_of.store(address, width, registers[number] >> at & mask)
                else:
                    registers[number] = registers[number] & ~(mask << at) | memory_of.load(address, width) << at

            return element
        if atomic:
            (source, width), (target, _) = values[0], values[1]

            def swap(cpu: Cpu) -> None:
                address = find(cpu)
                old = memory_of.load(address, width)
                new = registers[source] if source >= 0 else 0
                written = registers[target] if name.startswith("cas") and target >= 0 else new
                memory_of.store(address, width, old | written)
                if name.startswith("cas"):
                    if source >= 0:
                        registers[source] = old
                elif target >= 0:
                    registers[target] = old

            return swap
        if name in LOADS:
            signed = name in ("ldrsb", "ldrsh", "ldrsw", "ldursw")

            def load(cpu: Cpu) -> None:
                address = find(cpu)
                for (number, _), count in zip(values, sizes):
                    bits = memory_of.load(address, count)
                    if number >= 0:
                        registers[number] = 255 if signed and bits else bits
                    address += count

            return load

        def store(cpu: Cpu) -> None:
            address = find(cpu)
            for (number, _), count in zip(values, sizes):
                bits = registers[number] if number >= 0 else 0
                memory_of.store(address, count, bits & ((1 << count) - 1))
                address += count
            if status >= 0:
                registers[status] = 0

        return store

    def _other(self, place: int, instruction: CsInsn) -> Callable[[Cpu], None]:
        name, text = instruction.mnemonic, instruction.op_str
        values = self._registers(instruction)
        compares = name in ("cmp", "cmn", "tst", "ccmp", "ccmn", "fcmp")
        target = (-1, 8) if compares else values[0]
        lane = bool(re.match(r"v\d+\.\w+\[", text))
        sources = [number for number, _ in (values if compares or name in MIXES or lane else values[1:]) if number >= 0]
        # Nothing of it is in x ^ x.
        if name in ("eor", "sub") and len(values) == 3 and values[1] == values[2] and "," in text and "#" not in text:
            sources = []
        width = target[1]
        copies = name in MOVES and not lane and len(sources) == 1 and "[" not in text
        reads, sets = name in FLAGS_READ, name in FLAGS_SET
        every = (1 << max(width, 8 if target[0] < VECTOR else 16)) - 1
        kept = (1 << width) - 1
        division = name in DIVISIONS
        registers = self.registers

        def run(cpu: Cpu) -> None:
            secret = reads and self.flags or any(registers[number] for number in sources)
            if division and secret:
                self.leak(place, "division")
            if target[0] >= 0 and target[0] != 31:
                if copies:
                    registers[target[0]] = registers[sources[0]] & kept
                else:
                    registers[target[0]] = every if secret else 0
            if sets:
                self.flags = bool(secret)

        return run


def decoder() -> Cs:
    made = Cs(CS_ARCH_ARM64, CS_MODE_ARM)
    made.detail = True
    return made


def flows(program: Program, function: Function) -> list[Flow]:
    """The instructions of a function, and where each goes on."""
    made = []
    at = 0
    code = decoder()
    while at < len(function.code):
        place = function.start + at
        instruction = next(code.disasm(function.code[at : at + 4], place), None)
        at += 4
        if instruction is None:
            continue  # constants
        name = instruction.mnemonic
        target = -1
        if name in ("b", "bl") or name.startswith("b.") or name in BRANCHES:
            target = instruction.operands[-1].imm
        ends = name in ("brk", "udf") or name in ("bl", "b") and any(end in program.names.get(target, "") for end in ENDS)
        branches = name.startswith("b.") or name in BRANCHES
        leaks = branches or name in ("br", "blr") or any(operand.type == ARM64_OP_MEM for operand in instruction.operands)
        targets = [target] if branches or name == "b" else []
        made.append(Flow(place, 4, name not in ("b", "br", "ret"), targets, ends, leaks))
    return made
