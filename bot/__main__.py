"""python -m bot run | chat | areas | criteria | officers | db …"""

import sys

import typer

from bot.channels import ChannelProblem
from bot.commands import areas, channels, chat, criteria, database, officers, run, zalo
from bot.settings import SettingProblem
from storage.database import DatabaseProblem

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command("run")(run.run)
app.command("chat")(chat.chat)
app.add_typer(areas.app, name="areas")
app.add_typer(channels.app, name="channels")
app.add_typer(criteria.app, name="criteria")
app.add_typer(officers.app, name="officers")
app.add_typer(database.app, name="db")
app.add_typer(zalo.app, name="zalo")


def main() -> None:
    """Runs a command; what is wrong is one line that says where, and exit code 2."""
    try:
        app()
    except (SettingProblem, ChannelProblem, DatabaseProblem) as problem:
        sys.exit(_complain(problem))
    except BaseExceptionGroup as group:
        # A problem at the start of a channel comes out of the group of tasks that run beside it.
        problem = next((e for e in _flat(group) if isinstance(e, SettingProblem | ChannelProblem | DatabaseProblem)), None)
        if problem is None:
            raise
        sys.exit(_complain(problem))


def _complain(problem: Exception) -> int:
    print(problem, file=sys.stderr)
    return 2


def _flat(group: BaseExceptionGroup) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _flat(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


if __name__ == "__main__":
    main()
