"""WarmupCosine: a linear warm-up, then half a cosine down to a part of the rate."""

import math

from torch.optim import Optimizer, lr_scheduler


def warmup_cosine(optimizer: Optimizer, warmup: int, min_factor: float, total: int) -> lr_scheduler.LambdaLR:
    """Factor (epoch + 1) / warmup while epoch < warmup, then with T = total
    m + (1 - m) * 0.5 * (1 + cos(pi * (epoch - warmup) / (T - warmup)))."""

    def factor(epoch: int) -> float:
        if epoch < warmup:
            return (epoch + 1) / warmup
        return min_factor + (1 - min_factor) * 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / (total - warmup)))

    return lr_scheduler.LambdaLR(optimizer, factor)
