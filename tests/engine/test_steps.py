"""Steps of a sweep: logits at a few K each."""

import torch

from explorer.engine.steps import together


def test_steps_of_neighbouring_k_are_put_together():
    logits = torch.arange(8.0).view(8, 1, 1)
    down = [(index, logits[index : index + 1]) for index in (7, 6, 5, 4, 3)]
    apart = [(0, logits[:1]), (1, logits[1:2])]
    found = list(together([*down, *apart], 3))
    assert [(index, step.flatten().tolist()) for index, step in found] == [(5, [5, 6, 7]), (3, [3, 4]), (0, [0, 1])]
    assert [index for index, _ in together([(0, logits[:6]), (6, logits[6:])], 3)] == [0, 6], "what is enough by itself"
    assert list(together([], 3)) == []
