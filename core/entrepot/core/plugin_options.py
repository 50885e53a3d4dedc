"""What the options of everything that plug-ins offer have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class PluginOptions(BaseModel):
    """One field a key. Unknown keys are mistakes, and no message shows what was written.

    A field's description is what the documentation and the error messages show. Field names
    are the configuration's keys, in lower case.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
