"""What the driver's tests share."""

from __future__ import annotations

from collections.abc import Callable

from entrepot_oss import OssOptions

MakeOptions = Callable[..., OssOptions]
"""Options for the test's bucket, with changes."""
