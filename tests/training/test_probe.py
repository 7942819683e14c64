from pathlib import Path

from tiny_training import config_of, run_of

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
