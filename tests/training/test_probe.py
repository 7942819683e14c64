from pathlib import Path

import pytest
import torch
from tiny_training import config_of, run_of
from torch.nn.modules.module import register_module_forward_pre_hook

from carsray.training.probe import probe


def test_on_a_processor_a_probe_times_both_passes_and_knows_no_gpu_memory(tmp_path: Path) -> None:
    cost = probe(config_of(momentum=0.0), 3, run_of(tmp_path))
    assert cost.device == "processor"
    assert cost.train_seconds > 0
    assert cost.eval_seconds > 0
    assert cost.checkpoint_bytes > 0
    assert cost.snapshot_bytes == cost.checkpoint_bytes  # plain SGD remembers nothing
    assert probe(config_of(optimizer="adam"), 3, run_of(tmp_path)).snapshot_bytes > 2 * cost.checkpoint_bytes
    assert (cost.device_bytes, cost.device_total_bytes) == (0, 0)


def test_a_network_that_is_trained_block_by_block_costs_what_it_does_in_the_end(tmp_path: Path) -> None:
    blocks = {"backbone": "mobilenet_v2", "image_size": 32, "pack_size": 32, "unfreeze_depth": 3, "epochs": 9}
    whole, by_block = (probe(config_of(**blocks, unfreeze_every=every), 3, run_of(tmp_path)) for every in (0, 2))
    assert by_block.checkpoint_bytes == whole.checkpoint_bytes


def test_a_validation_that_lacks_memory_beside_the_training_is_measured_once_the_training_has_let_go(
    tmp_path: Path,
) -> None:
    failed = []

    def lacking(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if torch.is_inference_mode_enabled() and not failed:
            failed.append(module)
            raise torch.OutOfMemoryError("CUDA out of memory")

    hook = register_module_forward_pre_hook(lacking)
    try:
        cost = probe(config_of(), 3, run_of(tmp_path))
    finally:
        hook.remove()
    assert failed
    assert cost.eval_seconds > 0


def test_any_other_fault_of_a_validation_is_no_lack_of_memory(tmp_path: Path) -> None:
    def faulty(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if torch.is_inference_mode_enabled():
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    hook = register_module_forward_pre_hook(faulty)
    try:
        with pytest.raises(RuntimeError, match="illegal"):
            probe(config_of(), 3, run_of(tmp_path))
    finally:
        hook.remove()
