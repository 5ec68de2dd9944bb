"""How secrets go through an instruction of x86-64, from what iced says that it reads and writes.

A move takes each byte's bit along. Every other instruction makes all that it writes secret if any byte that it reads is:
that may say too much of a vector, and never too little. Flags are followed singly, for DEC leaves the carry alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from iced_x86 import (
    Decoder,
    FlowControl,
    Instruction,
    InstructionInfoFactory,
    MemorySizeExt,
    Mnemonic,
    OpAccess,
    OpKind,
    Register,
    RegisterExt,
)

from .cover import ENDS, Flow
from .elf import Function, Program
from .shadow import Shadow

GENERAL = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split()
VECTOR, MASK = 16, 48
NAMES = {value: name for name, value in Register.__dict__.items() if isinstance(value, int)}

READS = {OpAccess.READ, OpAccess.COND_READ, OpAccess.READ_WRITE, OpAccess.READ_COND_WRITE}
WRITES = {OpAccess.WRITE, OpAccess.READ_WRITE}
MAY_WRITE = {OpAccess.COND_WRITE, OpAccess.READ_COND_WRITE}


def mnemonics(names: str) -> set[int]:
    return {getattr(Mnemonic, name.upper()) for name in names.split()}


# The destination gets the bytes of the source, and zeros above them where iced says that it writes more.
MOVES = mnemonics(
    "mov movzx movups movaps movupd movapd movdqu movdqa movd movq movntdq movntps movnti movntdqa lddqu "
    "vmovups vmovaps vmovupd vmovapd vmovdqu vmovdqa vmovd vmovq vmovntdq vmovntps vmovntdqa vlddqu "
    "vmovdqu8 vmovdqu16 vmovdqu32 vmovdqu64 vmovdqa32 vmovdqa64 kmovb kmovw kmovd kmovq"
)
# What iced does not tell the registers of, and no kernel has.
UNKNOWN = mnemonics(
    "xsave xsave64 xsavec xsavec64 xsaveopt xsaveopt64 xsaves xrstor xrstor64 fxsave fxsave64 fxrstor fxrstor64 "
    "syscall sysenter int enter cpuid xgetbv rdpkru"
)
DIVISIONS = mnemonics("div idiv")
NO_ACCESS = mnemonics("lea nop")


class Cpu(Protocol):
    """What an instruction needs to know of the process that is about to run it."""

    def general(self, number: int) -> int: ...
    def segment(self, number: int) -> int: ...
    def mask(self, number: int) -> int: ...


def place_of(register) -> tuple[int, int, int]:  # type: ignore[no-untyped-def]
    """Its number here, its first byte and how many it has; a number of -1: nothing that can be secret."""
    name = NAMES[register].lower()
    full = NAMES[RegisterExt.full_register(register)].lower()
    if full in GENERAL:
        return GENERAL.index(full), int(name in ("ah", "bh", "ch", "dh")), RegisterExt.size(register)
    if full.startswith("zmm"):
        return VECTOR + int(full[3:]), 0, RegisterExt.size(register)
    if name.startswith("k") and name[1:].isdigit():
        return MASK + int(name[1:]), 0, 8
    return -1, 0, 0


class Taint:
    """The secrets of one thread, before the instruction that comes next."""

    def __init__(self, leak: Callable[[int, str], None]) -> None:
        self.registers = [0] * 56
        self.flags = 0
        self.memory = Shadow()
        self.leak = leak
        self.compiled: dict[int, Callable[[Cpu], None]] = {}
        self.info = InstructionInfoFactory()

    def step(self, place: int, code: Callable[[], bytes], cpu: Cpu) -> None:
        run = self.compiled.get(place)
        if run is None:
            instruction = Decoder(64, code(), ip=place).decode()
            run = self.compiled[place] = self._compile(place, instruction)
        run(cpu)

    def _compile(self, place: int, instruction: Instruction) -> Callable[[Cpu], None]:
        mnemonic, flow = instruction.mnemonic, instruction.flow_control
        if instruction.is_invalid or mnemonic in UNKNOWN:
            raise ValueError(f"{instruction} at {place:#x} is an instruction that this scan cannot follow")
        info = self.info.info(instruction)
        memory = [self._address(place, instruction, used) for used in info.used_memory()]
        if mnemonic in NO_ACCESS:
            memory = []
        checks = sorted({register for _, registers, *_ in memory for register in registers})

        def check(cpu: Cpu) -> None:
            for register in checks:
                if self.registers[register]:
                    self.leak(place, "address")

        if flow == FlowControl.CALL or flow == FlowControl.INDIRECT_CALL:
            return self._call(place, instruction, check)
        if flow == FlowControl.RETURN:
            return self._return(place)
        if flow == FlowControl.INDIRECT_BRANCH:
            return self._jump(place, info, memory, check)
        if flow == FlowControl.CONDITIONAL_BRANCH:
            return self._branch(place, instruction, info)
        if mnemonic == Mnemonic.PUSH or mnemonic == Mnemonic.POP:
            return self._stack(instruction, mnemonic == Mnemonic.PUSH, info, memory, check)
        if mnemonic == Mnemonic.VZEROUPPER:
            return self._clear_upper
        if mnemonic == Mnemonic.VZEROALL:
            return self._clear_all
        copies = mnemonic in MOVES or instruction.is_string_instruction
        return self._other(place, instruction, info, memory, check, copies, mnemonic)

    def _address(self, place: int, instruction: Instruction, used):  # type: ignore[no-untyped-def]
        """How an access finds its place: a function, the registers that it depends on, its size and kind."""
        base, index, scale, displacement = used.base, used.index, used.scale, used.displacement
        registers = [number for number in (place_of(base)[0] if base else -1, place_of(index)[0] if index else -1) if number >= 0]
        rip = base in (Register.RIP, Register.EIP)
        size = MemorySizeExt.size(used.memory_size)
        element = MemorySizeExt.element_size(used.memory_size)
        mnemonic = instruction.mnemonic
        if instruction.is_string_instruction:
            size = element = {"b": 1, "w": 2, "d": 4, "q": 8}[_name(mnemonic)[-1]]
        segment = used.segment
        general_base = place_of(base)[0] if base and not rip else -1
        general_index = place_of(index)[0] if index else -1
        if general_index >= VECTOR:
            raise ValueError(f"{instruction} at {place:#x}: a gather, which this scan cannot follow")

        def find(cpu: Cpu) -> int:
            address: int = displacement
            if general_base >= 0:
                address += cpu.general(general_base)
            if general_index >= 0:
                address += cpu.general(general_index) * scale
            if segment in (Register.FS, Register.GS):
                address += cpu.segment(segment)
            return address & 0xFFFF_FFFF_FFFF_FFFF

        return find, registers, size, used.access, element

    def _other(self, place, instruction, info, memory, check, copies, mnemonic):  # type: ignore[no-untyped-def]
        reads, writes, may_write = [], [], []
        addresses = {register for _, registers, *_ in memory for register in registers}
        for used in info.used_registers():
            number, at, size = place_of(used.register)
            if number < 0:
                continue
            entry = (number, at, size, ((1 << size) - 1) << at)
            if used.access in READS and not (number in addresses and not self._is_operand(instruction, number)):
                reads.append(entry)
            # A push moves it, and its value is public all the same.
            if number == GENERAL.index("rsp") and mnemonic not in MOVES:
                continue
            if used.access in WRITES:
                writes.append(entry)
            elif used.access in MAY_WRITE:
                may_write.append(entry)
        if instruction.is_string_instruction:
            # Only what is copied: the pointers and the count go on by themselves.
            keep = {GENERAL.index(name) for name in ("rsi", "rdi", "rcx")}
            reads = [entry for entry in reads if entry[0] not in keep]
            writes = [entry for entry in writes if entry[0] not in keep]
            may_write = [entry for entry in may_write if entry[0] not in keep]
        sources = [(find, size, element) for find, _, size, access, element in memory if access in READS]
        targets = [
            (find, size, element, access in WRITES)
            for find, _, size, access, element in memory
            if access in WRITES or access in MAY_WRITE
        ]
        mask = instruction.op_mask
        mask_number = place_of(mask)[0] if mask else -1
        flags_read = instruction.rflags_read
        flags_changed = instruction.rflags_modified
        flags_set = instruction.rflags_written | instruction.rflags_undefined
        if instruction.is_string_instruction:
            flags_read = 0
        merges = mask_number >= 0 and not instruction.zeroing_masking
        division = mnemonic in DIVISIONS
        repeats = instruction.has_rep_prefix or instruction.has_repne_prefix
        counter = GENERAL.index("rcx")
        registers = self.registers

        def lanes(cpu: Cpu, size: int, element: int) -> int:
            """The bytes that a masked access touches."""
            bits = cpu.mask(mask_number - MASK)
            touched = 0
            for lane in range(size // element):
                if bits >> lane & 1:
                    touched |= ((1 << element) - 1) << (lane * element)
            return touched

        def run(cpu: Cpu) -> None:
            check(cpu)
            if repeats:
                if registers[counter]:
                    self.leak(place, "count")
                if cpu.general(counter) == 0:
                    return
            moved = 0
            for number, at, _, bits in reads:
                if number != mask_number:
                    moved |= (registers[number] & bits) >> at
            masked = mask_number >= 0 and registers[mask_number] != 0
            for find, size, element in sources:
                bits = self.memory.load(find(cpu), size)
                if mask_number >= 0:
                    bits &= lanes(cpu, size, element)
                    if masked:
                        self.leak(place, "mask of an access")
                moved |= bits
            secret = moved != 0 or masked or (self.flags & flags_read) != 0
            if division and secret:
                self.leak(place, "division")
            for find, size, element, whole in targets:
                bits = moved if copies else (1 << size) - 1 if secret else 0
                target = find(cpu)
                if mask_number >= 0:
                    if masked:
                        self.leak(place, "mask of an access")
                    touched = lanes(cpu, size, element)
                    bits = (bits & touched) | (self.memory.load(target, size) & ~touched)
                elif not whole and not repeats:
                    bits |= self.memory.load(target, size)
                self.memory.store(target, size, bits)
            for number, at, size, bits in writes:
                if copies:
                    made = (moved << at) & bits
                    if merges:
                        made |= registers[number] & bits
                    if masked:
                        made = bits
                else:
                    made = bits if secret else 0
                registers[number] = (registers[number] & ~bits) | made
            if secret:
                for number, _, _, bits in may_write:
                    registers[number] |= bits
            self.flags &= ~flags_changed
            if secret:
                self.flags |= flags_set

        return run

    @staticmethod
    def _is_operand(instruction: Instruction, number: int) -> bool:
        """Whether a register that an address is made of is read for itself as well."""
        for i in range(instruction.op_count):
            if instruction.op_kind(i) == OpKind.REGISTER and place_of(instruction.op_register(i))[0] == number:
                return True
        return instruction.mnemonic in NO_ACCESS

    def _call(self, place: int, instruction: Instruction, check):  # type: ignore[no-untyped-def]
        stack = GENERAL.index("rsp")
        target = -1
        if instruction.op_kind(0) == OpKind.REGISTER:
            target = place_of(instruction.op_register(0))[0]

        def run(cpu: Cpu) -> None:
            check(cpu)
            if target >= 0 and self.registers[target]:
                self.leak(place, "call")
            self.memory.store(cpu.general(stack) - 8, 8, 0)

        return run

    def _return(self, place: int):  # type: ignore[no-untyped-def]
        stack = GENERAL.index("rsp")

        def run(cpu: Cpu) -> None:
            if self.memory.load(cpu.general(stack), 8):
                self.leak(place, "return")

        return run

    def _jump(self, place, info, memory, check):  # type: ignore[no-untyped-def]
        numbers = [place_of(used.register)[0] for used in info.used_registers()]
        loads = [(find, size) for find, _, size, *_ in memory]

        def run(cpu: Cpu) -> None:
            check(cpu)
            if any(self.registers[number] for number in numbers if number >= 0) or any(
                self.memory.load(find(cpu), size) for find, size in loads
            ):
                self.leak(place, "jump")

        return run

    def _branch(self, place, instruction, info):  # type: ignore[no-untyped-def]
        read = instruction.rflags_read
        numbers = [place_of(used.register)[0] for used in info.used_registers()]

        def run(cpu: Cpu) -> None:
            if self.flags & read or any(self.registers[number] for number in numbers if number >= 0):
                self.leak(place, "branch")

        return run

    def _stack(self, instruction, push, info, memory, check):  # type: ignore[no-untyped-def]
        """PUSH and POP: the value goes along, and the stack's pointer is public."""
        stack = GENERAL.index("rsp")
        number = place_of(instruction.op_register(0))[0] if instruction.op_kind(0) == OpKind.REGISTER else -1
        # PUSH of memory: the other access, but for the stack's own, reads it.
        source = next((find for find, _, _, access, _ in memory if access in READS), None) if push else None
        if number < 0 and not push:
            raise ValueError(f"{instruction} is one that this scan cannot follow")

        def run(cpu: Cpu) -> None:
            check(cpu)
            if not push:
                self.registers[number] = self.memory.load(cpu.general(stack), 8)
                return
            bits = self.registers[number] if number >= 0 else self.memory.load(source(cpu), 8) if source else 0
            self.memory.store(cpu.general(stack) - 8, 8, bits)

        return run

    def _clear_upper(self, _: Cpu) -> None:
        for i in range(VECTOR, VECTOR + 16):
            self.registers[i] &= 0xFFFF

    def _clear_all(self, _: Cpu) -> None:
        for i in range(VECTOR, VECTOR + 16):
            self.registers[i] = 0


def _name(mnemonic: int) -> str:
    return next(name for name, value in Mnemonic.__dict__.items() if value == mnemonic).lower()


def flows(program: Program, function: Function) -> list[Flow]:
    """The instructions of a function, and where each goes on."""
    made = []
    for instruction in Decoder(64, function.code, ip=function.start):
        flow = instruction.flow_control
        place, size, target = instruction.ip, len(instruction), instruction.near_branch_target
        name = ""
        if flow == FlowControl.CALL:
            name = program.names.get(target, "")
        elif flow == FlowControl.INDIRECT_CALL and instruction.is_ip_rel_memory_operand:
            name = program.imports.get(instruction.ip_rel_memory_address, "")
        ends = flow in (FlowControl.INTERRUPT, FlowControl.EXCEPTION) or any(end in name for end in ENDS)
        falls = flow not in (FlowControl.RETURN, FlowControl.UNCONDITIONAL_BRANCH, FlowControl.INDIRECT_BRANCH)
        jumps = flow in (FlowControl.UNCONDITIONAL_BRANCH, FlowControl.CONDITIONAL_BRANCH)
        if jumps and not function.start <= target < function.start + len(function.code):
            # A call in the last place of a function.
            ends = ends or any(end in program.names.get(target, "") for end in ENDS)
        leaks = instruction.mnemonic in DIVISIONS or instruction.mnemonic not in NO_ACCESS and any(
            instruction.op_kind(i) == OpKind.MEMORY for i in range(instruction.op_count)
        )
        leaks = leaks or flow in (FlowControl.CONDITIONAL_BRANCH, FlowControl.INDIRECT_BRANCH, FlowControl.INDIRECT_CALL)
        leaks = leaks or instruction.is_string_instruction
        made.append(Flow(place, size, falls, [target] if jumps else [], ends, leaks))
    return made
