"""One `[[destinations]]` table: where alerts go besides their topic. What a URL may be is known to `pipeline.destinations`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from pipeline.config.alerts import Patterns
from pipeline.config.fields import Duration, Name, Section, key_problem


class DestinationSettings(Section):
    """A receiver of alerts, with a consumer group of its own."""

    name: Name
    kind: Literal["webhook", "message", "console"]
    url: SecretStr | None = None  # of a webhook; for messages Apprise's, which carries tokens
    secret: SecretStr | None = None  # signs a webhook's requests
    rules: Patterns = ("*",)
    begin: Literal["oldest", "newest"] = "oldest"  # of a destination that is new
    timeout_ms: Duration = Field(default=10_000, alias="timeout")
    backoff_ms: Duration = Field(default=1_000, alias="backoff")
    longest_backoff_ms: Duration = Field(default=300_000, alias="longest_backoff")

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
