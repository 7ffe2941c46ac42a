"""What a worker host is told of its slots."""

import pytest

from worker.main import Group, parse_slots, visible_devices


def test_slots_are_read_device_by_device() -> None:
    groups = [(group.device, group.queue, group.slots) for group in parse_slots("cpu=2,cuda:1=3,cuda=1,cpu=0")]
    assert groups == [("cpu", "cpu", 2), ("cuda:1", "cuda", 3), ("cuda:0", "cuda", 1)]
    assert list(parse_slots("cuda:1+cuda:3=1")) == [Group("cuda:1+cuda:3", 1)]
    assert Group("cuda:1+cuda:3", 1).queue == "cuda-2"


@pytest.mark.parametrize("text", ["", "cpu", "gpu=1", "cpu:1=1", "cuda:0+cuda:0=1", "cuda:0+1=1", "cpu+cuda:0=1"])
def test_what_is_no_slot_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not like|twice"):
        list(parse_slots(text))


def test_a_trainer_sees_its_slots_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [visible_devices(device) for device in ("cpu", "cuda:0", "cuda:1+cuda:2")] == ["", "0", "1,2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-5,6")
    assert visible_devices("cuda:1+cuda:2") == "GPU-5,6"
