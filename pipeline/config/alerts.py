"""One `[[alerts]]` table, and how it becomes an `AlertRule`."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from pipeline.config.fields import Bool, Duration, Name, Number, Section, key_problem, problem
from pipeline.core.alerting import AlertRule
from pipeline.core.policy import PolicyError

_N_OF_M = re.compile(r"([0-9]{1,6}) of ([0-9]{1,6})")


def _n_of_m(value: object) -> tuple[int, int]:
    match = _N_OF_M.fullmatch(value) if isinstance(value, str) else None
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise problem('must be "N of M" windows with 1 <= N <= M, such as "3 of 5"')
    return int(match[1]), int(match[2])


NOfM = Annotated[tuple[int, int], BeforeValidator(_n_of_m), PlainSerializer(lambda pair: f"{pair[0]} of {pair[1]}")]


class AlertSettings(Section):
    """When a device is in alarm: an output below or above a bound in N of the last M windows."""

    name: Name
    output: str = Field(min_length=1)
    below: Number | None = None
    above: Number | None = None
    clear_above: Number | None = None
    clear_below: Number | None = None
    for_: NOfM = Field(default=(1, 1), alias="for")
    cooldown_ms: Duration = Field(default=0, alias="cooldown")
    early: Bool = False

    def rule(self) -> AlertRule:
        """The rule that these keys describe."""
        needed, of = self.for_
        return AlertRule(
            name=self.name,
            output=self.output,
            below=self.below,
            above=self.above,
            clear_above=self.clear_above,
            clear_below=self.clear_below,
            needed=needed,
            of=of,
            cooldown_ms=self.cooldown_ms,
            early=self.early,
        )

    @model_validator(mode="after")
    def _is_a_rule(self) -> Self:
        try:
            self.rule()
        except PolicyError as error:
            raise key_problem(error.key, error.allowed) from None
        return self
