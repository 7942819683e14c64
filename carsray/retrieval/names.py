"""What the parts of a retrieval are called. Nothing heavy is imported here, so that settings may use the names."""

from typing import Literal, get_args

Distance = Literal["manhattan", "euclidean", "cosine", "inner"]
Normalize = Literal["none", "l2", "whiten"]
Vote = Literal["majority", "distance-weighted", "softmax"]
Tie = Literal["lowest-label", "nearest"]

DISTANCES: tuple[Distance, ...] = get_args(Distance)
NORMALIZATIONS: tuple[Normalize, ...] = get_args(Normalize)
VOTES: tuple[Vote, ...] = get_args(Vote)
TIES: tuple[Tie, ...] = get_args(Tie)
