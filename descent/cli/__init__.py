"""The command line: `descent`. Everything but its frame is imported by the command that is called."""


def main() -> None:
    from descent.cli.commands import run

    run()
