"""What an error says of its cause."""

import pytest
import torch

from carsray.training.child import _failure
from carsray.training.messages import FailureKind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"), "memory"),
        (MemoryError(), "memory"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), "memory"),
        (RuntimeError("CUDA error: out of memory\nCompile with TORCH_USE_CUDA_DSA"), "memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "memory"),
        (RuntimeError("GET was unable to find an engine to execute this computation"), "memory"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "device"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"), "device"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "bug"),
        (ValueError("label: out of memory is no class"), "bug"),
    ],
)
def test_full_memory_and_faulty_devices_are_told_from_mistakes(error: Exception, kind: FailureKind) -> None:
    assert _failure(error).kind == kind
