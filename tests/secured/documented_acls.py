"""The ACLs of docs/operations.md, parsed from the page."""

import argparse
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from cohost_schemas import topics
from stack.services import REPOSITORY

PREFIX = topics.DEFAULT_PREFIX
_PAGE = REPOSITORY / "docs" / "operations.md"
_KINDS = {"topic": 2, "group": 3, "transactional-id": 5}
_OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10}
_LITERAL, _PREFIXED, _ALLOW = 3, 4, 3

_PRINCIPALS = "platform|gateway|invitations|broadcast|exporter|readers|ops"
_ROW = re.compile(rf"^\| (`(?:{_PRINCIPALS})`.*) \|$", re.MULTILINE)
_TOPICS = re.compile(r"(?P<operations>\w+(?: and \w+)?) (?P<names>all|`.*`)")
_OTHERS = re.compile(
    r"(?P<operation>\w+) (all )?(?P<kind>group|transactional id)s?(?P<prefixed> prefixed)?( `(?P<name>.*)`)?"
)
_CALL = re.compile(r"^kafka-acls\.sh .* --add (.*)$", re.MULTILINE)

WireAcl: TypeAlias = tuple[int, str, int, str, str, int, int]


@dataclass(frozen=True, order=True)
class Acl:
    """One operation allowed to a principal on one resource, or on every resource with the prefix."""

    principal: str
    operation: str
    kind: str
    name: str
    prefixed: bool = False

    def to_wire(self) -> WireAcl:
        """Return the fields of the Kafka protocol."""
        pattern = _PREFIXED if self.prefixed else _LITERAL
        principals = f"User:{self.principal}"
        return (_KINDS[self.kind], self.name, pattern, principals, "*", _OPERATIONS[self.operation], _ALLOW)


def acls_in_table() -> set[Acl]:
    """Return the ACLs of the page's table."""
    return {acl for row in _ROW.findall(_PAGE.read_text()) for acl in _parse_row(row)}


def acls_in_commands() -> set[Acl]:
    """Return the ACLs added by the page's kafka-acls.sh commands."""
    text = _PAGE.read_text().replace("\\\n", " ")
    return {acl for call in _CALL.findall(text) for acl in _parse_call(shlex.split(call))}


def _parse_row(row: str) -> Iterator[Acl]:
    principals, on_topics, on_others = (cell.strip() for cell in re.sub(r" \([^)]*\)", "", row).split("|"))
    for principal in re.findall(r"`(\w+)`", principals):
        for clause in filter(None, on_topics.split("; ")):
            yield from _topic_acls(principal, clause)
        for clause in filter(None, on_others.split("; ")):
            yield _other_acls(principal, clause)


def _topic_acls(principal: str, clause: str) -> Iterator[Acl]:
    found = _TOPICS.fullmatch(clause)
    assert found, clause
    for operation in found["operations"].split(" and "):
        if found["names"] == "all":
            yield Acl(principal, operation, "topic", PREFIX, prefixed=True)
        for name in re.findall(r"`([^`]+)`", found["names"]):
            yield Acl(principal, operation, "topic", PREFIX + name)


def _other_acls(principal: str, clause: str) -> Acl:
    found = _OTHERS.fullmatch(clause)
    assert found, clause
    kind = found["kind"].replace(" ", "-")
    return Acl(principal, found["operation"], kind, found["name"] or "*", prefixed=bool(found["prefixed"]))


def _parse_call(words: list[str]) -> Iterator[Acl]:
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--allow-principal", required=True)
    parser.add_argument("--operation", action="append", required=True)
    parser.add_argument("--resource-pattern-type", default="literal")
    for kind in _KINDS:
        parser.add_argument(f"--{kind}", action="append", default=[])
    options = vars(parser.parse_args(words))
    principal = options["allow_principal"].removeprefix("User:")
    for kind in _KINDS:
        for name in options[kind.replace("-", "_")]:
            for operation in options["operation"]:
                yield Acl(principal, operation, kind, name, options["resource_pattern_type"] == "prefixed")
