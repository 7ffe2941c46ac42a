"""Every layer with arguments that are not its defaults, and the shape of a sample that it takes."""

from typing import Any

Sample = tuple[dict[str, Any], list[int]]


def layer(kind: str, shape: list[int], /, **arguments: Any) -> Sample:
    return {"type": kind, **arguments}, shape


ACTIVATIONS = (
    "ELU", "CELU", "SELU", "GELU", "ReLU", "ReLU6", "LeakyReLU", "RReLU", "SiLU", "Mish", "Hardshrink", "Hardsigmoid",
    "Hardswish", "Hardtanh", "LogSigmoid", "Sigmoid", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink",
    "PReLU", "Identity", "Dropout", "AlphaDropout",
)  # fmt: skip
SPACE = {1: [4, 9], 2: [4, 9, 8], 3: [4, 5, 6, 7]}  # channels first


def in_space(kind: str, **arguments: Any) -> list[Sample]:
    """The layer in one, two and three dimensions."""
    return [layer(f"{kind}{n}d", shape, **arguments) for n, shape in SPACE.items()]


SAMPLES: list[Sample] = [
    *(layer(kind, [3, 5]) for kind in ACTIVATIONS),
    layer("PReLU", [3, 5], num_parameters=3, init=0.1),
    layer("GELU", [6], approximate="tanh"),
    layer("Threshold", [6], threshold=0.1, value=20.0),
    layer("GLU", [6]),
    layer("GLU", [4, 5], dim=1),
    *(layer(kind, [3, 5], dim=-1) for kind in ("Softmin", "Softmax", "LogSoftmax")),
    layer("Softmax2d", [3, 4, 5]),
    layer("Linear", [7], out_features=3, bias=False),
    layer("Linear", [2, 3, 7], out_features=4),
    *in_space("Conv", out_channels=6, kernel_size=3, stride=2, padding=1, groups=2, bias=False),
    *in_space("Conv", out_channels=6, kernel_size=2, dilation=2, padding="same", padding_mode="circular"),
    layer("Conv2d", [3, 9, 7], out_channels=5, kernel_size=[3, 2], stride=[2, 1], padding=[0, 1], dilation=[1, 2]),
    layer("Conv2d", [4, 6, 6], out_channels=8, kernel_size=3, padding="valid", groups=4, padding_mode="reflect"),
    *in_space("ConvTranspose", out_channels=6, kernel_size=3, stride=2, output_padding=1, padding=1, groups=2),
    layer("ConvTranspose2d", [4, 3, 5], out_channels=3, kernel_size=[2, 3], stride=[1, 2], dilation=[2, 1]),
    *(in_space("BatchNorm", eps=0.01, momentum=None)),
    layer("BatchNorm1d", [5], affine=False, track_running_stats=False),
    layer("BatchNorm2d", [4, 3, 3], bias=False),
    *(in_space("InstanceNorm", affine=True, track_running_stats=True)),
    layer("InstanceNorm1d", [4, 9], affine=True, bias=False),
    layer("LayerNorm", [3, 5], bias=False),
    layer("LayerNorm", [3, 5], normalized_shape=[3, 5], elementwise_affine=False),
    layer("RMSNorm", [3, 5], eps=0.0),
    layer("GroupNorm", [6, 4], num_groups=3),
    layer("GroupNorm", [6, 4], num_groups=2, bias=False),
    layer("LocalResponseNorm", [6, 4, 4], size=3),
    *in_space("Dropout", p=0.3),
    layer("FeatureAlphaDropout", [3, 4, 4], p=0.2),
    *in_space("MaxPool", kernel_size=3, stride=2, padding=1, dilation=2, ceil_mode=True),
    *in_space("AvgPool", kernel_size=3, padding=1, ceil_mode=True, count_include_pad=False),
    layer("AvgPool2d", [2, 6, 6], kernel_size=[2, 3], divisor_override=5),
    *in_space("LPPool", norm_type=2, kernel_size=2, stride=1),
    *in_space("AdaptiveAvgPool", output_size=2),
    *in_space("AdaptiveMaxPool", output_size=2),
    layer("AdaptiveAvgPool2d", [2, 7, 5], output_size=[3, 2]),
    layer("AdaptiveMaxPool3d", [2, 4, 5, 3], output_size=[None, 2, None]),
    layer("FractionalMaxPool2d", [2, 8, 8], kernel_size=2, output_ratio=0.5),
    layer("FractionalMaxPool3d", [2, 8, 8, 8], kernel_size=[2, 2, 3], output_size=[4, 4, 3]),
    layer("Flatten", [2, 3, 4], start_dim=2),
    layer("Unflatten", [12, 2], dim=1, unflattened_size=[3, 4]),
    layer("Unflatten", [12], dim=1, unflattened_size=[3, -1]),
    layer("Reshape", [2, 6], shape=[3, -1]),
    layer("Permute", [2, 3, 4], dims=[0, 3, 1, 2]),
    layer("MeanPool", [2, 3, 4], dim=[2, 3]),
    layer("LastStep", [5, 3]),
    layer("Unfold", [2, 6, 6], kernel_size=[2, 3], stride=2, padding=1),
    layer("Fold", [8, 9], output_size=[4, 4], kernel_size=2),
    layer("PixelShuffle", [8, 3, 3], upscale_factor=2),
    layer("PixelUnshuffle", [2, 6, 4], downscale_factor=2),
    layer("ChannelShuffle", [6, 3, 3], groups=3),
    layer("Upsample", [2, 5], scale_factor=1.5, mode="linear", align_corners=True),
    layer("Upsample", [2, 5, 4], scale_factor=[2, 1.5]),
    layer("Upsample", [2, 5, 4], size=[7, 3], mode="bicubic"),
    layer("Upsample", [2, 3, 3, 3], scale_factor=2, mode="trilinear"),
    layer("UpsamplingNearest2d", [2, 4, 4], size=7),
    layer("UpsamplingBilinear2d", [2, 4, 4], scale_factor=2),
    *(sample for kind in ("ReflectionPad", "ReplicationPad", "ZeroPad", "CircularPad") for sample in
      in_space(kind, padding=2)),
    *in_space("ConstantPad", padding=1, value=0.5),
    layer("ZeroPad2d", [2, 4, 4], padding=[0, 1, 2, 3]),
    layer("ConstantPad1d", [2, 9], padding=[-2, 1], value=3),
    layer("Embedding", [5], embedding_dim=4, padding_idx=0, max_norm=1.0),
    layer("EmbeddingBag", [5], embedding_dim=4, mode="sum", padding_idx=1),
    layer("EmbeddingBag", [5], embedding_dim=4, mode="max"),
    layer("LSTM", [5, 3], hidden_size=4, num_layers=2, bidirectional=True, batch_first=True, proj_size=2),
    layer("GRU", [5, 3], hidden_size=4, num_layers=2, bias=False, batch_first=True),
    layer("RNN", [5, 3], hidden_size=4, nonlinearity="relu", bidirectional=True),
    layer("MultiheadAttention", [5, 6], num_heads=3, batch_first=True, add_bias_kv=True, add_zero_attn=True),
    layer("TransformerEncoderLayer", [5, 6], nhead=2, dim_feedforward=7, batch_first=True, norm_first=True, bias=False),
]  # fmt: skip
