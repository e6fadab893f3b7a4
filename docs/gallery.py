"""Sphinx draws a gallery: the first picture of each page that is listed, which leads there."""

from __future__ import annotations

from docutils import nodes
from docutils.parsers.rst import Directive


class Place(nodes.General, nodes.Element):
    """Where a gallery goes, until every page has its pictures."""


class Gallery(Directive):
    """A list of pages, one a line."""

    has_content = True

    def run(self):
        return [Place("", pages=[line.strip() for line in self.content if line.strip()])]


def _card(app, name: str, source: str) -> nodes.Element:
    """A link that holds the page's first picture, if it drew one, and its title."""
    target = app.builder.get_relative_uri(source, name)
    link = nodes.reference("", "", internal=True, refuri=target, classes=["card"])
    title = app.env.titles[name].astext()
    pictures = app.env.get_doctree(name).findall(nodes.image)
    picture = next((node for node in pictures if node["uri"] in app.env.images), None)
    if picture is not None:
        link += nodes.image("", uri=picture["uri"], candidates={"*": picture["uri"]}, alt=title)
    link += nodes.inline("", title)
    return link


def fill(app, doctree, name):
    """Put the cards in the place of each gallery."""
    for place in list(doctree.findall(Place)):
        block = nodes.container(classes=["gallery"])
        block += nodes.paragraph("", "", *(_card(app, page, name) for page in place["pages"]))
        place.replace_self(block)


def setup(app):
    app.add_node(Place)
    app.add_directive("gallery", Gallery)
    app.connect("doctree-resolved", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
