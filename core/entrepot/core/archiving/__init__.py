"""Repositories as OCI image layouts, in a folder or a tar, for places that no network reaches."""

from entrepot.core.archiving.errors import ArchiveError
from entrepot.core.archiving.exporting import Exported, export
from entrepot.core.archiving.importing import Imported, import_from
from entrepot.core.archiving.names import Selection
from entrepot.core.archiving.sources import Source, open_source
from entrepot.core.archiving.targets import Target, open_target

__all__ = [
    "ArchiveError",
    "Exported",
    "Imported",
    "Selection",
    "Source",
    "Target",
    "export",
    "import_from",
    "open_source",
    "open_target",
]
