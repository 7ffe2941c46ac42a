"""RangeTest: the rate grows geometrically until the loss gives way (Smith, Cyclical Learning Rates, 2017, 3.3)."""

from torch.optim import Optimizer, lr_scheduler


class RangeTest(lr_scheduler.LRScheduler):
    """Rate min_lr * (max_lr / min_lr) ** (step / (total - 1)) for every group, `total` steps."""

    def __init__(self, optimizer: Optimizer, min_lr: float, max_lr: float, total: int) -> None:
        if not 0 < min_lr < max_lr:
            raise ValueError("needs 0 < min_lr < max_lr")
        self.min_lr, self.ratio, self.total = min_lr, max_lr / min_lr, total
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:  # type: ignore[override]
        rate = self.min_lr * self.ratio ** (self.last_epoch / max(self.total - 1, 1))
        return [rate] * len(self.optimizer.param_groups)


SMOOTHING = 0.9  # of the moving average over steps
GIVEN_WAY = 4.0  # times the best smoothed loss


def smoothed(losses: list[float]) -> list[float]:
    """Bias-corrected exponential moving average."""
    average, result = 0.0, []
    for count, loss in enumerate(losses, start=1):
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        result.append(average / (1 - SMOOTHING**count))
    return result


def suggest(rates: list[float], losses: list[float]) -> float | None:
    """A tenth of the rate at which the smoothed loss was lowest; None without a loss."""
    curve = smoothed(losses)
    if not curve:
        return None
    return rates[min(range(len(curve)), key=curve.__getitem__)] / 10
