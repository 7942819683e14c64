"""The baseline that carsray is measured against: the sweep that a user would otherwise write.

Plain Ray Tune as its tutorials teach it: torchvision model, JPEG files decoded by a DataLoader in every trial and
every epoch, OptunaSearch, ASHA, one CPU (or a share of a GPU) per trial. Same search space, data, split, epochs and
number of trials as the carsray run that it is compared with.

    python plain_ray_tune.py --data STANFORD_CARS --weights MOBILENET_V2.pth \
        --classes 40 --image-size 128 --trials 24 --epochs 9 --seed 0

unfreeze_depth 0, 1, 2, 3 trains the head and the last 0, 3, 8, 19 of MobileNetV2's blocks.

Prints one JSON line: wall seconds of the search, trials, epochs trained in all, best validation accuracy, its
configuration, and the curve [[seconds since start, best validation accuracy so far], ...].
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")


def index(root, classes):
    """[(path, label)] of the first `classes` classes, and the split: every fifth image of a class is validation.

    Pictures whose bytes occur twice (with two labels, in this data set) are left out.
    """
    import collections
    import hashlib

    import scipy.io

    rows = scipy.io.loadmat(Path(root) / "devkit/cars_train_annos.mat", squeeze_me=True)["annotations"]
    rows = sorted(
        (int(r["class"]) - 1, str(Path(root) / "cars_train" / str(r["fname"])))
        for r in rows
        if int(r["class"]) <= classes
    )
    digest = {path: hashlib.sha256(Path(path).read_bytes()).digest() for _, path in rows}
    copies = collections.Counter(digest.values())
    train, val, seen = [], [], {}
    for label, path in rows:
        if copies[digest[path]] > 1:
            continue
        n = seen[label] = seen.get(label, 0) + 1
        (val if n % 5 == 0 else train).append((path, label))
    return train, val


def train_trial(config):
    import torch
    import torchvision
    from PIL import Image
    from torchvision.transforms import v2

    from ray import tune

    torch.manual_seed(config["seed"])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    px = config["image_size"]
    normalise = [
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
    train_tf = v2.Compose(
        [v2.RandomResizedCrop(px, scale=(0.6, 1.0)), v2.RandomHorizontalFlip(), v2.RandomRotation(15)] + normalise
    )
    val_tf = v2.Compose([v2.Resize((px, px))] + normalise)

    class Cars(torch.utils.data.Dataset):
        def __init__(self, items, transform):
            self.items, self.transform = items, transform

        def __len__(self):
            return len(self.items)

        def __getitem__(self, i):
            path, label = self.items[i]
            return self.transform(Image.open(path).convert("RGB")), label

    train_items, val_items = index(config["data"], config["classes"])
    workers = config["workers"]
    train_loader = torch.utils.data.DataLoader(
        Cars(train_items, train_tf), batch_size=config["batch_size"], shuffle=True, num_workers=workers, drop_last=True
    )
    val_loader = torch.utils.data.DataLoader(Cars(val_items, val_tf), batch_size=128, num_workers=workers)

    model = torchvision.models.mobilenet_v2()
    model.load_state_dict(torch.load(config["weights"], weights_only=True), strict=False)
    model.classifier = torch.nn.Sequential(
        torch.nn.Dropout(config["dropout"]), torch.nn.Linear(model.last_channel, config["classes"])
    )
    stages = list(model.features)  # 19 blocks
    boundary = len(stages) - {0: 0, 1: 3, 2: 8, 3: 19}[config["unfreeze_depth"]]
    frozen = model.features[:boundary]
    for p in frozen.parameters():
        p.requires_grad_(False)
    model.to(device)
    params = [p for p in model.parameters() if p.requires_grad]
    if config["optimizer"] == "sgd":
        optimizer = torch.optim.SGD(params, lr=config["lr"], momentum=0.9, weight_decay=config["weight_decay"])
    else:
        cls = torch.optim.AdamW if config["optimizer"] == "adamw" else torch.optim.Adam
        optimizer = cls(params, lr=config["lr"], weight_decay=config["weight_decay"])
    loss_fn = torch.nn.CrossEntropyLoss()
    for epoch in range(1, config["epochs"] + 1):
        model.train()
        frozen.eval()  # BatchNorm statistics of the frozen part stay as they are
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = loss_fn(model(x.to(device)), y.to(device))
            loss.backward()
            optimizer.step()
        model.eval()
        right = total = 0
        with torch.no_grad():
            for x, y in val_loader:
                right += (model(x.to(device)).argmax(1).cpu() == y).sum().item()
                total += len(y)
        tune.report({"val_accuracy": right / total, "epoch": epoch})


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", required=True)
    ap.add_argument("--weights", required=True)
    ap.add_argument("--classes", type=int, default=40)
    ap.add_argument("--image-size", type=int, default=128)
    ap.add_argument("--trials", type=int, default=24)
    ap.add_argument("--epochs", type=int, default=9)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--workers", type=int, default=0)
    ap.add_argument("--concurrent", type=int, default=2)
    ap.add_argument("--gpus-per-trial", type=float, default=0)
    ap.add_argument("--storage", default=str(Path(tempfile.gettempdir()) / "plain_ray_tune"))
    ap.add_argument("--write-split", help="write the split as CSV (path,label,split) and stop")
    a = ap.parse_args()
    if a.write_split:
        with open(a.write_split, "w") as f:
            print("path,label,split", file=f)
            for split, items in zip(("train", "val"), index(Path(a.data).resolve(), a.classes)):
                for path, label in items:
                    print(f"{path},{label},{split}", file=f)
        return

    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    ray.init(include_dashboard=False, log_to_driver=False)
    cpus = ray.cluster_resources()["CPU"]
    started, curve = time.time(), []

    class Curve(tune.Callback):
        def on_trial_result(self, iteration, trials, trial, result, **info):
            if not curve or result["val_accuracy"] > curve[-1][1]:
                curve.append([round(time.time() - started, 1), result["val_accuracy"]])

    space = {
        "unfreeze_depth": tune.choice([0, 1, 2, 3]),
        "optimizer": tune.choice(["adam", "adamw", "sgd"]),
        "lr": tune.loguniform(1e-4, 1e-1),
        "weight_decay": tune.loguniform(1e-6, 1e-2),
        "batch_size": tune.choice([16, 32, 64]),
        "dropout": tune.uniform(0.0, 0.5),
        "seed": a.seed,
        "epochs": a.epochs,
        "classes": a.classes,
        "image_size": a.image_size,
        "workers": a.workers,
        "data": str(Path(a.data).resolve()),
        "weights": str(Path(a.weights).resolve()),
    }
    results = tune.Tuner(
        tune.with_resources(train_trial, {"cpu": cpus / a.concurrent, "gpu": a.gpus_per_trial}),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="val_accuracy",
            mode="max",
            num_samples=a.trials,
            max_concurrent_trials=a.concurrent,
            search_alg=OptunaSearch(seed=a.seed),
            scheduler=ASHAScheduler(max_t=a.epochs, grace_period=1, reduction_factor=3),
        ),
        run_config=tune.RunConfig(storage_path=a.storage, verbose=0, callbacks=[Curve()]),
    ).fit()
    best = results.get_best_result(scope="all")
    print(
        json.dumps(
            {
                "seconds": round(time.time() - started, 1),
                "trials": len(results),
                "errors": results.num_errors,
                "epochs_trained": sum(len(r.metrics_dataframe) for r in results if r.metrics_dataframe is not None),
                "best_val_accuracy": max(
                    r.metrics_dataframe["val_accuracy"].max() for r in results if r.metrics_dataframe is not None
                ),
                "best_config": {
                    k: best.config[k]
                    for k in ("unfreeze_depth", "optimizer", "lr", "weight_decay", "batch_size", "dropout")
                },
                "curve": curve,
            }
        )
    )


if __name__ == "__main__":
    main()
