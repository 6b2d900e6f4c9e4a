"""Table -> a fragment of HTML that stands by itself: one table, its footnotes, its own style.

It takes fonts and colours from the page that it is put into, loads nothing, runs nothing, and its
identifiers come from its content, so that several fragments share a page.
"""

import hashlib
import html

from bokehbench.report.cells import Cell, Column, Table
from bokehbench.text import clean

_STYLE = """\
#{id} .wide {{ overflow-x: auto; }}
#{id} table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
#{id} caption {{ caption-side: top; text-align: left; font-weight: bold; padding: 0.4em 0; }}
#{id} thead th {{ border-top: 2px solid; border-bottom: 1px solid; vertical-align: bottom; }}
#{id} tbody tr:last-child > * {{ border-bottom: 2px solid; }}
#{id} th, #{id} td {{ padding: 0.25em 0.6em; text-align: left; font-weight: normal; }}
#{id} thead th {{ font-weight: bold; }}
#{id} .n {{ text-align: right; }}
#{id} td.n {{ white-space: nowrap; }}
#{id} tbody tr:nth-child(even) > * {{ background: rgba(128, 128, 128, 0.12); }}
#{id} sup {{ line-height: 0; padding-left: 0.15em; }}
#{id} sup a {{ color: inherit; text-decoration: underline dotted; }}
#{id} .notes {{ font-size: 0.85em; max-width: 60em; }}"""


def render(table: Table) -> str:
    """The table as a `<section>`; every text of strangers is escaped."""
    key = "bb" + hashlib.sha256(repr(table).encode("utf-8", "replace")).hexdigest()[:10]
    lines = [
        f'<section class="bokehbench" id="{key}">',
        f"<style>\n{_STYLE.format(id=key)}\n</style>",
        # A part that scrolls has to be reachable by keyboard, and so has a name.
        f'<div class="wide" role="region" aria-labelledby="{key}-title" tabindex="0">',
        "<table>",
        f'<caption id="{key}-title">{_text(table.title)}</caption>',
        "<thead>",
        "<tr>" + "".join(map(_heading, table.columns)) + "</tr>",
        "</thead>",
        "<tbody>",
    ]
    for row in table.rows:
        cells = (
            _cell(cell, column, key, first=place == 0)
            for place, (cell, column) in enumerate(zip(row, table.columns, strict=True))
        )
        lines.append("<tr>" + "".join(cells) + "</tr>")
    lines += ["</tbody>", "</table>", "</div>", *_notes(table, key), "</section>"]
    return "\n".join(lines) + "\n"


def _heading(column: Column) -> str:
    return f'<th scope="col"{_class(column)}>{_text(column.title)}</th>'


def _cell(cell: Cell, column: Column, key: str, *, first: bool) -> str:
    text = _text(cell.text)
    if cell.best:
        text = f"<strong>{text}</strong>"
    marks = ", ".join(
        f'<a href="#{key}-{number}" aria-label="footnote {number}">{number}</a>'
        for number in cell.notes
    )
    if marks:
        text += f"<sup>{marks}</sup>"
    tag, scope = ("th", ' scope="row"') if first else ("td", "")
    return f"<{tag}{scope}{_class(column)}>{text}</{tag}>"


def _notes(table: Table, key: str) -> list[str]:
    lines = ['<div class="notes">']
    if table.footnotes:
        lines.append("<ol>")
        lines += [
            f'<li id="{key}-{number}">{_text(text)}</li>'
            for number, text in enumerate(table.footnotes, 1)
        ]
        lines.append("</ol>")
    lines += [f"<p>{_text(text)}</p>" for text in table.caption]
    return [*lines, "</div>"] if len(lines) > 1 else []


def _class(column: Column) -> str:
    return ' class="n"' if column.numeric else ""


def _text(text: str) -> str:
    return html.escape(clean(text))
