"""The `chatgate` command, also as `python -m chatgate`."""

# First of all, so that ordinary blocking code in anybody's plugin cooperates.
from gevent import monkey

monkey.patch_all()

from chatgate.cli import cli  # noqa: E402


def main() -> None:
    cli(prog_name="chatgate")


if __name__ == "__main__":
    main()
