"""What the tests of the page have in common: pictures that need no drawing, and what is seen in a browser."""

from cvclassic.report.pictures import Picture

HEIGHTS = {1280: 800, 390: 844}  # of one screen, by its width
WIDTHS = tuple(HEIGHTS)
TWO = [("animals", "svm", "classical", 20, 1.0), ("animals", "cnn", "neural", 60, 9.0)]


def drawing(name, width, height, text):
    return Picture(
        name=name,
        title=f"The {name}",
        caption="Further up is better.",
        alt=f"In {name} the best has 97.5 %.",
        svg=f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="In {name} the best has 97.5 %." '
        f'viewBox="0 0 {width} {height}" style="min-width: {width}px"><g fill="currentColor">'
        f'<text x="10" y="20" font-size="10">{text}</text><rect x="10" y="30" width="50" height="20"/></g></svg>',
    )


PICTURES = [
    drawing("accuracy-fit-time", 340, 200, "points"),
    drawing("narrow", 340, 200, "animals"),
    drawing("wide", 800, 300, "all of them"),
    drawing("learning-curves", 340, 200, "curves"),
]


def written(page, folder):
    """The path of a file that holds the page."""
    path = folder / "report.html"
    path.write_bytes(page.encode())
    return path


def visible(page, selector):
    return [each.is_visible() for each in page.locator(selector).all()]


def column(page, heading, table="#set-1 table.sortable"):
    place = headings(page, table).index(heading) + 1
    cells = page.locator(f"{table} tbody tr:not(.more) > :nth-child({place})")
    return [broken(text.strip()) for text in cells.all_inner_texts()]


def broken(text):
    """With the spaces as they were before figures were kept on one line."""
    return text.replace("\xa0", " ").replace("\u2060", "")


def headings(page, table="#set-1 table.sortable"):
    """Of the columns that are seen."""
    return [each.inner_text().strip() for each in page.locator(f"{table} thead th").all() if each.is_visible()]


def open_all(page):
    page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")


def bottom(page, selector):
    return max((each.bounding_box() for each in page.locator(selector).all()), key=end)


def end(box):
    return box["y"] + box["height"]


def faults_by_axe(page):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response
    assert found["passes"], "axe has checked nothing"
    return [
        f"{fault['id']}: {node['html']}"
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]
