"""One `[[destinations]]` table: where alerts go besides their topic. What a URL may be is known to `pipeline.destinations`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from pipeline.config.alerts import Patterns
from pipeline.config.fields import Duration, Int, Name, Section, key_problem


class DestinationSettings(Section):
    """A receiver of alerts, with a consumer group of its own."""

    name: Name = Field(description="Its name; its consumer group has it too.")
    kind: Literal["webhook", "message", "console"] = Field(description="A request, a message (chat, mail), or a line on standard output.")
    url: SecretStr | None = Field(default=None, description="The webhook's, or for a message Apprise's; it may carry tokens.")
    secret: SecretStr | None = Field(default=None, description="Signs the requests of a webhook.")
    rules: Patterns = Field(default=("*",), description="The rules whose alerts it gets, by names or patterns.")
    begin: Literal["oldest", "newest"] = Field(default="oldest", description="Where a destination that is new begins on the alerts topic.")
    timeout_ms: Duration = Field(default=10_000, alias="timeout", description="How long a webhook may take for an answer.")
    backoff_ms: Duration = Field(default=1_000, alias="backoff", description="How long the second try waits; each further one longer.")
    longest_backoff_ms: Duration = Field(default=300_000, alias="longest_backoff", description="The longest that a try waits.")
    most_refusals: Int = Field(default=10, ge=1, description="How often a webhook may refuse an alert's content before it is given up.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.url is None) is (self.kind != "console"):
            raise key_problem("url", f'is {"no key" if self.url else "needed"} of kind "{self.kind}"')
        if self.secret is not None and self.kind != "webhook":
            raise key_problem("secret", "signs the requests of a webhook; no other kind has it")
        if self.kind == "webhook" and self.url and not self.url.get_secret_value().startswith(("http://", "https://")):
            raise key_problem("url", "must begin with http:// or https://")
        for key in ("timeout", "backoff"):
            if getattr(self, f"{key}_ms") == 0:
                raise key_problem(key, "must be more than 0")
        if self.longest_backoff_ms < self.backoff_ms:
            raise key_problem("longest_backoff", "must be at least backoff")
        return self
