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


def test_a_network_that_is_trained_block_by_block_costs_what_it_does_in_the_end(tmp_path: Path) -> None:
    blocks = {"backbone": "mobilenet_v2", "image_size": 32, "pack_size": 32, "unfreeze_depth": 3, "epochs": 9}
    whole, by_block = (probe(config_of(**blocks, unfreeze_every=every), 3, run_of(tmp_path)) for every in (0, 2))
    assert by_block.checkpoint_bytes == whole.checkpoint_bytes
