import pytest
import torch
from torch import nn
from torchvision import models

from carsray.config import BACKBONES, TrialConfig
from carsray.errors import ConfigError
from carsray.models.backbones import block_count, skeleton, smallest_picture
from carsray.models.build import build_network

ONE_OF_EACH_KIND = (
    *("resnet18", "resnet50", "densenet121", "mobilenet_v2", "mobilenet_v3_small"),
    *("efficientnet_b0", "efficientnet_v2_s", "convnext_tiny"),
)


def _embedding_as_torchvision_has_it(backbone: str, state: dict[str, torch.Tensor], pictures: torch.Tensor):
    with torch.device("meta"):
        theirs = models.get_model(backbone)
    if hasattr(theirs, "fc"):
        theirs.fc = nn.Identity()
    elif isinstance(theirs.classifier, nn.Sequential):
        theirs.classifier[-1] = nn.Identity()
    else:
        theirs.classifier = nn.Identity()
    theirs.load_state_dict(state, assign=True)
    return theirs.eval()(pictures)


@pytest.mark.parametrize("backbone", ONE_OF_EACH_KIND)
def test_block_by_block_equals_torchvision_bit_for_bit(backbone):
    network = build_network(TrialConfig(backbone=backbone, unfreeze_depth=2), 5).eval()
    pictures = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = _embedding_as_torchvision_has_it(backbone, network.backbone.state_dict(), pictures)
        assert torch.equal(network.embed(pictures), expected)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_blocks_and_neck_hold_every_layer_once(backbone):
    parts = skeleton(backbone)
    grouped = [*(block for _, block in parts.blocks), parts.neck]
    seen = [id(parameter) for module in grouped for parameter in module.parameters()]
    assert sorted(seen) == sorted(map(id, parts.owner.parameters()))
    assert not list(parts.pool.parameters())


@pytest.mark.parametrize("backbone", BACKBONES)
def test_names_and_shapes_are_torchvisions_own(backbone):
    ours = {name: tensor.shape for name, tensor in skeleton(backbone).owner.state_dict().items()}
    with torch.device("meta"):
        theirs = {name: tensor.shape for name, tensor in models.get_model(backbone).state_dict().items()}
    last_linear = list(theirs)[-2:]
    assert ours == {name: shape for name, shape in theirs.items() if name not in last_linear}


@pytest.mark.parametrize("backbone", BACKBONES)
def test_no_block_changes_its_input_in_place(backbone):
    with torch.device("meta"):
        network = build_network(TrialConfig(backbone=backbone, dropout=0.5), 5)
    network.to_empty(device="cpu")
    activations = [torch.rand(2, 3, 64, 64)]
    versions = [activations[0]._version]
    for layer in [*(block for _, block in network.blocks), *network.neck, network.head.dropout, network.head.linear]:
        activations.append(layer(activations[-1]))
        versions.append(activations[-1]._version)
    # Writing in place raises the version of a tensor and of all its views.
    assert [activation._version for activation in activations] == versions


@pytest.mark.parametrize(
    ("backbone", "count"), [("resnet18", 9), ("resnet50", 17), ("densenet121", 5), ("mobilenet_v2", 19)]
)
def test_number_of_blocks(backbone, count):
    assert block_count(backbone) == count


def test_resnet_blocks_are_the_stem_and_the_residual_units():
    names = [name for name, _ in skeleton("resnet50").blocks]
    assert names[:4] == ["stem", "layer1.0", "layer1.1", "layer1.2"]
    assert names[-1] == "layer4.2"


def test_densenet_block_includes_its_transition():
    blocks = dict(skeleton("densenet121").blocks)
    assert list(blocks) == ["stem", "denseblock1", "denseblock2", "denseblock3", "denseblock4"]
    assert isinstance(blocks["denseblock1"][-1], models.densenet._Transition)
    assert [type(layer) for layer in blocks["denseblock4"][1:]] == [nn.BatchNorm2d, nn.ReLU]


def test_the_cnn_has_no_block_count():
    with pytest.raises(ConfigError, match="backbone = 'cnn': has no blocks to freeze"):
        block_count("cnn")


@pytest.mark.parametrize("backbone", ["densenet121", "efficientnet_v2_s", "convnext_tiny"])
def test_a_picture_of_the_smallest_size_goes_through(backbone):
    side = smallest_picture(backbone)
    with torch.device("meta"):
        network = build_network(TrialConfig(backbone=backbone, image_size=side), 5)
        assert network(torch.empty(2, 3, side, side)).shape == (2, 5)


def test_too_small_a_picture_is_refused():
    with pytest.raises(ConfigError, match="image_size = 16: densenet121 needs at least 29 pixels"):
        build_network(TrialConfig(backbone="densenet121", image_size=16), 5)
