"""One worker of a team: trains on pictures that are drawn already, and saves the whole network. For test_team.py."""

import sys
from pathlib import Path

import safetensors.torch
from tiny_training import config_of, run_of, split_of
from torch import distributed

from carsray.data.batches import training_data
from carsray.training.fit import EpochResult, fit
from carsray.training.team import this_team

CHANGES = {"batch_size": 7, "epochs": 2, "lr": 0.05, "grad_clip": 0.5, "augment": "medium", "label_smoothing": 0.1}
"""Seven pictures in a batch: the parts are uneven."""

if __name__ == "__main__":
    home, rank = Path(sys.argv[1]), int(sys.argv[2])
    distributed.init_process_group("gloo", f"file://{home}/meeting", rank=rank, world_size=2)
    config = config_of(**CHANGES)
    data = training_data(split_of(home / "pictures", home / "cache"), config, home / "cache")
    *_, last = fit(config, data, run_of(home), decay=0.5, team=this_team())
    assert isinstance(last, EpochResult)
    numbers = {name: f"{value!r}" for name, value in last.metrics.items()}
    tensors = {name: tensor.contiguous() for name, tensor in last.network.state_dict().items()}
    safetensors.torch.save_file(tensors, home / f"{rank}.safetensors", numbers)
    distributed.destroy_process_group()
