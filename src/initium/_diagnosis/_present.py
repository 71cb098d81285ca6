"""A diagnosis as a report: its findings, its layers and its charts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._report import List, Report, Table
from ._by_block import by_block, number, share
from ._evidence import Layer, Loss
from ._figures import figures
from ._finding import Finding
from ._geometry_report import geometry_figure, geometry_table, jacobian_line

if TYPE_CHECKING:
    from ._diagnosis import Diagnosis


def present(diagnosis: "Diagnosis") -> Report:
    """The answer, the findings, each with its number beside its threshold, and what was measured by layer."""
    geometry = diagnosis.geometry
    jacobian = (jacobian_line(geometry.jacobian),) if geometry and geometry.jacobian else ()
    return Report(
        title=f"{diagnosis.answer}.",
        subtitle=_loss_line(diagnosis.loss) if diagnosis.loss else "",
        sections=(
            *map(told, diagnosis.findings),
            by_block(diagnosis.layers),
            *((geometry_table(geometry),) if geometry else ()),
            *figures({diagnosis.start: diagnosis}),
            *((geometry_figure(geometry),) if geometry else ()),
            layer_table(diagnosis.layers),
        ),
        remarks=(*jacobian, *diagnosis.notes),
    )


def told(finding: Finding) -> List:
    """One finding; on a page it leads to the layer where it starts."""
    title, *lines = finding.lines
    return List(f"{finding.severity} {title}", tuple(lines), finding.path)


def layer_table(layers: Sequence[Layer]) -> Table:
    """Every layer, which a page has room for."""
    return Table(
        title="Layer by layer",
        columns=("layer", "takes in", "gives", "gradient", "alike", "dead", "flat"),
        rows=tuple(
            (
                layer.path,
                *map(number, (layer.fed, layer.moment, layer.gradient)),
                *map(share, (layer.similarity, layer.dead, layer.saturated)),
            )
            for layer in layers
        ),
        note="Second moments; mean cosine between two inputs; shares of dead units, and where the activation is flat.",
        only="page",
        is_linked=True,
    )


def _loss_line(loss: Loss) -> str:
    parts = [f"Loss ({loss.name}) {loss.value:.4g}"]
    if loss.chance is not None:
        parts.append(f"knowing nothing costs {loss.chance_is} = {loss.chance:.4g}")
    parts += [f"chosen as {loss.why}"] if loss.why else []
    return "; ".join([*parts, loss.remark] if loss.remark else parts) + "."
