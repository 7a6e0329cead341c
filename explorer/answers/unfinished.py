"""A fine-tuning after each of several removals that is not over yet: what lies on disk so that it can go on.

Beside the network that is to come, called NAME, lie NAME.compress.json, which says what was asked and which plan was
chosen, the state NAME.stepN.resume.pt of the training after each removal, and NAME.csv, the epochs of all so far. A
removal is made anew in a moment, and a training that is over is as quickly read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from explorer.files.json import read_json
from explorer.files.whole import write_whole
from explorer.language.saying import say
from explorer.training.state import Epoch, asked_path, history_path, save_history, unfinished_files


@dataclass(frozen=True)
class Unfinished:
    """The fine-tuning of the network called `name` in a folder."""

    name: str
    folder: Path
    epochs: list[Epoch] = field(default_factory=list)  # of this run: those before a stop come again

    @property
    def is_there(self) -> bool:
        """Whether there is one to go on with."""
        return asked_path(self.name, self.folder).is_file()

    def plan(self, asked: Mapping[str, Any]) -> str | None:
        """The plan that was chosen, where there is one to go on with; ValueError where something else was asked."""
        path = asked_path(self.name, self.folder)
        if not self.is_there:
            return None
        try:
            known = dict(read_json(path))
            plan, before = str(known["plan"]), dict(known["asked"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                say("{file} is corrupt; compress without --resume to start from scratch", file=path.name)
            ) from error
        for key, value in asked.items():
            if before.get(key) != value:
                raise ValueError(
                    say(
                        "{file} is from another fine-tuning ({key} {before}, not {value}); repeat that one's options, "
                        "or compress without --resume",
                        file=path.name,
                        key=key,
                        before=str(before.get(key)),
                        value=str(value),
                    )
                )
        return plan

    def begin(self, asked: Mapping[str, Any], plan: str) -> None:
        """Note what is asked and which plan was chosen, before the first epoch."""
        told = {"asked": dict(asked), "plan": plan}
        write_whole(asked_path(self.name, self.folder), json.dumps(told, indent=2).encode())

    def state(self, step: int) -> Path:
        """Where the state of the training after a removal, 1 the first, lies."""
        return asked_path(self.name, self.folder).with_name(f"{self.name}.step{step}.resume.pt")

    def tell(self, record: Epoch, step: int, steps: int) -> None:
        """Add the record of an epoch after a removal, 1 the first of so many, to those of all."""
        whole = replace(record, epoch=(step - 1) * record.epochs + record.epoch, epochs=steps * record.epochs)
        self.epochs.append(whole)
        save_history(self.epochs, history_path(self.name, self.folder))

    def forget(self) -> None:
        """Take away what is there to go on with; the records of the epochs stay."""
        for path in unfinished_files(self.name, self.folder):
            path.unlink(missing_ok=True)
