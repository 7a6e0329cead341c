"""Results that show themselves in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt


class Shown:
    """A result that a notebook shows as its chart, with what it comes to in words as the chart's subtitle."""

    def summary(self) -> str:
        """What it comes to, in one sentence."""
        raise NotImplementedError

    def chart(self) -> alt.TopLevelMixin:
        """The result as an Altair chart, with its data inside."""
        raise NotImplementedError

    def _repr_mimebundle_(self, *asked: Any, **options: Any) -> Any:
        """What IPython shows: the chart as Altair's renderer has it, and where there are no charts the summary."""
        bundle = self.chart()._repr_mimebundle_(*asked, **options)
        return bundle | {"text/plain": self.summary()} if isinstance(bundle, dict) else bundle


def titled(chart: alt.TopLevelMixin, title: str, subtitle: str) -> alt.TopLevelMixin:
    """The same chart under a title."""
    import altair as alt

    return chart.properties(title=alt.TitleParams(title, subtitle=subtitle, anchor="start"))
