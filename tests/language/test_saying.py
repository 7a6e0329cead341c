"""What is said: in the language spoken here, again in another, and never that of somebody else."""

import pickle
import threading

import pytest

from explorer.files.errors import sentence
from explorer.language import saying
from explorer.language.saying import Said, again, as_here, kept, language, listed, say, speaking

ENGLISH, CHINESE = "does not fit: give a number from {low:g} to {high:g}; showing {shown:g}", "不合适"


def test_english_is_the_code_s_own():
    assert say("Prune") == "Prune" and language() == "en"
    assert say("none of these {braces}") == "none of these {braces}"


def test_values_stand_where_the_language_wants_them():
    with speaking("zh"):
        assert say(ENGLISH, low=1, high=2, shown=1.5) == "不合适：请给出 1 到 2 之间的数；现显示 1.5"
        assert listed(["a", "b"]) == "a、b"
    assert listed(["a", "b"]) == "a, b"


def test_what_no_catalogue_has_stays_english():
    with speaking("zh"):
        assert say("nobody says this of {thing}", thing="x") == "nobody says this of x"


def test_an_error_is_said_again_in_the_language_of_who_reads_it():
    error = ValueError(say(ENGLISH, low=1, high=2, shown=1))
    assert str(error) == "does not fit: give a number from 1 to 2; showing 1"
    with speaking("zh"):
        assert sentence(error).startswith(CHINESE) and again(str(error)).startswith(CHINESE)
        within = say("The link's {name} “{shown}” {fix}.", name="k", shown="9", fix=str(error))
        chinese = str(within)
    assert "The link" in again(chinese) and "does not fit" in again(chinese)
    assert say(chinese) == again(chinese)


def test_what_was_said_elsewhere_is_said_here_within_another_sentence():
    error = ValueError(say(ENGLISH, low=1, high=2, shown=1))
    with speaking("zh"):
        for value in (error, str(error)):
            assert CHINESE in say("{reason}{where}", reason=value, where="")
    assert "does not fit" in say("{reason}{where}", reason=error, where="")


def test_an_error_of_several_lines_is_one_sentence_that_can_be_said_again():
    error = ValueError(say("{reason}{where}", reason=say(ENGLISH, low=1, high=2, shown=1), where="\nand more"))
    assert sentence(error).endswith("showing 1 and more") and "\n" not in sentence(error)
    with speaking("zh"):
        assert CHINESE in again(sentence(error)) and sentence(ValueError("a\nb")) == "a b"


def test_names_are_not_taken_for_sentences():
    with speaking("zh"):
        assert again("Prune") == "Prune"


def test_what_was_said_goes_to_other_processes():
    said = pickle.loads(pickle.dumps(say(ENGLISH, low=1, high=2, shown=1)))
    assert isinstance(said, Said)
    with speaking("zh"):
        assert again(said).startswith(CHINESE)


def test_each_thread_has_its_own():
    heard = []
    with speaking("zh"):
        other = threading.Thread(target=lambda: heard.append(say("Prune")))
        other.start()
        other.join()
        assert say("Prune") != "Prune"
    assert heard == ["Prune"] and language() == "en"


def test_what_is_made_later_speaks_the_language_of_who_asked():
    with speaking("zh"):
        later = as_here(say)
    assert later("Prune") == "剪枝" and say("Prune") == "Prune"


def test_a_language_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="unknown language 'tlh'; choose one of: en, zh"), speaking("tlh"):
        pass


def test_what_is_kept_is_kept_by_language():
    made = []

    @kept(4)
    def title(name: str) -> str:
        made.append(name)
        return say(name)

    assert title("Prune") == title("Prune") == "Prune"
    with speaking("zh"):
        assert title("Prune") == "剪枝"
    assert made == ["Prune", "Prune"]
    title.cache_clear()
    title("Prune")
    assert len(made) == 3


def test_where_nobody_speaks_the_reader_is_asked(monkeypatch):
    monkeypatch.setattr(saying, "_reader", lambda: "zh")
    assert say("Prune") == "剪枝"
    with speaking("en"):
        assert say("Prune") == "Prune"
