"""A network as an ordered list of named blocks, cut in two at the boundary: a frozen prefix and a trained rest."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor, nn

from carsray.errors import ConfigError


@dataclass(frozen=True)
class Parts:
    """What a network is made of. One tensor passes from each block to the next."""

    owner: nn.Module
    """Holds every layer below under its published name. Its own forward is not used."""
    blocks: list[tuple[str, nn.Module]]
    pool: nn.Sequential
    """From the last feature map to a vector, or on the way there; has no parameters."""
    neck: nn.Sequential
    """From what `pool` gives to the embedding; often empty."""
    embedding_size: int


class Network(nn.Module):
    """Pictures (B, 3, H, W) to logits (B, C).

    The state dict names layers as torchvision does (``backbone.layer1.0.conv1.weight``), wherever the boundary is:
    `backbone` owns the layers, while prefix, suffix and neck are views that group the same layers for running.
    """

    def __init__(self, parts: Parts, head: nn.Sequential, unfreeze_depth: int | Literal["all"] = "all") -> None:
        super().__init__()
        self.backbone = parts.owner
        self.head = head
        self.blocks = parts.blocks
        self.embedding_size = parts.embedding_size
        self._parts = parts
        self._digests: dict[str, bytes] = {}
        self.unfreeze(unfreeze_depth)

    def unfreeze(self, depth: int | Literal["all"]) -> None:
        """Train the head and the last `depth` blocks from now on.

        Raises ConfigError where there are fewer blocks.
        """
        count = len(self.blocks)
        trained = count if depth == "all" else depth
        if trained > count:
            raise ConfigError(f"unfreeze_depth = {depth}: this network has {count} blocks; use 0 to {count}, or 'all'")
        self._group(count - trained)
        self.requires_grad_(True)
        self.prefix.requires_grad_(False)
        self.train(self.training)

    def _group(self, cut: int) -> None:
        frozen, trained = self.blocks[:cut], self.blocks[cut:]
        before, after = [], [("pool", self._parts.pool), ("neck", self._parts.neck)]
        if not trained:  # then the pool can go before the boundary, and what is cached is a vector, not a map
            before, after = after[:1], after[1:]
        # A tuple, since modules set as attributes would enter the state dict a second time.
        self._views = _sequence([*frozen, *before]), _sequence(trained), _sequence(after)
        kept = dict(self.prefix.named_children())
        self._digests = {name: digest for name, digest in self._digests.items() if name in kept}

    @property
    def prefix(self) -> nn.Sequential:
        """The frozen blocks, always in eval mode."""
        return self._views[0]

    @property
    def suffix(self) -> nn.Sequential:
        """The trained blocks."""
        return self._views[1]

    @property
    def neck(self) -> nn.Sequential:
        """What turns the last feature map into the embedding."""
        return self._views[2]

    def train(self, mode: bool = True) -> Self:
        """Set training or eval mode for everything but the prefix."""
        super().train(mode)
        self.suffix.train(mode)
        self.neck.train(mode)
        self.prefix.eval()
        return self

    def block_digest(self, name: str) -> bytes:
        """What tells the values of a block of the prefix, by its name there, from others.

        Hashed once: a block of the prefix does not change while it is in it.
        """
        if name not in self._digests:
            digest = hashlib.blake2b(digest_size=16)
            for tensor in self.prefix.get_submodule(name).state_dict().values():
                digest.update(tensor.detach().cpu().contiguous().view(-1).numpy())
            self._digests[name] = digest.digest()
        return self._digests[name]

    def prefix_digest(self) -> str:
        """What tells the values of the prefix from others; empty where nothing is frozen."""
        names = [name for name, _ in self.prefix.named_children()]
        digests = b"".join(name.encode() + self.block_digest(name) for name in names)
        return hashlib.blake2b(digests, digest_size=16).hexdigest() if names else ""

    def boundary(self, pictures: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) to activations at the boundary; without a prefix, the pictures themselves."""
        with torch.no_grad():
            activations: Tensor = self.prefix(pictures)
        return activations

    def embed_from(self, activations: Tensor) -> Tensor:
        """Activations at the boundary to embeddings (B, D); leaves its input as it is."""
        embeddings: Tensor = self.neck(self.suffix(activations))
        return embeddings

    def forward_from(self, activations: Tensor) -> Tensor:
        """Activations at the boundary to logits (B, C); leaves its input as it is."""
        logits: Tensor = self.head(self.embed_from(activations))
        return logits

    def embed(self, pictures: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) to embeddings (B, D): what enters the last linear layer, before dropout."""
        return self.embed_from(self.boundary(pictures))

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) to logits (B, C)."""
        return self.forward_from(self.boundary(pictures))


def _sequence(blocks: Sequence[tuple[str, nn.Module]]) -> nn.Sequential:
    # A dot would mean a level in a module's name.
    return nn.Sequential(OrderedDict((name.replace(".", "_"), block) for name, block in blocks))
