from pathlib import Path

from tiny_training import config_of, run_of

from carsray.training.probe import probe


def test_on_a_processor_a_probe_times_both_passes_and_knows_no_gpu_memory(tmp_path: Path) -> None:
    cost = probe(config_of(), 3, run_of(tmp_path))
    assert cost.device == "processor"
    assert cost.train_seconds > 0
    assert cost.eval_seconds > 0
    assert cost.checkpoint_bytes > 0
    assert (cost.device_bytes, cost.device_total_bytes) == (0, 0)
