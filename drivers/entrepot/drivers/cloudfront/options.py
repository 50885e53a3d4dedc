"""What `cloudfront` may be told; the keys are Distribution's."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from entrepot.core import MiddlewareOptions
from entrepot.core.configuration import Duration
from entrepot.core.configuration.tree import is_list
from entrepot.drivers.redirect import base_url

_AWS_RANGES = "https://ip-ranges.amazonaws.com/ip-ranges.json"
_SHORTEST = Duration.parse("1m")


def _https_unless_told(given: object) -> object:
    return f"https://{given}" if isinstance(given, str) and "://" not in given else given


def _word(given: object) -> object:
    return given.strip().lower() or "none" if isinstance(given, str) else given


def _regions(given: object) -> object:
    """A text of names between commas, or a list of names."""
    if isinstance(given, str):
        given = given.split(",")
    if not is_list(given):
        return given
    words = (str(word).strip().lower() for word in given)
    return tuple(word for word in words if word)


class CloudfrontOptions(MiddlewareOptions):
    """Options of the cloudfront middleware."""

    baseurl: Annotated[str, BeforeValidator(_https_unless_told)] = Field(
        description="URL of the CloudFront distribution, like "
        "https://d111111abcdef8.cloudfront.net; the object's name in the bucket is appended."
    )
    privatekey: str = Field(
        min_length=1, description="Path of the RSA key that signs, a PEM file without a password."
    )
    keypairid: str = Field(description="CloudFront's id of the public key.")
    duration: Duration = Field(
        default=Duration.parse("20m"), description="How long a URL is good; at least 1s."
    )
    ipfilteredby: Annotated[Literal["none", "aws", "awsregion"], BeforeValidator(_word)] = Field(
        default="none",
        description="Which clients are sent to the store's own URLs instead: `none`, all in `aws`, "
        "or those in `awsregion`.",
    )
    awsregion: Annotated[tuple[str, ...], BeforeValidator(_regions)] = Field(
        default=(), description="Regions whose clients go to the store, separated by commas."
    )
    updatefrequency: Duration = Field(
        default=Duration.parse("12h"),
        description="Time between two looks at AWS's address ranges; at least 1m.",
    )
    updatefrenquency: Duration | None = Field(
        default=None, description="Distribution's old spelling of `updatefrequency`."
    )
    iprangesurl: str = Field(
        default=_AWS_RANGES, description="Where AWS's address ranges are told."
    )

    @field_validator("baseurl")
    @classmethod
    def _is_base(cls, given: str) -> str:
        return base_url(given)

    @field_validator("keypairid")
    @classmethod
    def _is_id(cls, given: str) -> str:
        if not (given.isascii() and given.isalnum()):
            raise ValueError("letters and digits are wanted; write it like K2JCJMDEHXQW5F")
        return given

    @field_validator("duration")
    @classmethod
    def _some_time(cls, duration: Duration) -> Duration:
        if duration.seconds < 1:
            raise ValueError("at least 1s is wanted; write it like 20m")
        return duration

    @field_validator("updatefrequency", "updatefrenquency")
    @classmethod
    def _not_too_often(cls, duration: Duration | None) -> Duration | None:
        if duration is not None and duration < _SHORTEST:
            raise ValueError("at least 1m is wanted; write it like 12h")
        return duration

    @field_validator("iprangesurl")
    @classmethod
    def _is_url(cls, given: str) -> str:
        parts = urlsplit(given)
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            raise ValueError(f"a URL without a user is wanted; write it like {_AWS_RANGES}")
        return given

    @model_validator(mode="after")
    def _names_regions(self) -> Self:
        if self.ipfilteredby == "awsregion" and not self.awsregion:
            raise ValueError(
                "`ipfilteredby: awsregion` needs `awsregion`; write it like us-east-1,eu-west-1"
            )
        return self

    @property
    def update_seconds(self) -> float:
        """Distribution's old spelling wins, as it does there."""
        return (self.updatefrenquency or self.updatefrequency).seconds
