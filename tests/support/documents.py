"""The pages of the documentation as data: links, headings, fenced blocks; and a shell that does what a page shows."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Self

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```(\w*)$")
NAMED = re.compile(r"`([\w.-]+\.\w+)`:$")
LINK = re.compile(r"\[[^\]\[]*\]\(([^)\s]+)\)")
ANYTHING = "…"
COMMAND_SECONDS_MAX = 120


class Block(NamedTuple):
    """What stands between two fences."""

    language: str
    file_name: str | None
    """Given by a line before it that ends with a file name: "Write this to `rules.yaml`:"."""
    lines: list[str]

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


class Command(NamedTuple):
    """One command of a page, without its `$ `, and the lines shown under it."""

    text: str
    shown: list[str]

    @property
    def status(self) -> int:
        """0, unless the command ends with a comment that says otherwise: `# status 3`."""
        said = re.search(r"# status (\d+)$", self.text)
        return int(said.group(1)) if said else 0


class Done(NamedTuple):
    command: Command
    printed: str
    status: int


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def read(page: Path) -> str:
    return page.read_text("utf-8")


def blocks(page: Path) -> Iterator[Block]:
    language, said, inside = "", "", list[str]()
    is_inside = False
    for line in read(page).splitlines():
        fence = FENCE.match(line)
        if fence is None:
            if is_inside:
                inside.append(line)
            elif line:
                said = line
        elif is_inside:
            named = NAMED.search(said)
            yield Block(language, named.group(1) if named else None, inside)
            is_inside, inside, said = False, [], ""
        else:
            is_inside, language = True, fence.group(1)


def commands(block: Block) -> Iterator[Command]:
    """A command starts with `$ ` and goes on as long as its lines end with a backslash; the rest is what it prints."""
    command: Command | None = None
    for line in block.lines:
        if line.startswith("$ "):
            if command is not None:
                yield command
            command = Command(line.removeprefix("$ "), [])
        elif command is not None and command.text.endswith("\\") and not command.shown:
            command = Command(f"{command.text}\n{line}", [])
        elif command is not None:
            command.shown.append(line)
    if command is not None:
        yield command


def links(page: Path) -> list[str]:
    """Where the page leads within the repository; what stands in fences and in code is no link."""
    return [target for target in LINK.findall(_prose(page)) if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """The headings of a page, as the usual renderers name them."""
    headings = re.findall(r"^#+ (.*)$", _prose(page, keep_code=True), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def _prose(page: Path, *, keep_code: bool = False) -> str:
    text = re.sub(r"^```.*?^```$", "", read(page), flags=re.MULTILINE | re.DOTALL)
    return text if keep_code else re.sub(r"`[^`\n]*`", "", text)


def matches(shown: list[str], printed: str) -> bool:
    """A line `…` stands for any lines, `…` in a line for anything on that line."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == ANYTHING else ".*?".join(map(re.escape, line.rstrip().split(ANYTHING))) + r"\n"
        for line in shown
    )
    lines = [line.rstrip() for line in printed.splitlines()]
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None


class Shell:
    """One bash that carries out a page's commands in order: variables, jobs and folders last from one to the next."""

    def __init__(self, process: asyncio.subprocess.Process, replacements: Mapping[str, str]) -> None:
        self._process = process
        self._replacements = replacements

    @classmethod
    async def open(cls, folder: Path, environment: Mapping[str, str], replacements: Mapping[str, str]) -> Self:
        """`replacements` put the test's own addresses where the page shows an example's."""
        process = await asyncio.create_subprocess_exec(
            "bash",
            "--norc",
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=1 << 20,
        )
        return cls(process, replacements)

    async def do(self, command: Command) -> Done:
        """A command sent to the background is waited for until it has printed what the page shows."""
        command = Command(self._replaced(command.text), [self._replaced(line) for line in command.shown])
        assert self._process.stdin is not None
        mark = "\x1e"
        self._process.stdin.write(f"{{ {command.text}\n}} </dev/null; (s=$?; echo '{mark}'$s; exit $s)\n".encode())
        async with asyncio.timeout(COMMAND_SECONDS_MAX):
            printed, status = "", None
            while status is None or (command.text.endswith("&") and not matches(command.shown, printed)):
                line = await self._line()
                before, found, after = line.partition(mark)
                printed += before
                status = int(after) if found else status
        return Done(command, printed, status)

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"kill $(jobs -p) 2>/dev/null; wait\n")
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), COMMAND_SECONDS_MAX)

    async def _line(self) -> str:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the shell ended"
        return line.decode()

    def _replaced(self, text: str) -> str:
        for example, own in self._replacements.items():
            text = text.replace(example, own)
        return text
