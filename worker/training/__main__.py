"""`python -m worker.training config.json`: train, and print what happens as JSON lines. Ctrl-C asks for a pause."""

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any

from . import Requests, run


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m worker.training",
        description="Train what a config says and print what happens as JSON lines. Ctrl-C asks for a pause.",
        epilog="Exit status: 0 when the training succeeded or was stopped, 1 when it failed, 2 for a bad config file.",
    )
    parser.add_argument("config", type=Path, help="the engine's config, as JSON (see worker/training/config.py)")
    path = parser.parse_args().config
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        parser.error(f"{path}: {error}")
    requests, outcome = Requests(), ""

    def report(message: dict[str, Any]) -> None:
        nonlocal outcome
        outcome = message.get("outcome", outcome)
        print(json.dumps(message), flush=True)

    def pause(number: int, frame: object) -> None:
        requests.wanted = "pause"

    signal.signal(signal.SIGINT, pause)
    run(config, report, requests)
    return 0 if outcome in ("succeeded", "stopped") else 1


if __name__ == "__main__":
    sys.exit(main())
