"""Which device, and which numbers it computes in."""

import platform
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

from carsray.config import RunConfig, TrialConfig


def resolve_device(run: RunConfig) -> torch.device:
    """The device a trial runs on; "auto" takes the GPU where torch sees one."""
    name = run.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def device_name(device: torch.device) -> str:
    """What a person would call it: the GPU's or the processor's model."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def compute_dtype(device: torch.device, config: TrialConfig) -> torch.dtype:
    """bfloat16 if the config allows it and the device computes in it, else float32."""
    if config.precision == "bf16" and _has_bf16(device):
        return torch.bfloat16
    return torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Mixed precision in this dtype; nothing for float32."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype)


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Without these instructions bfloat16 is emulated and slower than float32.
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))
