"""Pages as they are typed: their files are written and their lines given to a shell, in a folder that was empty.

What is run of a page: a fenced block whose first line is `# NAME` is the file NAME, and an indented block is what one types.
A block that cannot be run has the comment `<!-- not typed: REASON -->` above it; other fenced blocks are what is shown.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pipeline.brokers.protocol import Record
from pipeline.brokers.reading import read_now
from pipeline.brokers.url import open_broker, parse_url
from pipeline.clock import SystemClock
from pipeline.config import Configuration, load
from pipeline.wire.headers import is_tick
from tests.support.commands import STOPS_WITHIN_S, environment, eventually

ROOT = Path(__file__).parents[2]
HEADING = re.compile(r"^## (.*)$")
FENCE = re.compile(r"^```")
NAMED = re.compile(r"^# (\S+\.\w+)$")
NOT_TYPED = re.compile(r"^<!-- not typed: (.+) -->$")
INDENT = "    "
WITHIN_S = 300  # of a machine with other work
# The shell stays the parent of what goes on in the background; the signal to stop ends its first `wait`. All ends with whoever started
# it, even if that one is killed: then the pipe to the guard's input breaks.
SCRIPT = """trap : TERM
trap 'echo $? > {code}' EXIT
exec 3<&0 </dev/null
{{ read -r _ <&3; kill -KILL 0; }} >/dev/null 2>&1 &
set -e
{text}
trap - EXIT
echo 0 > {code}
set +e
wait
wait
"""
TOPICS = ("readings", "windows", "predictions", "alerts", "rejected")

Item = TypeVar("Item")


@dataclass(frozen=True)
class Block:
    """One block of a page: lines to type, or a file (`name`); `why_not`: it is shown only."""

    heading: str
    text: str
    name: str | None = None
    why_not: str | None = None


def blocks_of(page: Path) -> list[Block]:
    """What is typed on a page, and what is marked as not typed, in order."""
    found: list[Block] = []
    lines = page.read_text("utf-8").splitlines()
    heading, why_not = "", None
    while lines:
        line = lines.pop(0)
        if named := HEADING.match(line):
            heading = named[1]
        elif mark := NOT_TYPED.match(line):
            why_not = mark[1]
        elif FENCE.match(line):
            end = lines.index("```")
            body, lines = lines[:end], lines[end + 1 :]
            file = NAMED.match(body[0]) if body else None
            if file or why_not:
                found.append(Block(heading, "\n".join(body) + "\n", file[1] if file else None, why_not))
            why_not = None
        elif line.startswith(INDENT):
            body = [line]
            while lines and (lines[0].startswith(INDENT) or (not lines[0] and lines[1:] and lines[1].startswith(INDENT))):
                body.append(lines.pop(0))
            found.append(Block(heading, "\n".join(part.removeprefix(INDENT) for part in body) + "\n", None, why_not))
            why_not = None
    return found


class Typed:
    """Lines that a shell was given. What they leave running goes on until `stop`."""

    def __init__(self, process: subprocess.Popen[bytes], place: Path) -> None:
        self._process = process
        self._place = place

    @property
    def shown(self) -> str:
        """Standard output up to now."""
        return self._place.with_suffix(".out").read_text("utf-8")

    @property
    def said(self) -> str:
        """Standard error up to now."""
        return self._place.with_suffix(".err").read_text("utf-8")

    def ends_well(self) -> Typed:
        """Returns when the last line has ended; each must have ended well."""
        eventually(self._has_ended, WITHIN_S, self.all)
        assert "Traceback" not in self.said, self.all()
        return self

    def until(self, condition: Callable[[], object]) -> None:
        """Returns when the condition is true; no line may have ended badly by then."""
        eventually(lambda: (self._has_ended() or True) and condition(), WITHIN_S, self.all)

    def _has_ended(self) -> bool:
        code = self._place.with_suffix(".code")
        ended = code.read_text() if code.exists() else ""
        assert ended in ("", "0\n"), self.all()
        return bool(ended)

    def all(self) -> str:
        """What is on both, for whoever looks why it failed."""
        return f"{self.shown[-3_000:]}\n{self.said[-6_000:]}"

    def stop(self) -> None:
        """Tells all that runs to stop, as closing the terminal does, and waits until it has; whatever is left is killed."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOPS_WITHIN_S)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


@dataclass
class Shell:
    """A folder in which a page is typed. `instead` has what stands in the page for addresses of this machine.

    With a name, its topics and groups are called after it, by the environment: so pages can share a broker.
    """

    folder: Path
    instead: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None
    typed: list[Typed] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """Of the shell: the installation's programs on the path."""
        own = {"pipeline__name": self.name, **{f"topics__{kind}": f"{self.name}.{kind}" for kind in TOPICS}} if self.name else {}
        inherited = environment(**own, **self.settings)
        return {**inherited, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{inherited['PATH']}"}

    def start(self, block: Block) -> Typed:
        """Writes the block's file, or types its lines; does not wait for their end."""
        assert block.why_not is None, f"not to be typed: {block.why_not}"
        text = block.text
        for shown, here in self.instead.items():
            text = text.replace(shown, here)
        self.folder.mkdir(exist_ok=True)
        if block.name is not None:
            (self.folder / block.name).write_text(text, "utf-8")
            text = ":\n"
        beside = self.folder.with_name(f"{self.folder.name}-typed")
        beside.mkdir(exist_ok=True)
        place = beside / str(len(self.typed))
        code = place.with_suffix(".code")
        script = SCRIPT.format(code=code, text=text)
        with place.with_suffix(".out").open("wb") as out, place.with_suffix(".err").open("wb") as err:
            process = subprocess.Popen(
                ["bash", "-c", script],
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.typed.append(Typed(process, place))
        return self.typed[-1]

    def type(self, *blocks: Block) -> Typed:
        """Types blocks one after the other, each of which must end well; returns the last."""
        for block in blocks:
            done = self.start(block).ends_well()
        return done

    def close(self) -> None:
        """Stops all that was started, the last first."""
        for typed in reversed(self.typed):
            typed.stop()

    def configuration(self) -> Configuration:
        """As the commands see it."""
        return load(self.folder / "sensorline.toml", self.environment())

    def records(self, kind: str) -> list[Record]:
        """The records on one of the topics now, without ticks."""
        chosen = self.configuration()
        topics = {**chosen.settings.topics.names(), "shadow": chosen.settings.topics.shadow}
        broker = open_broker(parse_url(chosen.settings.broker.url, self.folder), SystemClock())
        try:
            return [record for record in read_now(broker, topics[kind], broker.end_offsets(topics[kind])) if not is_tick(record)]
        finally:
            broker.close()

    def await_items(self, kind: str, decode: Callable[[bytes], Item], enough: Callable[[list[Item]], bool] = bool) -> list[Item]:
        """Returns what is on a topic as soon as it is enough."""

        def found() -> list[Item]:
            items = [decode(record.value or b"") for record in self.records(kind)]
            return items if enough(items) else []

        return eventually(found, WITHIN_S, lambda: [typed.all() for typed in self.typed])
