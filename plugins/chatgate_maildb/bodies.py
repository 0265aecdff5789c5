"""Bodies on their way into the database: a small one in its row, a large one in a file beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from chatgate.api import StoreUnavailable, header_size
from chatgate_maildb.blobs import Blobs
from chatgate_maildb.writer import Transaction, Writer

T = TypeVar("T")

# size, header_size, file, data
Body = tuple[int, int, str | None, bytes | None]
_INSERT = "INSERT INTO body (size, header_size, file, data) VALUES (?, ?, ?, ?)"


def insert(tx: Transaction, body: Body) -> int:
    """The id of the new row."""
    return tx.execute(_INSERT, body).lastrowid


class Bodies:
    """largest: octets of a body that is kept in its row."""

    def __init__(self, writer: Writer, blobs: Blobs, largest: int) -> None:
        self._writer, self._blobs, self._largest = writer, blobs, largest

    def columns(self, content: bytes) -> Body:
        """The columns of a body: size, size of the header, file, data. Writes the file of a large one."""
        size = len(content)
        file = self._blobs.write(content) if size > self._largest else None
        return size, header_size(content), file, content if file is None else None

    def drop(self, bodies: Sequence[Body]) -> None:
        """Remove the files of bodies that got no row."""
        files = _files(bodies)
        self._blobs.settled(files)
        self._blobs.remove(files)

    def written(
        self, bodies: Sequence[Body], work: Callable[[Transaction], T], patient: bool = False, grows: bool = True
    ) -> T:
        """Run the work, which refers to these bodies, in a transaction, and return its result."""
        try:
            return self._writer.run(work, patient=patient, grows=grows)
        except StoreUnavailable:
            raise  # the commit may be on disk after all, so the files must stay; if it is not, the sweep removes them
        except Exception:
            self.drop(bodies)
            raise
        finally:
            self._blobs.settled(_files(bodies))


def _files(bodies: Sequence[Body]) -> list[str]:
    return [file for _, _, file, _ in bodies if file is not None]
