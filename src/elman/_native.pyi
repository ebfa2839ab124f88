# Signatures of csrc/bind.cpp. Buffers are addresses, 0 for none; their meaning stands in csrc/kernels.h.

def cpu_info() -> dict[str, str]: ...
def kernel_names() -> str: ...
def row_width(name: str, wide: bool, H: int) -> int: ...
def arithmetic_rate(name: str, threads: int) -> float: ...
def read_rate(name: str, threads: int, bytes: int) -> float: ...

class Call:
    def __init__(
        self,
        cell: int,
        T: int,
        B: int,
        D: int,
        H: int,
        lengths: int,
        reverse: bool,
        x: int,
        x_t: int,
        x_b: int,
        h0: int,
        c0: int,
        w_ih: int,
        w_hh: int,
        b_ih: int,
        b_hh: int,
        y: int,
        gates: int,
        cells: int,
        kept: int,
        threads: int,
        /,
    ) -> None: ...

class Back:
    def __init__(
        self,
        dy: int,
        dy_t: int,
        dy_b: int,
        dh: int,
        dc: int,
        dx: int,
        dh0: int,
        dc0: int,
        dw_ih: int,
        dw_hh: int,
        db_ih: int,
        db_hh: int,
        /,
    ) -> None: ...

def forward_float(kernels: str, call: Call, hn: int, cn: int, /) -> None: ...
def forward_double(kernels: str, call: Call, hn: int, cn: int, /) -> None: ...
def backward_float(kernels: str, call: Call, back: Back, /) -> None: ...
def backward_double(kernels: str, call: Call, back: Back, /) -> None: ...
def scan_float(T: int, N: int, a: int, b: int, start: int, h: int, threads: int, /) -> None: ...
def scan_double(T: int, N: int, a: int, b: int, start: int, h: int, threads: int, /) -> None: ...
def scan_backward_float(
    T: int, N: int, a: int, start: int, h: int, g: int, da: int, db: int, dstart: int, threads: int, /
) -> None: ...
def scan_backward_double(
    T: int, N: int, a: int, start: int, h: int, g: int, da: int, db: int, dstart: int, threads: int, /
) -> None: ...
def scan_pair_float(T: int, N: int, a: int, b: int, start: int, h: int, threads: int, /) -> None: ...
def scan_pair_double(T: int, N: int, a: int, b: int, start: int, h: int, threads: int, /) -> None: ...
def scan_backward_pair_float(
    T: int, N: int, a: int, start: int, h: int, g: int, da: int, db: int, dstart: int, threads: int, /
) -> None: ...
def scan_backward_pair_double(
    T: int, N: int, a: int, start: int, h: int, g: int, da: int, db: int, dstart: int, threads: int, /
) -> None: ...

class FrameFloat:
    def __init__(self, kernels: str, call: Call) -> None: ...
    def step(self, x: int, h: int, c: int, out: int, /) -> None: ...

class FrameDouble:
    def __init__(self, kernels: str, call: Call) -> None: ...
    def step(self, x: int, h: int, c: int, out: int, /) -> None: ...
